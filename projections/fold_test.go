package projections_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daybook/eventstore"
	"daybook/projections"
)

// TestAnyCutsRepeatsAndRestartsGiveTheSameTable feeds each read model once event by event, and then again in random
// batches that repeat what came before, with restarts, and compares the whole table after every batch.
func TestAnyCutsRepeatsAndRestartsGiveTheSameTable(t *testing.T) {
	w := newWorld(t, newLog(t), 1)
	for range 400 {
		w.step()
	}
	all := w.events()
	for _, model := range projections.Models {
		t.Run(model.Name, func(t *testing.T) {
			events := slices.DeleteFunc(slices.Clone(all), func(e eventstore.Event) bool { return !slices.Contains(model.Types, e.Type) })
			once := feedOneByOne(t, w.log, model, events)
			for seed := range uint64(5) {
				feedAtRandom(t, w.log, model, events, once, rand.New(rand.NewPCG(seed, 3)))
			}
		})
	}
}

// feedOneByOne returns the table after each event.
func feedOneByOne(t *testing.T, log eventstore.Store, model projections.Model, events []eventstore.Event) []string {
	t.Helper()
	sink := newSink(t)
	r := startRunner(t, log, model, sink)
	tables := []string{""}
	for _, e := range events {
		if err := r.Handle(context.Background(), eventstore.Batch{Events: []eventstore.Event{e}, Position: e.Position}); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, contents(t, sink, model.Name))
	}
	return tables
}

func feedAtRandom(t *testing.T, log eventstore.Store, model projections.Model, events []eventstore.Event, once []string, random *rand.Rand) {
	t.Helper()
	sink := newSink(t)
	r := startRunner(t, log, model, sink)
	for done := 0; done < len(events); {
		from, to := max(0, done-random.IntN(10)), min(len(events), done+random.IntN(40))
		if from == to {
			continue
		}
		batch := eventstore.Batch{Events: events[from:to], Position: events[to-1].Position}
		if err := r.Handle(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
		done = max(done, to)
		if diff := cmp.Diff(once[done], contents(t, sink, model.Name)); diff != "" {
			t.Fatalf("after event %d, events %d to %d: once and one by one, this:\n%s", done, from, to, diff)
		}
		if random.IntN(4) == 0 {
			r = startRunner(t, log, model, sink)
		}
	}
}

func startRunner(t *testing.T, log eventstore.Store, model projections.Model, sink projections.Sink) *projections.Runner {
	t.Helper()
	r := projections.NewRunner(model, sink, log, quiet, time.Now)
	if _, err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTwoRunnersOnOneSink: the fence lets one of two win each batch, and the other is told.
func TestTwoRunnersOnOneSink(t *testing.T) {
	w := newWorld(t, newLog(t), 2)
	for range 100 {
		w.step()
	}
	model, sink := projections.Tabs, newSink(t)
	events := slices.DeleteFunc(w.events(), func(e eventstore.Event) bool { return !slices.Contains(model.Types, e.Type) })
	once := feedOneByOne(t, w.log, model, events)
	a, b := startRunner(t, w.log, model, sink), startRunner(t, w.log, model, sink)
	half := len(events) / 2
	handle := func(r *projections.Runner, to int) error {
		return r.Handle(context.Background(), eventstore.Batch{Events: events[:to], Position: events[to-1].Position})
	}
	if err := handle(a, half); err != nil {
		t.Fatal(err)
	}
	if err := handle(b, half); !errors.Is(err, projections.ErrMoved) {
		t.Fatalf("the second runner was told %v", err)
	}
	if b.Status().Live || !b.Status().Seen.IsZero() {
		t.Error("figures of a runner that was overtaken may be read")
	}
	if _, err := b.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := handle(b, len(events)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(once[len(events)], contents(t, sink, model.Name)); diff != "" {
		t.Error(diff)
	}
}

// TestCountersComeInByteOrder: sinks take them so without sorting, so nothing else would notice.
func TestCountersComeInByteOrder(t *testing.T) {
	w := newWorld(t, newLog(t), 3)
	for range 400 {
		w.step()
	}
	fold := projections.Counters.NewFold()
	for _, e := range w.events() {
		if slices.Contains(projections.Counters.Types, e.Type) {
			if err := fold.Add(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	changes, err := fold.Changes(t.Context(), func(context.Context, string, []string) (map[string]projections.Value, error) {
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]int{}
	for i, c := range changes {
		kind, _, _ := strings.Cut(c.Field, "|")
		fields[kind]++
		if i > 0 && changes[i-1].Compare(c) >= 0 {
			t.Errorf("%s %s comes before %s %s", changes[i-1].Partition, changes[i-1].Field, c.Partition, c.Field)
		}
	}
	if periods := fields[projections.CountTabs]; len(fields) != 8 || fields["name"] < 2*periods || fields["fee"] < periods {
		t.Errorf("the fields are %v", fields)
	}
}
