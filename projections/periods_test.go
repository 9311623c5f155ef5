package projections_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daybook/projections"
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
	reader := projections.NewPeriodReader(projections.NewRemoteReader(projections.Counters, sink, log, time.Now))
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
		generations, err := sink.Generations(t.Context(), "counters")
		if err != nil {
			t.Fatal(err)
		}
		entries, _, err := sink.Sink.List(t.Context(), projections.Target{Model: "counters", Generation: generations.Active}, partition, "", 0)
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
