package sinktest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/projections"
)

var applyCases = []testCase{
	{"a target that nothing was applied to stands at the zero checkpoint", func(f *fixture) {
		f.holds(content{})
	}},
	{"apply stores changes and checkpoint", func(f *fixture) {
		f.apply(add("store 1", "coffee", 3), put("store 1", "tab 7", `{"open":true}`))
		f.holds(content{"store 1": {"coffee": "3", "tab 7": `{"open":true}`}})
		f.apply(add("store 1", "coffee", -5), remove("store 1", "tab 7"), add("store 2", "tea", 1))
		f.holds(content{"store 1": {"coffee": "-2"}, "store 2": {"tea": "1"}})
	}},
	{"a batch without changes moves the checkpoint", func(f *fixture) {
		f.apply()
		f.apply()
		f.holds(content{})
	}},
	{"a partition that is emptied is gone", func(f *fixture) {
		f.apply(add("a", "x", 1), add("b", "x", 1))
		f.apply(remove("a", "x"), remove("a", "never there"), remove("never there", "x"))
		f.holds(content{"b": {"x": "1"}})
		f.apply(add("a", "x", 1))
		f.holds(content{"a": {"x": "1"}, "b": {"x": "1"}})
	}},
	{"a checkpoint keeps every bit of log, version and position", func(f *fixture) {
		f.at = projections.Checkpoint{Log: "로그 'a' \"b\" \\ {1}", Version: math.MaxInt32, Position: at(7, math.MaxUint64-1).Position, Resumed: 5}
		f.ok(f.sink.Apply(f.Context(), f.target, projections.Batch{To: f.at}))
		f.holds(content{})
		to := f.at
		to.Position = at(math.MaxUint64-1, math.MaxInt64).Position
		f.ok(f.sink.Apply(f.Context(), f.target, projections.Batch{From: f.at, To: to}))
		f.at = to
		f.holds(content{})
	}},
	{"a resumed stream moves the checkpoint without a position", func(f *fixture) {
		f.apply(add("p", "n", 1))
		to := f.at
		to.Resumed++
		resume := projections.Batch{From: f.at, To: to, Changes: []projections.Change{add("p", "n", 10)}}
		f.ok(f.sink.Apply(f.Context(), f.target, resume))
		f.is(f.sink.Apply(f.Context(), f.target, resume), projections.ErrFenced)
		f.at = to
		f.holds(content{"p": {"n": "11"}})
		f.is(f.sink.Apply(f.Context(), f.target, projections.Batch{From: to, To: to}), projections.ErrInvalid)
	}},
	{"an event that an earlier program did not name is named later, once", func(f *fixture) {
		f.at = at(1, 1)
		f.at.Event = uuid.Nil
		f.ok(f.sink.Apply(f.Context(), f.target, projections.Batch{To: f.at, Changes: []projections.Change{add("p", "n", 1)}}))
		f.holds(content{"p": {"n": "1"}})
		named, other := at(1, 1), at(1, 1)
		other.Event = eventAt(position(99))
		f.ok(f.sink.Apply(f.Context(), f.target, projections.Batch{From: f.at, To: named}))
		f.is(f.sink.Apply(f.Context(), f.target, projections.Batch{From: f.at, To: named}), projections.ErrFenced)
		f.is(f.sink.Apply(f.Context(), f.target, projections.Batch{From: named, To: other}), projections.ErrInvalid)
		f.is(f.sink.Apply(f.Context(), f.target, projections.Batch{From: named, To: f.at}), projections.ErrInvalid)
		f.at = named
		f.holds(content{"p": {"n": "1"}})
		f.apply(add("p", "n", 1))
		f.reopen()
		f.holds(content{"p": {"n": "2"}})
	}},
	{"the first batch may hold no event", func(f *fixture) {
		f.at = projections.Checkpoint{Log: "empty log", Version: 1}
		f.ok(f.sink.Apply(f.Context(), f.target, projections.Batch{To: f.at}))
		f.holds(content{})
	}},
	{"a batch that does not follow is fenced", testFence},
	{"a repeated batch is fenced", func(f *fixture) {
		first := batch(f.at, add("p", "n", 1))
		f.ok(f.sink.Apply(f.Context(), f.target, first))
		f.is(f.sink.Apply(f.Context(), f.target, first), projections.ErrFenced)
		second := batch(first.To, add("p", "n", 1))
		f.ok(f.sink.Apply(f.Context(), f.target, second))
		f.is(f.sink.Apply(f.Context(), f.target, second), projections.ErrFenced)
		f.is(f.sink.Apply(f.Context(), f.target, first), projections.ErrFenced)
		f.at = second.To
		f.holds(content{"p": {"n": "2"}})
	}},
	{"of eight concurrent attempts at a batch one wins", func(f *fixture) {
		testRace(f, slices.Repeat([]projections.Sink{f.sink}, 8))
	}},
	{"a hundred thousand changes are one step", testLarge},
}

func testFence(f *fixture) {
	f.apply(add("p", "n", 1), put("p", "row", `"kept"`))
	f.apply(add("p", "n", 1))
	wrong := map[string]projections.Checkpoint{
		"zero":           {},
		"the one before": at(1, 1),
		"a later one":    at(3, 3),
		"other log":      {Log: "other log", Version: 3, Position: f.at.Position, Event: f.at.Event},
		"other version":  {Log: f.at.Log, Version: 4, Position: f.at.Position, Event: f.at.Event},
		"other commit":   at(1, 2),
		"other prepare":  at(2, 1),
		"other event":    {Log: f.at.Log, Version: f.at.Version, Position: f.at.Position, Event: eventAt(position(99))},
		"no event":       {Log: f.at.Log, Version: f.at.Version, Position: f.at.Position},
	}
	for name, from := range wrong {
		to := next(from)
		if from != (projections.Checkpoint{}) {
			to.Log, to.Version = from.Log, from.Version
		}
		changes := []projections.Change{add("p", "n", 100), remove("p", "row"), add("q", "n", 1)}
		err := f.sink.Apply(f.Context(), f.target, projections.Batch{From: from, To: to, Changes: changes})
		if !errors.Is(err, projections.ErrFenced) {
			f.Fatalf("%s: error is %v, want %v", name, err, projections.ErrFenced)
		}
		f.holds(content{"p": {"n": "2", "row": `"kept"`}})
	}
	fresh := projections.Target{Model: f.target.Model, Generation: 2}
	f.is(f.sink.Apply(f.Context(), fresh, batch(f.at, add("p", "n", 1))), projections.ErrFenced)
	f.holdsIn(f.sink, fresh, projections.Checkpoint{}, content{})
}

// testRace lets every sink apply the same batch at the same moment, ten batches long, the first one included.
func testRace(f *fixture, sinks []projections.Sink) {
	for round := range 10 {
		b := batch(f.at, add("p", "n", 1), add(fmt.Sprint("q", round), "n", 1), set("p", "round", int64(round)))
		errs := make([]error, len(sinks))
		var ready, done sync.WaitGroup
		start := make(chan struct{})
		for i, sink := range sinks {
			ready.Add(1)
			done.Go(func() {
				ready.Done()
				<-start
				errs[i] = sink.Apply(f.Context(), f.target, b)
			})
		}
		ready.Wait()
		close(start)
		done.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, projections.ErrFenced) {
				f.Fatal(err)
			}
		}
		f.same(won, 1)
		f.at = b.To
	}
	got, stands := f.scan(f.sink, f.target)
	f.same(stands, f.at)
	f.same(got["p"], map[string]string{"n": "10", "round": "9"})
	f.same(len(got), 11)
}

// large is a batch of n changes, each of another field.
func large(from projections.Checkpoint, n int, change func(partition, field string) projections.Change) projections.Batch {
	changes := make([]projections.Change, n)
	for i := range changes {
		changes[i] = change(fmt.Sprintf("store %d", i%37), fmt.Sprintf("product %d", i))
	}
	return batch(from, changes...)
}

// adding is the change of large that adds.
func adding(delta int64) func(partition, field string) projections.Change {
	return func(partition, field string) projections.Change { return add(partition, field, delta) }
}

func testLarge(f *fixture) {
	const n = 100_000
	f.ok(f.sink.Apply(f.Context(), f.target, large(f.at, n, adding(math.MaxInt64-1))))
	f.at = next(f.at)
	check := func(want string) {
		f.Helper()
		got, stands := f.scan(f.sink, f.target)
		f.same(stands, f.at)
		fields := 0
		for _, partition := range got {
			for field, value := range partition {
				fields++
				if value != want {
					f.Fatalf("%s is %s, want %s", field, value, want)
				}
			}
		}
		f.same(fields, n)
	}
	check(fmt.Sprint(int64(math.MaxInt64 - 1)))

	failing := large(f.at, n, adding(1))
	failing.Changes[len(failing.Changes)-1].Delta = 2
	f.is(f.sink.Apply(f.Context(), f.target, failing), projections.ErrOverflow)
	check(fmt.Sprint(int64(math.MaxInt64 - 1)))

	f.ok(f.sink.Apply(f.Context(), f.target, large(f.at, n, adding(1))))
	f.at = next(f.at)
	check(fmt.Sprint(int64(math.MaxInt64)))

	f.ok(f.sink.Apply(f.Context(), f.target, large(f.at, n, func(partition, field string) projections.Change {
		return put(partition, field, `{"name":"아메리카노"}`)
	})))
	f.at = next(f.at)
	check(`{"name":"아메리카노"}`)
}

// position is a place in the log whose two numbers are equal, as the embedded event store's are.
func position(n uint64) eventstore.Position { return eventstore.Position{Commit: n, Prepare: n} }
