package sinktest

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strconv"
	"sync"
	"time"

	"daybook/projections"
)

var lifeCases = []testCase{
	{"a sink has a name and answers a ping", func(f *fixture) {
		if f.sink.Name() == "" {
			f.Fatal("no name")
		}
		f.ok(f.sink.Ping(f.Context()))
	}},
	{"data, checkpoint and active generation survive a reopen", func(f *fixture) {
		f.apply(add("p", "n", math.MaxInt64), put("q", "row", `{"a":[1,2]}`))
		f.ok(f.sink.Apply(f.Context(), f.generation(2), batch(projections.Checkpoint{}, add("p", "n", 2))))
		f.ok(f.sink.Activate(f.Context(), f.target.Model, 2))
		f.reopen()
		f.holds(content{"p": {"n": "9223372036854775807"}, "q": {"row": `{"a":[1,2]}`}})
		f.serves(projections.Generations{Active: 2, All: []int{1, 2}})
		f.apply(add("p", "n", -1))
		f.reopen()
		f.holds(content{"p": {"n": "9223372036854775806"}, "q": {"row": `{"a":[1,2]}`}})
	}},
	{"two sinks on one storage see each other", testTwoSinks},
	{"a context that has ended stops every call before it does anything", testEndedContext},
	{"a context that ends stops a call within 50 ms", testEndingContext},
	{"a closed sink says so", testClosed},
	{"close ends a scan", testCloseEndsScan},
}

// sinks returns the fixture's sink and another one: on the same storage where that is possible, else the same sink.
func (f *fixture) sinks() []projections.Sink {
	f.Helper()
	if !f.storage.Shared {
		return []projections.Sink{f.sink, f.sink}
	}
	other := f.storage.Open(f.T)
	f.Cleanup(func() { other.Close() })
	return []projections.Sink{f.sink, other}
}

func testTwoSinks(f *fixture) {
	sinks := f.sinks()
	for i := range 6 {
		b := batch(f.at, add("p", "n", 1))
		f.ok(sinks[i%2].Apply(f.Context(), f.target, b))
		f.is(sinks[(i+1)%2].Apply(f.Context(), f.target, b), projections.ErrFenced)
		f.at = b.To
	}
	for _, sink := range sinks {
		f.holdsIn(sink, f.target, f.at, content{"p": {"n": "6"}})
	}
	second := f.generation(2)
	f.ok(sinks[0].Apply(f.Context(), second, batch(projections.Checkpoint{})))
	f.ok(sinks[1].Activate(f.Context(), f.target.Model, 2))
	f.is(sinks[0].Drop(f.Context(), second), projections.ErrActive)
	f.serves(projections.Generations{Active: 2, All: []int{1, 2}})
	f.ok(sinks[1].Drop(f.Context(), f.target))
	f.at = projections.Checkpoint{}
	testRace(f, []projections.Sink{sinks[0], sinks[1], sinks[0], sinks[1], sinks[0], sinks[1], sinks[0], sinks[1]})
}

// calls are all calls of a sink that take a context.
func (f *fixture) calls(sink projections.Sink) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Ping":       sink.Ping,
		"Checkpoint": func(ctx context.Context) error { _, err := sink.Checkpoint(ctx, f.target); return err },
		"Apply":      func(ctx context.Context) error { return sink.Apply(ctx, f.target, batch(f.at, add("p", "n", 1))) },
		"Get":        func(ctx context.Context) error { _, _, err := sink.Get(ctx, f.target, "p", "n"); return err },
		"GetEach": func(ctx context.Context) error {
			_, _, err := sink.GetEach(ctx, f.target, []string{"p", "q"}, "n")
			return err
		},
		"List": func(ctx context.Context) error { _, _, err := sink.List(ctx, f.target, "p", "", 0); return err },
		"Scan": func(ctx context.Context) error {
			_, err := sink.Scan(ctx, f.target, func(string, projections.Entry) error { return errors.New("an entry") })
			return err
		},
		"Generations": func(ctx context.Context) error { _, err := sink.Generations(ctx, f.target.Model); return err },
		"Activate":    func(ctx context.Context) error { return sink.Activate(ctx, f.target.Model, 2) },
		"Drop":        func(ctx context.Context) error { return sink.Drop(ctx, f.generation(2)) },
	}
}

func testEndedContext(f *fixture) {
	f.apply(add("p", "n", 1))
	f.ok(f.sink.Apply(f.Context(), f.generation(2), batch(projections.Checkpoint{})))
	cancelled, cancel := context.WithCancel(f.Context())
	cancel()
	expired, cancel := context.WithDeadline(f.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for name, call := range f.calls(f.sink) {
		began := time.Now()
		if err := call(cancelled); !errors.Is(err, context.Canceled) {
			f.Errorf("%s: error is %v, want %v", name, err, context.Canceled)
		}
		if err := call(expired); !errors.Is(err, context.DeadlineExceeded) {
			f.Errorf("%s: error is %v, want %v", name, err, context.DeadlineExceeded)
		}
		f.inTime(began, 0)
	}
	f.holds(content{"p": {"n": "1"}})
	f.serves(projections.Generations{Active: 1, All: []int{1, 2}})
}

// inTime checks that a call that began then came back in time: its context's time, 50 ms, and what a machine adds that runs other tests, too.
func (f *fixture) inTime(began time.Time, contextTime time.Duration) {
	f.Helper()
	const promised, busy = 50 * time.Millisecond, time.Second
	if took := time.Since(began); took > contextTime+promised+busy {
		f.Fatalf("took %v with a context of %v", took, contextTime)
	}
}

// interruptedChanges of a batch take a sink some hundred milliseconds.
const interruptedChanges = 30_000

// testEndingContext ends contexts in the middle of large batches and of a scan, by deadline and by cancelling. What was
// applied then must be all or nothing, and the sink must be as good as before.
func testEndingContext(f *fixture) {
	applied := int64(0)
	for i, patience := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond} {
		large := large(f.at, interruptedChanges, adding(1))
		ctx, cancel := context.WithTimeout(f.Context(), patience)
		if i%2 == 1 {
			cancel()
			ctx, cancel = context.WithCancel(f.Context())
			time.AfterFunc(patience, cancel)
		}
		began := time.Now()
		err := f.sink.Apply(ctx, f.target, large)
		f.inTime(began, patience)
		if err != nil {
			f.is(err, ctx.Err())
		}
		cancel()
		if f.settle(large, err) {
			applied++
		}
		f.holdsLarge(applied)
	}
	ctx, cancel := context.WithCancel(f.Context())
	f.apply(add("p", "n", 1))
	began := time.Now()
	_, err := f.sink.Scan(ctx, f.target, func(string, projections.Entry) error {
		cancel()
		return nil
	})
	f.is(err, context.Canceled)
	f.inTime(began, 0)
	f.apply(add("p", "n", 1))
}

// settle finds out whether an Apply with this outcome took place, by applying after it or instead of it, and moves the
// fixture's checkpoint.
func (f *fixture) settle(b projections.Batch, outcome error) (applied bool) {
	f.Helper()
	if outcome != nil {
		err := applyPatiently(f.Context(), f.sink, f.target, batch(b.From))
		if err == nil {
			f.at = next(b.From)
			return false
		}
		f.is(err, projections.ErrFenced)
	}
	f.at = b.To
	f.apply()
	return true
}

// holdsLarge checks that the counters of large batches all hold n; 0: that there are none.
func (f *fixture) holdsLarge(n int64) {
	f.Helper()
	all, stands := f.scan(f.sink, f.target)
	f.same(stands, f.at)
	counters := 0
	for _, fields := range all {
		for field, value := range fields {
			counters++
			if value != strconv.FormatInt(n, 10) {
				f.Fatalf("%s is %s after %d batches", field, value, n)
			}
		}
	}
	if n > 0 {
		f.same(counters, interruptedChanges)
	}
}

func testClosed(f *fixture) {
	f.apply(add("p", "n", 1))
	f.ok(f.sink.Close())
	for name, call := range f.calls(f.sink) {
		if err := call(f.Context()); !errors.Is(err, projections.ErrSinkClosed) {
			f.Errorf("%s: error is %v, want %v", name, err, projections.ErrSinkClosed)
		}
	}
	f.ok(f.sink.Close())
}

func testCloseEndsScan(f *fixture) {
	var changes []projections.Change
	for i := range 10_000 {
		changes = append(changes, add("p", time.Duration(i).String(), 1))
	}
	f.apply(changes...)
	f.apply(add("q", "last", 1))
	var closed sync.WaitGroup
	calls := 0
	_, err := f.sink.Scan(f.Context(), f.target, func(partition string, _ projections.Entry) error {
		if calls++; calls == 1 {
			closed.Go(func() {
				if err := f.sink.Close(); err != nil {
					f.Error(err)
				}
			})
			for f.sink.Ping(f.Context()) == nil {
				runtime.Gosched()
			}
		}
		if partition == "q" {
			f.Error("the scan went on")
		}
		return nil
	})
	f.is(err, projections.ErrSinkClosed)
	closed.Wait()
}
