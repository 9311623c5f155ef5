package projections_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daybook/eventstore"
	"daybook/projections"
	embeddedsink "daybook/projections/embedded"
)

// countingSink counts how often a partition is read whole.
type countingSink struct {
	projections.Sink
	lists int
}

func (c *countingSink) List(ctx context.Context, target projections.Target, partition, after string, limit int) ([]projections.Entry, projections.Checkpoint, error) {
	c.lists++
	return c.Sink.List(ctx, target, partition, after, limit)
}

// TestPeriodsAreReadOnce: a period is read whole only when something was counted since, is right whatever was remembered,
// and whichever generation is served.
func TestPeriodsAreReadOnce(t *testing.T) {
	log := newLog(t)
	sink := &countingSink{Sink: newSink(t)}
	w := newWorld(t, log, 31)
	reader := projections.NewPeriodReader(projections.NewRemoteReader(projections.Counters, sink, log, time.Now), projections.PeriodsBytes)
	const partition = "s1|MONTH|2024-11-01"
	read := func() projections.PeriodFigures {
		t.Helper()
		head, err := log.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		figures, err := reader.Period(ctx, head, partition)
		if err != nil {
			t.Fatal(err)
		}
		return figures
	}
	fresh := func() projections.PeriodFigures {
		t.Helper()
		generations, err := sink.Generations(t.Context(), projections.Counters.Target(1).Model)
		if err != nil {
			t.Fatal(err)
		}
		entries, _, err := sink.Sink.List(t.Context(), projections.Counters.Target(generations.Active), partition, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		figures, err := projections.ReadPeriod(entries)
		if err != nil {
			t.Fatal(err)
		}
		return figures
	}
	for round := range 4 {
		for range 100 {
			w.step()
		}
		if round == 2 {
			if _, err := projections.Rebuild(t.Context(), log, sink, projections.Counters, quiet, noProgress); err != nil {
				t.Fatal(err)
			}
		}
		if err := projections.CatchUp(t.Context(), log, sink, projections.Counters, quiet, noProgress); err != nil {
			t.Fatal(err)
		}
		before := sink.lists
		for range 3 {
			figures := read()
			if diff := cmp.Diff(fresh(), figures); diff != "" || figures.Tabs == 0 {
				t.Fatalf("round %d: %d tabs, %s", round, figures.Tabs, diff)
			}
		}
		if got := sink.lists - before; got != 1 {
			t.Errorf("round %d: read whole %d times", round, got)
		}
	}
}

// fillPeriods puts a period of a thousand products into each of n partitions.
func fillPeriods(t *testing.T, sink projections.Sink, log string, n int) {
	t.Helper()
	target := projections.Counters.Target(1)
	var at projections.Checkpoint
	for period := range n {
		batch := projections.Batch{From: at, To: projections.Checkpoint{Log: log, Version: projections.Counters.Version, Resumed: period + 1}}
		for product := range 1000 {
			of := fmt.Sprintf("|p%015d|DRINK", product)
			name := fmt.Sprintf(`["Flat white %d",%d]`, product, period)
			for _, change := range []projections.Change{
				{Field: "amount" + of, Op: projections.Set, Delta: 5000},
				{Field: "quantity" + of, Op: projections.Set, Delta: 1},
				{Field: "name" + of, Op: projections.Put, Row: []byte(name)},
			} {
				change.Partition = partitionOf(period)
				batch.Changes = append(batch.Changes, change)
			}
		}
		if err := sink.Apply(t.Context(), target, batch); err != nil {
			t.Fatal(err)
		}
		at = batch.To
	}
}

func partitionOf(period int) string { return fmt.Sprintf("s%d|MONTH|2024-11-01", period) }

// TestPeriodsAreBounded asks for far more periods than can be kept, and holds what the reader says it takes to what the
// memory says.
func TestPeriodsAreBounded(t *testing.T) {
	options := embeddedsink.Options{Dir: t.TempDir(), Logger: quiet}
	sink, err := embeddedsink.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	const periods = 150
	log := newLog(t)
	identity, err := log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fillPeriods(t, sink, identity, periods)
	if err := sink.Close(); err != nil { // its memory tables, which come and go in the background, are not to be measured
		t.Fatal(err)
	}
	if sink, err = embeddedsink.Open(options); err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	reader := projections.NewPeriodReader(projections.NewRemoteReader(projections.Counters, sink, log, time.Now), projections.PeriodsBytes)
	read := func(n int) {
		t.Helper()
		figures, err := reader.Period(t.Context(), eventstore.Position{}, partitionOf(n))
		if err != nil || len(figures.Products) != 1000 {
			t.Fatalf("%d products, %v", len(figures.Products), err)
		}
	}
	for n := range periods {
		read(n)
	}
	told, with := reader.Stats(), settled()
	runtime.KeepAlive(reader)
	reader = nil
	took := with - settled() // so what Pebble keeps does not count
	t.Logf("%d periods take %d bytes each, and are told to take %d", told.Entries, took/told.Entries, told.Bytes/told.Entries)
	if told.Bytes > projections.PeriodsBytes || told.Entries < 50 || told.Evictions == 0 {
		t.Errorf("%+v", told)
	}
	if took*4 > told.Bytes*5 || told.Bytes*2 > took*3 {
		t.Errorf("%d bytes are taken: %+v", took, told)
	}
}

// settled is what is in use once it hardly changes any more: Pebble takes memory in the background, and gives it back.
func settled() int64 {
	last := inUse()
	for range 300 {
		time.Sleep(100 * time.Millisecond)
		now := inUse()
		if change := now - last; max(change, -change) < 100_000 {
			return now
		}
		last = now
	}
	return last
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
