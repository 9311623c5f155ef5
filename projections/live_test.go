package projections_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"daybook/eventstore"
	"daybook/follow"
	"daybook/projections"
)

// running is a router at work on all read models of one sink.
type running struct {
	runners map[string]*projections.Runner
	stop    context.CancelFunc
	done    chan error
}

func run(t *testing.T, log eventstore.Store, sink projections.Sink) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{map[string]*projections.Runner{}, cancel, make(chan error, 1)}
	var all []*projections.Runner
	for _, model := range projections.Models {
		runner := projections.NewRunner(model, sink, log, quiet, time.Now)
		r.runners[model.Name] = runner
		all = append(all, runner)
	}
	go func() {
		r.done <- projections.Run(ctx, follow.NewFeed(log), all, projections.NewMetrics(prometheus.NewRegistry()), quiet)
	}()
	t.Cleanup(func() { r.end(t) })
	return r
}

func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		if err != nil {
			t.Error(err)
		}
		r.done <- nil
	case <-time.After(20 * time.Second):
		t.Fatal("the router does not stop")
	}
}

// caughtUp waits until every read model includes the whole log.
func (r *running) caughtUp(t *testing.T, log eventstore.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	head, err := log.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, runner := range r.runners {
		if err := runner.Wait(ctx, head); err != nil {
			t.Fatal(err)
		}
	}
}

// verified compares every read model with a fresh fold, and the counters with an audit.
func verified(t *testing.T, log eventstore.Store, sink projections.Sink) {
	t.Helper()
	ctx := context.Background()
	for _, model := range projections.Models {
		report, err := projections.Verify(ctx, log, sink, newSink(t), model, quiet, noProgress)
		if err != nil || report.Difference != "" || !report.Compared {
			t.Errorf("%s: %+v, %v", model.Name, report, err)
		}
	}
	audit, err := projections.Audit(ctx, log, sink, "", noProgress)
	if err != nil || len(audit.Differences) != 0 || audit.Tabs == 0 {
		t.Errorf("audit: %+v, %v", audit, err)
	}
}

func noProgress(uint64, uint64) {}

func TestLiveAndRestarted(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 4)
	for range 3 {
		r := run(t, log, sink)
		for range 150 {
			w.step()
		}
		r.caughtUp(t, log)
		r.end(t)
	}
	verified(t, log, sink)
}

// TestLostDataComesBack: a sink that loses a read model, idle or not, gets it again, and no figure is shown meanwhile.
func TestLostDataComesBack(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 5)
	for range 200 {
		w.step()
	}
	r := run(t, log, sink)
	r.caughtUp(t, log)
	before := contents(t, sink, "counters")
	lose(t, sink, projections.Counters)
	// A reader must not be shown that nothing was sold.
	reader := projections.NewReader(r.runners["counters"])
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	values, err := reader.Get(ctx, eventstore.Position{}, "s0|WEEK|2024-11-25", projections.CountTabs)
	if err != nil || values[projections.CountTabs].Counter == 0 {
		t.Errorf("while the data was lost, a reader got %v, %v", values, err)
	}
	r.caughtUp(t, log)
	if diff := cmp.Diff(before, contents(t, sink, "counters")); diff != "" {
		t.Error(diff)
	}
}

// lose makes the served generation an empty one, as a flushed Redis does: a detour over another generation, because a
// sink drops no active one.
func lose(t *testing.T, sink projections.Sink, model projections.Model) {
	t.Helper()
	ctx := context.Background()
	one, two := model.Target(1), model.Target(2)
	at := projections.Checkpoint{Log: "x"}
	for _, err := range []error{
		sink.Apply(ctx, two, projections.Batch{To: at}), sink.Activate(ctx, two.Model, 2), sink.Drop(ctx, one),
		sink.Activate(ctx, one.Model, 1), sink.Drop(ctx, two),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestForeignReadModelsAreRefused(t *testing.T) {
	log, other, sink := newLog(t), newLog(t), newSink(t)
	w := newWorld(t, log, 6)
	for range 20 {
		w.step()
	}
	r := run(t, log, sink)
	r.caughtUp(t, log)
	r.end(t)
	before := contents(t, sink, "tabs")
	newWorld(t, other, 7)
	runner := projections.NewRunner(projections.Tabs, sink, other, quiet, time.Now)
	err := projections.Run(t.Context(), follow.NewFeed(other), []*projections.Runner{runner}, projections.NewMetrics(prometheus.NewRegistry()), quiet)
	if !errors.Is(err, projections.ErrForeign) {
		t.Errorf("of another log: %v", err)
	}
	if diff := cmp.Diff(before, contents(t, sink, "tabs")); diff != "" {
		t.Error(diff)
	}
}

func identity(t *testing.T, log eventstore.Store) string {
	t.Helper()
	id, err := log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}
