package projections_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"daybook/domain/stream"
	"daybook/eventstore"
	"daybook/projections"
)

// farLog is a log without partitions, as one over a network is, that counts the passes through it.
type farLog struct {
	eventstore.Store
	passes, events atomic.Int64
}

func (f *farLog) ReadAll(ctx context.Context, read eventstore.LogRead) iter.Seq2[eventstore.Event, error] {
	if read.Direction == eventstore.Backward || read.Limit > 0 {
		return f.Store.ReadAll(ctx, read)
	}
	return func(yield func(eventstore.Event, error) bool) {
		f.passes.Add(1)
		for e, err := range f.Store.ReadAll(ctx, read) {
			f.events.Add(1)
			if !yield(e, err) {
				return
			}
		}
	}
}

// TestTogetherReadsOnce: whatever is made of a log far away, all read models and the audit of all stores, takes as many
// passes through it as the work that needs most of them, and comes to the same as one after the other.
func TestTogetherReadsOnce(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	newWorld(t, log, 21).steps(600)
	far := &farLog{Store: log}
	together := func(what string, passesMax int64, works ...projections.Work) {
		t.Helper()
		far.passes.Store(0)
		if err := projections.Together(t.Context(), far, works...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if n := far.passes.Load(); n > passesMax {
			t.Errorf("%s: %d passes through the log, want %d", what, n, passesMax)
		}
	}
	each := func(work func(ctx context.Context, log eventstore.Store, model projections.Model) error) (works []projections.Work) {
		for _, model := range projections.Models {
			works = append(works, func(ctx context.Context, log eventstore.Store) error { return work(ctx, log, model) })
		}
		return works
	}
	together("catching up", 1, each(func(ctx context.Context, log eventstore.Store, model projections.Model) error {
		return projections.CatchUp(ctx, log, sink, model, quiet, noProgress)
	})...)
	scratch := newSink(t)
	works := each(func(ctx context.Context, log eventstore.Store, model projections.Model) error {
		report, err := projections.Verify(ctx, log, sink, scratch, model, quiet, noProgress)
		if err == nil && (report.Difference != "" || report.Entries == 0) {
			t.Errorf("verify: %+v", report)
		}
		return err
	})
	var audit projections.AuditReport
	works = append(works, func(ctx context.Context, log eventstore.Store) (err error) {
		audit, err = projections.Audit(ctx, log, sink, "", noProgress)
		return err
	})
	together("verifying", 2, works...) // the audit lists the stores first
	near, err := projections.Audit(t.Context(), log, sink, "", noProgress)
	if err != nil || len(audit.Differences) > 0 || audit.Tabs == 0 || audit.Tabs != near.Tabs || audit.Position != near.Position {
		t.Errorf("audit: %+v, of the log nearby %+v, %v", audit, near, err)
	}
	together("rebuilding", 3, each(func(ctx context.Context, log eventstore.Store, model projections.Model) error {
		report, err := projections.Rebuild(ctx, log, sink, model, quiet, noProgress)
		if err == nil && (report.Difference != "" || !report.Compared) {
			t.Errorf("rebuild: %+v", report)
		}
		return err
	})...)
	verified(t, log, sink)
}

// TestTogetherNamesTheStore: what is wrong with one store is its own difference, also where all are audited in one pass.
func TestTogetherNamesTheStore(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	newWorld(t, log, 22).steps(300)
	if err := projections.CatchUp(t.Context(), log, sink, projections.Counters, quiet, noProgress); err != nil {
		t.Fatal(err)
	}
	foreign := stream.Tab("s1", "foreign.1")
	bad := eventstore.NewEvent{ID: uuid.New(), Type: "tab.order_placed.v1", Data: []byte(`{"lines":"none"}`)}
	if _, err := log.Append(t.Context(), foreign, eventstore.NoStream, []eventstore.NewEvent{bad}); err != nil {
		t.Fatal(err)
	}
	for name, log := range map[string]eventstore.Store{"near": log, "far": &farLog{Store: log}} {
		audit, err := projections.Audit(t.Context(), log, sink, "", noProgress)
		if err != nil || len(audit.Differences) != 1 || !strings.HasPrefix(audit.Differences[0], "store s1: stream "+foreign+" revision 0: ") {
			t.Errorf("%s: %v, %v", name, audit.Differences, err)
		}
	}
}

// TestTogetherSharesOnlyWhatFits: each work gets the events that it asked for, in order and once, wherever it begins and
// however early it has enough; one that fails ends the others.
func TestTogetherSharesOnlyWhatFits(t *testing.T) {
	log := newLog(t)
	newWorld(t, log, 23).steps(1000)
	far := &farLog{Store: log}
	read := func(log eventstore.Store, read eventstore.LogRead, most int) (got []eventstore.Position) {
		for e, err := range log.ReadAll(t.Context(), read) {
			if err != nil {
				t.Error(err)
			}
			if got = append(got, e.Position); len(got) == most {
				break
			}
		}
		return got
	}
	everything := read(log, eventstore.LogRead{}, 0)
	middle := everything[len(everything)/2]
	var works []projections.Work
	for _, filter := range []eventstore.Filter{{}, {Types: []string{"tab.closed.v1"}}, {Prefixes: []string{"store-"}}, {Types: []string{"none"}}} {
		for _, after := range []eventstore.Position{{}, middle, everything[len(everything)-1]} {
			for _, most := range []int{0, 1, 300} {
				wanted := eventstore.LogRead{After: after, Filter: filter}
				works = append(works, func(_ context.Context, shared eventstore.Store) error {
					for range 2 {
						if got, want := read(shared, wanted, most), read(log, wanted, most); !slices.Equal(got, want) {
							t.Errorf("%+v, at most %d: %d events, want %d", wanted, most, len(got), len(want))
						}
					}
					return nil
				})
			}
		}
	}
	if err := projections.Together(t.Context(), far, works...); err != nil || far.passes.Load() != 2 {
		t.Errorf("%d passes, %v", far.passes.Load(), err)
	}
	failed := errors.New("failed")
	err := projections.Together(t.Context(), far,
		func(ctx context.Context, log eventstore.Store) error {
			for _, err := range log.ReadAll(ctx, eventstore.LogRead{}) {
				if err != nil {
					return err
				}
			}
			<-ctx.Done()
			return ctx.Err()
		},
		func(ctx context.Context, log eventstore.Store) error {
			for range log.ReadAll(ctx, eventstore.LogRead{}) {
				return failed
			}
			return nil
		})
	if !errors.Is(err, failed) {
		t.Errorf("one failed: %v", err)
	}
}
