package projections_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
	"daybook/projections"
)

// openLog opens an event log on a file system.
func openLog(t *testing.T, fs vfs.FS) eventstore.Store {
	t.Helper()
	log, err := embeddedlog.Open(embeddedlog.Options{Dir: "log", FS: fs, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

// at is a copy of the world whose things go on happening in a copy of its log.
func (w *world) at(log eventstore.Store) *world {
	fork := *w
	fork.log, fork.random = log, rand.New(rand.NewPCG(99, 99))
	fork.stores = slices.Clone(w.stores)
	fork.menus, fork.tabs, fork.next, fork.ends = maps.Clone(w.menus), maps.Clone(w.tabs), maps.Clone(w.next), maps.Clone(w.ends)
	return &fork
}

func (w *world) steps(n int) *world {
	for range n {
		w.step()
	}
	return w
}

// restored is a log of which an older copy was restored, with read models of the newer one.
type restored struct {
	t     *testing.T
	older eventstore.Store // the copy
	world *world           // that goes on in the copy
	sink  projections.Sink
	newer map[string]string // what the read models of the newer log hold
	lost  uint64            // events that the copy lacks
}

// restore makes read models of a log, and then the log an older copy.
func restore(t *testing.T, seed uint64) *restored {
	t.Helper()
	fs := vfs.NewCrashableMem()
	log := openLog(t, fs)
	w := newWorld(t, log, seed).steps(200)
	r := &restored{t: t, older: openLog(t, fs.CrashClone(vfs.CrashCloneCfg{})), sink: newSink(t), newer: map[string]string{}}
	r.world = w.at(r.older)
	w.steps(100)
	for _, model := range projections.Models {
		if err := projections.CatchUp(t.Context(), log, r.sink, model, quiet, noProgress); err != nil {
			t.Fatal(err)
		}
		r.newer[model.Name] = contents(t, r.sink, model.Name)
	}
	r.lost = head(t, log).Commit - head(t, r.older).Commit
	return r
}

func head(t *testing.T, log eventstore.Store) eventstore.Position {
	t.Helper()
	at, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// refused makes sure that nothing adds to the read models of the newer log.
func (r *restored) refused() {
	r.t.Helper()
	for _, model := range projections.Models {
		catchUp := projections.CatchUp(r.t.Context(), r.older, r.sink, model, quiet, noProgress)
		_, verify := projections.Verify(r.t.Context(), r.older, r.sink, newSink(r.t), model, quiet, noProgress)
		unpark := projections.Unpark(r.t.Context(), r.older, r.sink, model, []string{"tab-s0-t0.1"}, false, quiet)
		for _, err := range []error{catchUp, verify, unpark} {
			if !errors.Is(err, projections.ErrOlder) {
				r.t.Errorf("%s: %v", model.Name, err)
			}
		}
		if diff := cmp.Diff(r.newer[model.Name], contents(r.t, r.sink, model.Name)); diff != "" {
			r.t.Errorf("%s: %s", model.Name, diff)
		}
	}
}

// kept makes sure that generation 1 of every read model still holds what it did.
func (r *restored) kept() {
	r.t.Helper()
	for _, model := range projections.Models {
		generations, err := r.sink.Generations(r.t.Context(), model.Target(1).Model)
		if err != nil || generations.Active == 1 || !slices.Contains(generations.All, 1) {
			r.t.Errorf("%s: %+v, %v", model.Name, generations, err)
		}
		if diff := cmp.Diff(r.newer[model.Name], contentsOf(r.t, r.sink, model.Target(1))); diff != "" {
			r.t.Errorf("%s: %s", model.Name, diff)
		}
	}
}

// notServedAgain makes sure that what is kept is nothing to go back to.
func (r *restored) notServedAgain() {
	r.t.Helper()
	for _, model := range projections.Models {
		err := projections.Rollback(r.t.Context(), r.older, r.sink, model)
		if !errors.Is(err, projections.ErrNoRollback) || !errors.Is(err, projections.ErrOlder) {
			r.t.Errorf("%s rolled back: %v", model.Name, err)
		}
	}
}

// TestOlderLog: an older copy of the log, as it is or grown again past where the read models stand, is noticed by
// whatever looks. Read models are built beside, of the log as it is, and what knew more is kept through rebuilds.
func TestOlderLog(t *testing.T) {
	for name, more := range map[string]int{"as it was copied": 0, "grown a little": 10, "grown past": 200} {
		t.Run(name, func(t *testing.T) {
			r := restore(t, 41)
			r.world.steps(more)
			r.refused()
			live := run(t, r.older, r.sink)
			live.caughtUp(t, r.older)
			verified(t, r.older, r.sink)
			r.kept()
			r.notServedAgain()
			r.world.steps(50)
			live.caughtUp(t, r.older)
			live.end(t)
			for range 2 {
				for _, model := range projections.Models {
					if report, err := projections.Rebuild(t.Context(), r.older, r.sink, model, quiet, noProgress); err != nil || report.Difference != "" || !report.Compared || report.Kept != "" {
						t.Errorf("%s: %+v, %v", model.Name, report, err)
					}
				}
			}
			verified(t, r.older, r.sink)
			if err := projections.Rollback(t.Context(), r.older, r.sink, projections.Counters); err != nil {
				t.Error(err) // there is one that was served in between
			}
			r.kept()
		})
	}
}

// TestRebuildOfAnOlderLog: an operator's rebuild needs nothing of what the read models hold.
func TestRebuildOfAnOlderLog(t *testing.T) {
	r := restore(t, 42)
	for _, model := range projections.Models {
		report, err := projections.Rebuild(t.Context(), r.older, r.sink, model, quiet, noProgress)
		if err != nil || report.Compared || !strings.Contains(report.Kept, "events are missing") {
			t.Errorf("%s: %+v, %v", model.Name, report, err)
		}
		at, err := projections.Standing(t.Context(), r.older, r.sink, model)
		if err != nil || at.Position != head(t, r.older) {
			t.Errorf("%s stands at %+v, %v", model.Name, at, err)
		}
	}
	verified(t, r.older, r.sink)
	r.kept()
}

// TestMissingEventsAreCounted: the line that the operator sees says how many events are missing.
func TestMissingEventsAreCounted(t *testing.T) {
	r := restore(t, 43)
	runner := projections.NewRunner(projections.Tabs, r.sink, r.older, quiet, time.Now)
	var told []*projections.OlderLog
	runner.OnOlder = func(older *projections.OlderLog) { told = append(told, older) }
	if _, err := runner.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || told[0].Missing != r.lost || told[0].Head != head(t, r.older) {
		t.Fatalf("told %v, %d are missing", told, r.lost)
	}
	if got := runner.Status().Persisted.Position; got != head(t, r.older) {
		t.Errorf("it stands at %v", got)
	}
}

// TestEarlierProgramsCheckpoint: a checkpoint that names no event is taken, gets one when there is nothing else to do,
// and is refused where the log is shorter.
func TestEarlierProgramsCheckpoint(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	newWorld(t, log, 44).steps(50)
	end := head(t, log)
	unnamed := func(sink projections.Sink, position eventstore.Position) {
		t.Helper()
		at := projections.Checkpoint{Log: identity(t, log), Version: projections.Stores.Version, Position: position}
		if err := sink.Apply(t.Context(), projections.Stores.Target(1), projections.Batch{To: at}); err != nil {
			t.Fatal(err)
		}
	}
	unnamed(sink, end)
	if err := projections.CatchUp(t.Context(), log, sink, projections.Stores, quiet, noProgress); err != nil {
		t.Fatal(err)
	}
	at, err := projections.Standing(t.Context(), log, sink, projections.Stores)
	if err != nil || at.Position != end || at.Event == uuid.Nil {
		t.Errorf("it stands at %+v, %v", at, err)
	}
	ahead := newSink(t)
	unnamed(ahead, eventstore.Position{Commit: end.Commit + 1, Prepare: end.Prepare + 1})
	if _, err := projections.Standing(t.Context(), log, ahead, projections.Stores); !errors.Is(err, projections.ErrOlder) {
		t.Errorf("ahead of the log: %v", err)
	}
}

// soon is a context for what must not be answered.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// TestReadersOfAnOlderLog: no reader, near or remote, answers from read models that know more than the log.
func TestReadersOfAnOlderLog(t *testing.T) {
	for name, more := range map[string]int{"as it was copied": 0, "grown past": 200} {
		t.Run(name, func(t *testing.T) {
			r := restore(t, 45)
			r.world.steps(more)
			remote := projections.NewRemoteReader(projections.Counters, r.sink, r.older, time.Now)
			near := projections.NewReader(projections.NewRunner(projections.Counters, r.sink, r.older, quiet, time.Now))
			for name, reader := range map[string]*projections.Reader{"remote": remote, "near": near} {
				values, err := reader.Get(soon(t), eventstore.Position{}, "s0|WEEK|2024-11-25", projections.CountTabs)
				if !errors.Is(err, projections.ErrNotCurrent) {
					t.Errorf("%s: %v, %v", name, values, err)
				}
				period, err := projections.NewPeriodReader(reader, projections.PeriodsBytes).Period(soon(t), eventstore.Position{}, "s0|WEEK|2024-11-25")
				if !errors.Is(err, projections.ErrNotCurrent) {
					t.Errorf("%s: %v, %v", name, period, err)
				}
			}
			if _, err := projections.Rebuild(t.Context(), r.older, r.sink, projections.Counters, quiet, noProgress); err != nil {
				t.Fatal(err)
			}
			if _, err := remote.Get(soon(t), head(t, r.older), "s0|WEEK|2024-11-25", projections.CountTabs); err != nil {
				t.Errorf("rebuilt: %v", err)
			}
		})
	}
}

// TestRemoteReaderOfLostData: a read model that lost its data, and is being filled again by another process, is not
// taken for all there is, neither by who has seen more nor by who comes new.
func TestRemoteReaderOfLostData(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 46).steps(200)
	model, day := projections.Counters, "s0|WEEK|2024-11-25"
	fill := func() {
		t.Helper()
		if err := projections.CatchUp(t.Context(), log, sink, model, quiet, noProgress); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	before := projections.NewRemoteReader(model, sink, log, time.Now)
	if _, err := before.Get(soon(t), eventstore.Position{}, day, projections.CountTabs); err != nil {
		t.Fatal(err)
	}
	lose(t, sink, model)
	for name, reader := range map[string]*projections.Reader{"old": before, "new": projections.NewRemoteReader(model, sink, log, time.Now)} {
		if values, err := reader.Get(soon(t), eventstore.Position{}, day, projections.CountTabs); !errors.Is(err, projections.ErrNotCurrent) {
			t.Errorf("%s: %v, %v", name, values, err)
		}
	}
	w.steps(20)
	fill()
	if _, err := before.Get(soon(t), eventstore.Position{}, day, projections.CountTabs); err != nil {
		t.Error(err)
	}
}

// replacedSink answers with another checkpoint than the runner left, further on.
type replacedSink struct {
	projections.Sink
	change func(*projections.Checkpoint)
}

func (r *replacedSink) Get(ctx context.Context, target projections.Target, partition string, fields ...string) (map[string]projections.Value, projections.Checkpoint, error) {
	values, at, err := r.Sink.Get(ctx, target, partition, fields...)
	if r.change != nil {
		r.change(&at)
	}
	return values, at, err
}

// TestReplacedDataIsNotRead: what a sink holds instead of what the runner left there is not read, however far it is.
func TestReplacedDataIsNotRead(t *testing.T) {
	for name, change := range map[string]func(*projections.Checkpoint){
		"another log":     func(at *projections.Checkpoint) { at.Log, at.Position.Commit = "other", at.Position.Commit+1 },
		"another version": func(at *projections.Checkpoint) { at.Version++ },
		"another event":   func(at *projections.Checkpoint) { at.Event = uuid.New() },
		"nothing":         func(at *projections.Checkpoint) { *at = projections.Checkpoint{} },
	} {
		t.Run(name, func(t *testing.T) {
			log, sink := newLog(t), &replacedSink{Sink: newSink(t)}
			newWorld(t, log, 47).steps(50)
			runner := projections.NewRunner(projections.Counters, sink, log, quiet, time.Now)
			if _, err := runner.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			batch := eventstore.Batch{Position: head(t, log), CaughtUp: true}
			for e, err := range log.ReadAll(t.Context(), eventstore.LogRead{Filter: eventstore.Filter{Types: projections.Counters.Types}}) {
				if err != nil {
					t.Fatal(err)
				}
				batch.Events = append(batch.Events, e)
			}
			if err := runner.Handle(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			reader := projections.NewReader(runner)
			read := func() error {
				_, err := reader.Get(soon(t), eventstore.Position{}, "s0|WEEK|2024-11-25", projections.CountTabs)
				return err
			}
			if err := read(); err != nil {
				t.Fatal(err)
			}
			sink.change = change
			if err := read(); !errors.Is(err, projections.ErrNotCurrent) {
				t.Errorf("replaced: %v", err)
			}
			// The next batch, however soon, does not make it readable: the runner looks first.
			if err := runner.Handle(t.Context(), eventstore.Batch{Position: batch.Position, CaughtUp: true}); !errors.Is(err, projections.ErrMoved) {
				t.Errorf("the runner goes on: %v", err)
			}
		})
	}
}
