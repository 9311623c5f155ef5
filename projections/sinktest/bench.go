package sinktest

import (
	"fmt"
	"testing"

	"daybook/projections"
)

// Bench measures Apply of batches of 10,000 changes, each of another field: counters that grow, and rows that are
// replaced. It reports changes per second.
func Bench(b *testing.B, storage Storage) {
	b.Run("10000 adds", func(b *testing.B) {
		bench(b, storage, func(i int) projections.Change {
			return add(fmt.Sprintf("store %d/month %d", i%50, i%12), fmt.Sprintf("product %d", i), int64(i))
		})
	})
	b.Run("10000 puts", func(b *testing.B) {
		bench(b, storage, func(i int) projections.Change {
			return put(fmt.Sprintf("store %d", i%50), fmt.Sprintf("tab %d", i),
				`{"table":"7","opened":"2026-03-01T12:00:00+09:00","state":"open","lines":[{"name":"아메리카노","quantity":2,"price":4500}],"total":9000}`)
		})
	})
}

func bench(b *testing.B, storage Storage, change func(int) projections.Change) {
	sink := storage.Open(b)
	defer sink.Close()
	changes := make([]projections.Change, 10_000)
	for i := range changes {
		changes[i] = change(i)
	}
	target, from := projections.Target{Model: modelName(), Generation: 1}, projections.Checkpoint{}
	for b.Loop() {
		if err := sink.Apply(b.Context(), target, batch(from, changes...)); err != nil {
			b.Fatal(err)
		}
		from = next(from)
	}
	b.ReportMetric(float64(b.N)*float64(len(changes))/b.Elapsed().Seconds(), "changes/s")
}
