package projections_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/projections"
)

// inOrderOnly is a log that cannot be read store by store.
type inOrderOnly struct{ eventstore.Store }

// catchUp brings counters to the end of a log and returns them, with what is parked.
func catchUp(t *testing.T, log eventstore.Store, sink projections.Sink, rangeSize uint64, changesMax int) string {
	t.Helper()
	if err := projections.CatchUpBy(t.Context(), log, sink, projections.Counters, quiet, rangeSize, changesMax, noProgress); err != nil {
		t.Fatal(err)
	}
	text := contents(t, sink, "counters")
	parked, err := projections.ListParked(t.Context(), sink, projections.Counters)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parked {
		text += p.Stream + " " + p.Error + "\n"
	}
	return text
}

// closing appends a closing event to a stream of its own.
func closing(t *testing.T, log eventstore.Store, expected eventstore.Revision, data string) {
	t.Helper()
	e := eventstore.NewEvent{ID: uuid.New(), Type: tab.ClosedType, Data: []byte(data)}
	if _, err := log.Append(t.Context(), "tab-s1-poisoned.1", expected, []eventstore.NewEvent{e}); err != nil {
		t.Fatal(err)
	}
}

// TestApartEqualsInOrder: however the log is cut into ranges, folding the stores apart gives what folding in order
// gives, again and again as the log grows, with parked streams and without.
func TestApartEqualsInOrder(t *testing.T) {
	for name, bounds := range map[string]struct {
		rangeSize  uint64
		changesMax int
	}{
		"one range":    {1 << 22, projections.ChangesMax},
		"ranges":       {37, projections.ChangesMax},
		"single":       {1, projections.ChangesMax},
		"halved":       {1 << 20, 150},
		"halved apart": {1 << 20, 3}, // no event makes so few
	} {
		t.Run(name, func(t *testing.T) {
			log := newLog(t)
			apart, inOrder := newSink(t), newSink(t)
			w := newWorld(t, log, 21)
			for round := range 5 {
				for range 120 {
					w.step()
				}
				switch round {
				case 2: // cannot be folded, so its stream is parked
					closing(t, log, eventstore.NoStream, `{"amount":"much"}`)
				case 3: // could be, but what is behind is left out
					closing(t, log, 0, `{"storeId":"s1","businessDate":"2024-11-27","settlementDay":1,"amount":5}`)
				}
				got := catchUp(t, log, apart, bounds.rangeSize, bounds.changesMax)
				want := catchUp(t, inOrderOnly{log}, inOrder, bounds.rangeSize, bounds.changesMax)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("round %d: %s", round, diff)
				}
			}
			audited(t, log, apart)
		})
	}
}

// audited makes sure that the counters are what the orders and payments make.
func audited(t *testing.T, log eventstore.Store, sink projections.Sink) {
	t.Helper()
	audit, err := projections.Audit(t.Context(), log, sink, "s0", noProgress)
	if err != nil || len(audit.Differences) != 0 || audit.Tabs == 0 {
		t.Errorf("audit: %+v, %v", audit, err)
	}
}

// TestApartFromTheBeginning: an empty log gives a checkpoint too, so that a rebuild of it can be served.
func TestApartFromTheBeginning(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	for range 2 {
		if _, err := projections.Rebuild(t.Context(), log, sink, projections.Counters, quiet, noProgress); err != nil {
			t.Fatal(err)
		}
	}
}

// TestApartCancelled: it ends with its context, between two ranges as well as within one, and goes on from there.
func TestApartCancelled(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 22)
	for range 400 {
		w.step()
	}
	told := 0
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		err := projections.CatchUpBy(ctx, log, sink, projections.Counters, quiet, 100, projections.ChangesMax, func(uint64, uint64) {
			if told++; told%2 == 0 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		cancel()
	}
	got := catchUp(t, log, sink, 100, projections.ChangesMax)
	if diff := cmp.Diff(catchUp(t, inOrderOnly{log}, newSink(t), 100, projections.ChangesMax), got); diff != "" {
		t.Error(diff)
	}
}
