package sinktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"daybook/projections"
)

var scanCases = []testCase{
	{"scan passes everything in byte order of partition and field", testScanOrder},
	{"scan is of one checkpoint while batches are applied", testScanWhileApplying},
	{"scans may overlap", testOverlappingScans},
	{"an error ends a scan, and the target can be applied to again", func(f *fixture) {
		f.apply(add("p", "a", 1), add("p", "b", 1), add("q", "c", 1))
		enough, calls := errors.New("enough"), 0
		_, err := f.sink.Scan(f.Context(), f.target, func(string, projections.Entry) error {
			calls++
			return enough
		})
		f.is(err, enough)
		f.same(calls, 1)
		f.ok(f.sink.Apply(f.Context(), f.target, batch(f.at)))
	}},
	{"the function of a scan may use the sink", func(f *fixture) {
		f.apply(add("p", "a", 1))
		_, err := f.sink.Scan(f.Context(), f.target, func(string, projections.Entry) error {
			_, stands, err := f.sink.Get(f.Context(), f.target, "p", "a")
			f.ok(err)
			f.same(stands, f.at)
			other := projections.Target{Model: f.target.Model, Generation: 2}
			f.ok(f.sink.Apply(f.Context(), other, batch(projections.Checkpoint{}, add("p", "a", 1))))
			err = f.sink.Apply(f.Context(), f.target, batch(f.at, add("p", "a", 1)))
			if err != nil {
				f.is(err, projections.ErrHeld)
				return nil
			}
			f.at = next(f.at)
			return nil
		})
		f.ok(err)
		f.apply(add("p", "a", 1))
	}},
}

func testScanOrder(f *fixture) {
	_, stands := f.scan(f.sink, f.target)
	f.same(stands, projections.Checkpoint{})
	type place struct{ partition, field string }
	var want []place
	var changes []projections.Change
	for _, partition := range oddNames {
		for _, field := range oddNames {
			want = append(want, place{partition, field})
			changes = append(changes, add(partition, field, 1))
		}
	}
	for i := range 5000 { // more than one page of any adapter
		partition, field := "many", fmt.Sprintf("%x", i*7919)
		want = append(want, place{partition, field})
		changes = append(changes, add(partition, field, 1))
	}
	for i := range 3000 {
		partition, field := fmt.Sprintf("part %x", i*7919), "f"
		want = append(want, place{partition, field})
		changes = append(changes, put(partition, field, `{"a":1}`))
	}
	f.apply(changes...)
	slices.SortFunc(want, func(a, b place) int {
		if a.partition != b.partition {
			return strings.Compare(a.partition, b.partition)
		}
		return strings.Compare(a.field, b.field)
	})
	var got []place
	stands, err := f.sink.Scan(f.Context(), f.target, func(partition string, entry projections.Entry) error {
		got = append(got, place{partition, entry.Field})
		return nil
	})
	f.ok(err)
	f.same(stands, f.at)
	if !slices.Equal(got, want) {
		f.Fatalf("%d entries in another order than the %d stored", len(got), len(want))
	}
}

func testScanWhileApplying(f *fixture) {
	var padding []projections.Change // so that there is a way to go from the one partition to the other
	for i := range 3000 {
		padding = append(padding, put(fmt.Sprint("middle ", i%50), fmt.Sprint(i), `{}`))
	}
	// Positions are compared with the number of batches, and this one is none that counts.
	f.ok(f.sink.Apply(f.Context(), f.target, projections.Batch{To: at(0, 0), Changes: padding}))
	f.at = at(0, 0)
	stop := f.move()
	defer stop()
	last := projections.Checkpoint{}
	for scans := 0; scans < 20; {
		seen, stands := f.scan(f.sink, f.target)
		f.balanced(number(f, seen["left"]["moved"]), number(f, seen["right"]["moved"]), number(f, seen["left"]["batches"]), stands)
		f.same(seen["right"]["batches"], seen["left"]["batches"])
		if stands == last { // the writer did not get a word in between
			continue
		}
		last = stands
		scans++
	}
}

func number(f *fixture, digits string) (n int64) {
	f.Helper()
	if _, err := fmt.Sscan(digits, &n); err != nil {
		f.Fatalf("%q is not a counter: %v", digits, err)
	}
	return n
}

// testOverlappingScans begins a second scan while a first is under way, ends the first, and lets the second go on.
func testOverlappingScans(f *fixture) {
	var changes []projections.Change
	for i := range 3000 {
		changes = append(changes, add(fmt.Sprint("p", i%30), fmt.Sprint(i), 1))
	}
	f.apply(changes...)
	inFirst, inSecond, firstEnded := make(chan struct{}), make(chan struct{}), make(chan struct{})
	counts := make([]int, 2)
	var first, second error
	var done sync.WaitGroup
	done.Go(func() {
		defer close(firstEnded)
		_, first = f.sink.Scan(f.Context(), f.target, func(string, projections.Entry) error {
			if counts[0]++; counts[0] == 1 {
				close(inFirst)
				<-inSecond
			}
			return nil
		})
	})
	done.Go(func() {
		<-inFirst
		_, second = f.sink.Scan(f.Context(), f.target, func(string, projections.Entry) error {
			if counts[1]++; counts[1] == 1 {
				close(inSecond)
				<-firstEnded
				err := f.sink.Apply(f.Context(), f.target, batch(f.at, add("p0", "0", 1), remove("p9", "2999")))
				if err != nil && !errors.Is(err, projections.ErrHeld) {
					return err
				}
			}
			return nil
		})
		if counts[1] == 0 {
			close(inSecond)
		}
	})
	done.Wait()
	f.ok(first)
	f.ok(second)
	f.same(counts, []int{3000, 3000})
}
