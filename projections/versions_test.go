package projections_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daybook/eventstore"
	"daybook/follow"
	"daybook/internal/logtest"
	"daybook/projections"
)

// version makes a model of another version, which says in a field of its own which one it is.
func version(of projections.Model, ahead int) projections.Model {
	of.Version += ahead
	newFold, is := of.NewFold, of.Version
	of.NewFold = func() projections.Fold { return marked{newFold(), is} }
	return of
}

type marked struct {
	projections.Fold
	version int
}

func (m marked) Changes(ctx context.Context, read projections.ReadRows) ([]projections.Change, error) {
	changes, err := m.Fold.Changes(ctx, read)
	mark := projections.Change{Partition: "version", Field: "is", Op: projections.Set, Delta: int64(m.version)}
	return append(changes, mark), err
}

// versioned is a program of one version: it runs the projection of one model.
type versioned struct {
	*running
	t      *testing.T
	model  projections.Model
	runner *projections.Runner
	reader *projections.Reader
	said   *logtest.Lines
	least  int64
}

func runVersion(t *testing.T, log eventstore.Store, sink projections.Sink, model projections.Model) *versioned {
	t.Helper()
	p := &versioned{t: t, model: model, said: new(logtest.Lines)}
	ctx, cancel := context.WithCancel(context.Background())
	said := p.said.Logger(slog.LevelInfo)
	p.runner = projections.NewRunner(model, sink, log, said, time.Now)
	p.reader = projections.NewReader(p.runner)
	p.running = &running{map[string]*projections.Runner{model.Name: p.runner}, cancel, make(chan error, 1)}
	go func() {
		p.done <- projections.Run(ctx, follow.NewFeed(log), []*projections.Runner{p.runner}, projections.NewMetrics(prometheus.NewRegistry()), said)
	}()
	t.Cleanup(func() { p.end(t) })
	return p
}

const upgradeMax = 20 * time.Second

// shows reads a figure that only ever grows, and which version it is of.
func (p *versioned) shows(reader *projections.Reader, at eventstore.Position) (is int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), upgradeMax)
	defer cancel()
	values, err := reader.Get(ctx, at, "version", "is")
	if err != nil {
		return 0, err
	}
	figure, err := reader.Get(ctx, at, "s0|MONTH|2024-11-01", projections.CountTabs)
	if err != nil {
		return 0, err
	}
	if n := figure[projections.CountTabs].Counter; n < p.least {
		return 0, fmt.Errorf("%d are shown, after %d", n, p.least)
	} else {
		p.least = n
	}
	return values["is"].Counter, nil
}

// showing makes sure that the program shows a version, with all that is in the log.
func (p *versioned) showing(log eventstore.Store, version int) {
	p.t.Helper()
	if is, err := p.shows(p.reader, head(p.t, log)); err != nil || is != int64(version) {
		p.t.Fatalf("program of version %d shows version %d, %v; want %d", p.model.Version, is, err, version)
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(upgradeMax); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not %s after %v", what, upgradeMax)
		}
	}
}

// slowSink holds up what is applied to one target, until it is let go.
type slowSink struct {
	projections.Sink
	target  string
	begun   atomic.Int64
	free    chan struct{}
	release func()
}

func newSlowSink(sink projections.Sink, model projections.Model) *slowSink {
	s := &slowSink{Sink: sink, target: model.Target(1).Model, free: make(chan struct{})}
	s.release = sync.OnceFunc(func() { close(s.free) })
	return s
}

func (s *slowSink) Apply(ctx context.Context, target projections.Target, batch projections.Batch) error {
	if target.Model == s.target {
		s.begun.Add(1)
		select {
		case <-s.free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.Sink.Apply(ctx, target, batch)
}

const steppedBack = "a newer program serves this read model"

// TestUpgrade: two programs of one sink, under load. While the new one builds its version, both show the old one; then
// the new one shows its own, and the old one steps back and goes on. Nobody is ever refused, or shown less than before.
// Then back to the old program, and to the new one again.
func TestUpgrade(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 31).steps(100)
	oldModel, newModel := version(projections.Counters, 1), version(projections.Counters, 2)
	slow := newSlowSink(sink, newModel)
	old := runVersion(t, log, sink, oldModel)
	old.showing(log, oldModel.Version)

	upgraded := runVersion(t, log, slow, newModel)
	queries := projections.NewRemoteReader(newModel, sink, log, time.Now) // in a process that only answers queries
	for range 6 {
		w.steps(5)
		old.showing(log, oldModel.Version)
		upgraded.showing(log, oldModel.Version)
		if is, err := old.shows(queries, head(t, log)); err != nil || is != int64(oldModel.Version) {
			t.Fatalf("queries alone: version %d, %v", is, err)
		}
	}
	until(t, "building", func() bool { return slow.begun.Load() > 0 })
	if err := upgraded.runner.Ready(); !errors.Is(err, projections.ErrNotCurrent) {
		t.Errorf("while it builds, the new program is ready: %v", err)
	}
	if n := old.said.Count(steppedBack); n != 0 {
		t.Errorf("the old program stepped back before the new one was there")
	}

	slow.release()
	for upgraded.runner.Ready() != nil {
		w.step()
		for _, p := range []*versioned{old, upgraded} {
			if _, err := p.shows(p.reader, eventstore.Position{}); err != nil {
				t.Fatalf("while it is switched: %v", err)
			}
		}
	}
	w.steps(20)
	upgraded.showing(log, newModel.Version)
	until(t, "stepped back", func() bool { return old.runner.Status().Superseded == newModel.Version })
	until(t, "switched", func() bool {
		is, err := old.shows(queries, head(t, log))
		if err != nil {
			t.Fatal(err)
		}
		return is == int64(newModel.Version)
	})
	for range 4 {
		w.steps(5)
		old.showing(log, oldModel.Version)
		upgraded.showing(log, newModel.Version)
	}
	if n := old.said.Count(steppedBack); n != 1 {
		t.Errorf("the old program said %d times that it steps back:\n%s", n, old.said)
	}
	old.end(t)
	upgraded.end(t)

	w.steps(30)
	back := runVersion(t, log, sink, oldModel) // of the week before: its version is still there
	back.showing(log, oldModel.Version)
	if start := back.runner.Status(); start.Superseded != newModel.Version || back.said.Count(steppedBack) != 1 {
		t.Errorf("the old program is back: %+v", start)
	}
	w.steps(30)
	again := runVersion(t, log, sink, newModel)
	again.showing(log, newModel.Version)
	w.steps(10)
	back.showing(log, oldModel.Version)
	again.showing(log, newModel.Version)
	for _, model := range []projections.Model{oldModel, newModel} {
		report, err := projections.Verify(t.Context(), log, sink, newSink(t), model, quiet, noProgress)
		if err != nil || !report.Compared || report.Difference != "" {
			t.Errorf("version %d: %+v, %v", model.Version, report, err)
		}
	}
}

// TestUpgradedAndFlushed: the sink loses both versions while programs of both run. Both have all back, and are never wrong.
func TestUpgradedAndFlushed(t *testing.T) {
	w, sink, oldModel, newModel := ended(t, 44)
	both := []*versioned{runVersion(t, w.log, sink, oldModel), runVersion(t, w.log, sink, newModel)}
	for range 2 {
		for _, p := range both {
			if err := p.runner.Wait(t.Context(), head(t, w.log)); err != nil {
				t.Fatal(err)
			}
			p.showing(w.log, p.model.Version)
		}
		outdated := &projections.Outdated{Store: w.log, Log: quiet}
		if err := outdated.Look(t.Context(), sink, newModel, time.Now()); err != nil {
			t.Fatal(err)
		}
		until(t, "stepped back", func() bool { return both[0].runner.Status().Superseded == newModel.Version })
		lose(t, sink, oldModel)
		lose(t, sink, newModel)
		w.steps(20)
		for _, p := range both {
			if _, err := p.shows(p.reader, head(t, w.log)); err != nil {
				t.Errorf("program of version %d: %v", p.model.Version, err)
			}
		}
	}
}

// refused makes sure that a reader shows nothing now.
func refused(t *testing.T, reader *projections.Reader, at eventstore.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if values, err := reader.Get(ctx, at, "version", "is"); !errors.Is(err, projections.ErrNotCurrent) {
		t.Errorf("it shows version %d, %v", values["is"].Counter, err)
	}
}

// remoteVersion reads the version that a process shows which only answers queries.
func remoteVersion(t *testing.T, log eventstore.Store, sink projections.Sink, model projections.Model) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), upgradeMax)
	defer cancel()
	values, err := projections.NewRemoteReader(model, sink, log, time.Now).Get(ctx, eventstore.Position{}, "version", "is")
	if err != nil {
		t.Fatal(err)
	}
	return int(values["is"].Counter)
}

// ended is a sink in which an old program kept a version until it ended.
func ended(t *testing.T, seed uint64) (w *world, sink projections.Sink, oldModel, newModel projections.Model) {
	t.Helper()
	log, sink := newLog(t), newSink(t)
	w = newWorld(t, log, seed).steps(100)
	oldModel, newModel = version(projections.Counters, 1), version(projections.Counters, 2)
	p := runVersion(t, log, sink, oldModel)
	until(t, "at the end", func() bool { return p.runner.Status().Persisted.Position == head(t, log) })
	p.end(t)
	return w, sink, oldModel, newModel
}

// failingSink fails every Apply to one model from the n-th on.
type failingSink struct {
	projections.Sink
	target string
	n      int64
	tried  atomic.Int64
}

func (s *failingSink) Apply(ctx context.Context, target projections.Target, batch projections.Batch) error {
	if target.Model == s.target && s.tried.Add(1) >= s.n {
		return fmt.Errorf("%w: failing", projections.ErrSinkUnavailable)
	}
	return s.Sink.Apply(ctx, target, batch)
}

// TestUpgradeInterrupted: a new program dies before each step of building its version. The old version is shown until
// another process has finished.
func TestUpgradeInterrupted(t *testing.T) {
	for n := int64(1); n <= 2; n++ {
		w, sink, oldModel, newModel := ended(t, 32)
		failing := &failingSink{Sink: sink, target: newModel.Target(1).Model, n: n}
		first := runVersion(t, w.log, failing, newModel)
		until(t, "failing", func() bool { return failing.tried.Load() >= n })
		first.showing(w.log, oldModel.Version)
		first.end(t)
		if is := remoteVersion(t, w.log, sink, newModel); is != oldModel.Version {
			t.Errorf("interrupted before step %d: version %d is shown", n, is)
		}
		second := runVersion(t, w.log, sink, newModel)
		if err := second.runner.Wait(t.Context(), head(t, w.log)); err != nil {
			t.Fatal(err)
		}
		second.showing(w.log, newModel.Version)
		verifyVersion(t, w.log, sink, newModel)
	}
}

func verifyVersion(t *testing.T, log eventstore.Store, sink projections.Sink, model projections.Model) {
	t.Helper()
	report, err := projections.Verify(t.Context(), log, sink, newSink(t), model, quiet, noProgress)
	if err != nil || !report.Compared || report.Difference != "" {
		t.Errorf("version %d: %+v, %v", model.Version, report, err)
	}
}

// TestTwoBuildOneVersion: two processes of the new program start at once.
func TestTwoBuildOneVersion(t *testing.T) {
	w, sink, _, newModel := ended(t, 33)
	both := []*versioned{runVersion(t, w.log, sink, newModel), runVersion(t, w.log, sink, newModel)}
	for _, p := range both {
		w.steps(10)
		if err := p.runner.Wait(t.Context(), head(t, w.log)); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range both {
		p.showing(w.log, newModel.Version)
	}
	verifyVersion(t, w.log, sink, newModel)
}

// TestEarlierVersionIsBehind: an old program ended without the last events. Its version is shown as it was, but not to
// who asks for more.
func TestEarlierVersionIsBehind(t *testing.T) {
	w, sink, oldModel, newModel := ended(t, 34)
	was := head(t, w.log)
	w.steps(100)
	slow := newSlowSink(sink, newModel)
	p := runVersion(t, w.log, slow, newModel)
	if is, err := p.shows(p.reader, was); err != nil || is != int64(oldModel.Version) {
		t.Errorf("version %d, %v", is, err)
	}
	if is := remoteVersion(t, w.log, sink, newModel); is != oldModel.Version {
		t.Errorf("queries alone: version %d", is)
	}
	refused(t, p.reader, head(t, w.log))
	slow.release()
	p.showing(w.log, newModel.Version)
}

// TestBeginningsOfAnEarlierVersionAreNotShown: nobody knows that the old version was ever complete, and it lacks events.
func TestBeginningsOfAnEarlierVersionAreNotShown(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 35).steps(50)
	oldModel, newModel := version(projections.Counters, 1), version(projections.Counters, 2)
	if err := projections.CatchUpBy(t.Context(), log, sink, oldModel, quiet, 1<<20, projections.ChangesMax, noProgress); err != nil {
		t.Fatal(err)
	}
	w.steps(100)
	slow := newSlowSink(sink, newModel)
	p := runVersion(t, log, slow, newModel)
	until(t, "building", func() bool { return slow.begun.Load() > 0 })
	refused(t, p.reader, eventstore.Position{})
	refused(t, projections.NewRemoteReader(newModel, sink, log, time.Now), eventstore.Position{})
	slow.release()
	p.showing(log, newModel.Version)
}

// forgetfulSink may have lost what was applied last.
type forgetfulSink struct{ projections.Sink }

func (forgetfulSink) Forgot() bool { return true }

// TestForgottenEndIsNotShown: the process of the old program was killed, and with it perhaps the end of what it had shown.
func TestForgottenEndIsNotShown(t *testing.T) {
	w, sink, oldModel, newModel := ended(t, 42)
	slow := newSlowSink(sink, newModel)
	p := runVersion(t, w.log, forgetfulSink{slow}, newModel)
	p.showing(w.log, oldModel.Version) // it has all there is
	p.end(t)
	begun := slow.begun.Load()
	w.steps(100)
	p = runVersion(t, w.log, forgetfulSink{slow}, newModel)
	until(t, "building", func() bool { return slow.begun.Load() > begun })
	refused(t, p.reader, eventstore.Position{})
	slow.release()
	p.showing(w.log, newModel.Version)
}

// TestLostAfterTheSwitch: what was switched to is lost. The earlier version, which knows less, is not shown again.
func TestLostAfterTheSwitch(t *testing.T) {
	w, sink, _, newModel := ended(t, 36)
	p := runVersion(t, w.log, sink, newModel)
	w.steps(100)
	if err := p.runner.Wait(t.Context(), head(t, w.log)); err != nil {
		t.Fatal(err)
	}
	p.end(t)
	lose(t, sink, newModel)
	slow := newSlowSink(sink, newModel)
	p = runVersion(t, w.log, slow, newModel)
	until(t, "being made again", func() bool { return slow.begun.Load() > 0 })
	refused(t, p.reader, eventstore.Position{})
	refused(t, projections.NewRemoteReader(newModel, sink, w.log, time.Now), eventstore.Position{})
	slow.release()
	p.showing(w.log, newModel.Version)
}

// TestAbandoned: a process only answers queries, and those that kept the read model up to date have ended. It shows what
// there is as long as that may be a restart.
func TestAbandoned(t *testing.T) {
	w, sink, model, _ := ended(t, 37)
	now := time.Now()
	reader := projections.NewRemoteReader(model, sink, w.log, func() time.Time { return now })
	shown := func(after time.Duration) {
		t.Helper()
		now = now.Add(after)
		if _, err := reader.Get(t.Context(), eventstore.Position{}, "version", "is"); err != nil {
			t.Error(err)
		}
	}
	shown(0)
	shown(time.Hour) // nothing has happened
	w.steps(30)
	shown(time.Hour)
	shown(59 * time.Second)
	now = now.Add(time.Second)
	refused(t, reader, eventstore.Position{})
	if err := projections.CatchUp(t.Context(), w.log, sink, model, quiet, noProgress); err != nil {
		t.Fatal(err)
	}
	shown(time.Second)
	w.steps(30)
	shown(time.Hour)
}

// TestRebuiltAheadOfItsProgram: an operator has the new program verify and rebuild before any process of it follows the
// log. Processes that only answer queries show the old version, which is kept up to date.
func TestRebuiltAheadOfItsProgram(t *testing.T) {
	w, sink, oldModel, newModel := ended(t, 43)
	old := runVersion(t, w.log, sink, oldModel)
	if err := projections.CatchUp(t.Context(), w.log, sink, newModel, quiet, noProgress); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w.steps(30)
		old.showing(w.log, oldModel.Version)
		if is := remoteVersion(t, w.log, sink, newModel); is != oldModel.Version {
			t.Errorf("version %d is shown", is)
		}
		if report, err := projections.Rebuild(t.Context(), w.log, sink, newModel, quiet, noProgress); err != nil || report.Difference != "" {
			t.Errorf("%+v, %v", report, err)
		}
	}
	p := runVersion(t, w.log, sink, newModel)
	if err := p.runner.Wait(t.Context(), head(t, w.log)); err != nil {
		t.Fatal(err)
	}
	if is := remoteVersion(t, w.log, sink, newModel); is != newModel.Version {
		t.Errorf("version %d is shown", is)
	}
	if _, err := projections.Rebuild(t.Context(), w.log, sink, newModel, quiet, noProgress); err != nil {
		t.Fatal(err)
	}
	if is := remoteVersion(t, w.log, sink, newModel); is != newModel.Version {
		t.Errorf("rebuilt, version %d is shown", is)
	}
}

// TestUpgradeOnAnotherLog: the old version is of another log, or knows more than this one. It is not shown.
func TestUpgradeOnAnotherLog(t *testing.T) {
	t.Run("foreign", func(t *testing.T) {
		_, sink, _, newModel := ended(t, 38)
		other := newLog(t)
		newWorld(t, other, 39)
		runner := projections.NewRunner(newModel, sink, other, quiet, time.Now)
		err := projections.Run(t.Context(), follow.NewFeed(other), []*projections.Runner{runner}, projections.NewMetrics(prometheus.NewRegistry()), quiet)
		if _, standing := projections.Standing(t.Context(), other, sink, newModel); !errors.Is(err, projections.ErrForeign) || !errors.Is(standing, projections.ErrForeign) {
			t.Errorf("%v, %v", err, standing)
		}
	})
	t.Run("older", func(t *testing.T) {
		r := restore(t, 40)
		newModel := version(projections.Counters, 1)
		if _, err := projections.Standing(t.Context(), r.older, r.sink, newModel); !errors.Is(err, projections.ErrOlder) {
			t.Errorf("standing: %v", err)
		}
		slow := newSlowSink(r.sink, newModel)
		p := runVersion(t, r.older, slow, newModel)
		until(t, "building", func() bool { return slow.begun.Load() > 0 })
		refused(t, p.reader, eventstore.Position{})
		slow.release()
		p.showing(r.older, newModel.Version)
	})
}

// TestOutdatedVersionIsDropped: a week after the switch, unless somebody still keeps it up to date. A program of that
// version makes it again.
func TestOutdatedVersionIsDropped(t *testing.T) {
	w, sink, oldModel, newModel := ended(t, 41)
	p := runVersion(t, w.log, sink, newModel)
	old := runVersion(t, w.log, sink, oldModel)
	w.steps(50)
	p.showing(w.log, newModel.Version)
	old.showing(w.log, oldModel.Version)
	atEnd := func(p *versioned) {
		t.Helper()
		end := head(t, w.log)
		until(t, "at the end", func() bool { return p.runner.Status().Persisted.Position == end })
	}
	atEnd(old)
	old.end(t)
	outdated := &projections.Outdated{Store: w.log, Log: quiet}
	exists := func() bool { return contentsOf(t, sink, oldModel.Target(1)) != "" }
	look := func(after time.Duration) {
		t.Helper()
		if err := outdated.Look(t.Context(), sink, newModel, time.Now().Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	week := projections.OutdatedAfter + time.Minute
	look(week)
	look(week)
	if !exists() {
		t.Fatal("dropped, though nothing has happened since it was kept up to date")
	}
	w.steps(50)
	atEnd(p)
	look(projections.OutdatedAfter - time.Hour)
	if look(projections.OutdatedAfter - time.Minute); !exists() {
		t.Fatal("dropped within the week")
	}
	if look(week); exists() {
		t.Fatal("not dropped")
	}
	look(week)
	look(week)
	generations, err := projections.ListGenerations(t.Context(), w.log, sink, newModel)
	if err != nil || len(generations) != 2 || !generations[1].Position.IsZero() {
		t.Errorf("there are %+v, %v", generations, err)
	}
	p.showing(w.log, newModel.Version)
	back := runVersion(t, w.log, sink, oldModel)
	if err := back.runner.Wait(t.Context(), head(t, w.log)); err != nil {
		t.Fatal(err)
	}
	back.showing(w.log, oldModel.Version)
	verifyVersion(t, w.log, sink, oldModel)
	p.showing(w.log, newModel.Version)
}
