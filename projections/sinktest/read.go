package sinktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"daybook/projections"
)

var readCases = []testCase{
	{"get returns the fields that exist and their checkpoint", func(f *fixture) {
		got, stands, err := f.sink.Get(f.Context(), f.target, "p", "n")
		f.ok(err)
		f.same(got, map[string]projections.Value{})
		f.same(stands, projections.Checkpoint{})

		f.apply(add("p", "n", 5), put("p", "row", `[1]`), add("p", "other", 1), add("q", "missing", 1))
		got, stands, err = f.sink.Get(f.Context(), f.target, "p", "n", "row", "missing", "n")
		f.ok(err)
		f.same(stands, f.at)
		f.same(got, map[string]projections.Value{"n": {Counter: 5}, "row": {Row: []byte(`[1]`)}})

		got, stands, err = f.sink.Get(f.Context(), f.target, "p")
		f.ok(err)
		f.same(got, map[string]projections.Value{})
		f.same(stands, f.at)
	}},
	{"get of each of some partitions returns their fields in order", testGetEach},
	{"list returns a partition in byte order", testList},
	{"list obeys after and limit", testListPages},
	{"reads never see half a batch", testReadsWhileApplying},
	{"each of many gets at once has its own answer", testGetsAtOnce},
}

func testGetEach(f *fixture) {
	none := map[string]projections.Value{}
	got, stands, err := f.sink.GetEach(f.Context(), f.target, []string{"p", "q"}, "n")
	f.ok(err)
	f.same(got, []map[string]projections.Value{none, none})
	f.same(stands, projections.Checkpoint{})

	f.apply(add("p", "n", 5), put("p", "row", `[1]`), add("p", "other", 1), add("q", "n", 7))
	got, stands, err = f.sink.GetEach(f.Context(), f.target, []string{"q", "missing", "p", "q"}, "n", "row", "gone")
	f.ok(err)
	f.same(stands, f.at)
	f.same(got, []map[string]projections.Value{
		{"n": {Counter: 7}}, none, {"n": {Counter: 5}, "row": {Row: []byte(`[1]`)}}, {"n": {Counter: 7}},
	})
	for _, c := range []struct{ partitions, fields []string }{{nil, []string{"n"}}, {[]string{"p", "q"}, nil}, {nil, nil}} {
		got, stands, err = f.sink.GetEach(f.Context(), f.target, c.partitions, c.fields...)
		f.ok(err)
		f.same(got, slices.Repeat([]map[string]projections.Value{none}, len(c.partitions)))
		f.same(stands, f.at)
	}
	f.testGetManyPartitions()
}

// testGetManyPartitions asks for as many partitions as may be asked for, every other of which exists.
func (f *fixture) testGetManyPartitions() {
	f.Helper()
	var changes []projections.Change
	var names []string
	for n := range projections.PartitionsMax {
		names = append(names, fmt.Sprint("day ", n))
		if n%2 == 0 {
			changes = append(changes, add(names[n], "gross", int64(n)), add(names[n], "tabs", 1))
		}
	}
	f.apply(changes...)
	got, stands, err := f.sink.GetEach(f.Context(), f.target, names, "gross", "tabs", "items")
	f.ok(err)
	f.same(stands, f.at)
	f.same(len(got), len(names))
	for n, values := range got {
		want := map[string]projections.Value{}
		if n%2 == 0 {
			want = map[string]projections.Value{"gross": {Counter: int64(n)}, "tabs": {Counter: 1}}
		}
		f.same(values, want)
	}
	_, _, err = f.sink.GetEach(f.Context(), f.target, append(names, "one more"), "gross")
	f.is(err, projections.ErrInvalid)
}

func testList(f *fixture) {
	entries, stands, err := f.sink.List(f.Context(), f.target, "p", "", 0)
	f.ok(err)
	f.same(len(entries), 0)
	f.same(stands, projections.Checkpoint{})

	var changes []projections.Change
	for i, name := range oddNames {
		changes = append(changes, add("p", name, int64(i)), add("p\x01", name, 1), add("o", name, 1))
	}
	f.apply(append(changes, put("p", "row", `{"a":1}`))...)
	want := slices.Sorted(slices.Values(append([]string{"row"}, oddNames...)))
	entries, stands, err = f.sink.List(f.Context(), f.target, "p", "", 0)
	f.ok(err)
	f.same(stands, f.at)
	f.same(fields(entries), want)
	for _, entry := range entries {
		if entry.Field == "row" {
			f.same(text(entry.Value), `{"a":1}`)
			continue
		}
		f.same(entry.Value, projections.Value{Counter: int64(slices.Index(oddNames, entry.Field))})
	}
}

func testListPages(f *fixture) {
	var changes []projections.Change
	for i := range 100 {
		changes = append(changes, add("p", fmt.Sprintf("%03d", i), int64(i)))
	}
	f.apply(changes...)
	list := func(after string, limit int) []string {
		f.Helper()
		entries, stands, err := f.sink.List(f.Context(), f.target, "p", after, limit)
		f.ok(err)
		f.same(stands, f.at)
		return fields(entries)
	}
	f.same(list("", 2), []string{"000", "001"})
	f.same(list("001", 2), []string{"002", "003"})
	f.same(list("0015", 1), []string{"002"})
	f.same(list("097", 10), []string{"098", "099"})
	f.same(len(list("098", 0)), 1)
	f.same(len(list("099", 0)), 0)
	f.same(len(list("zzz", 5)), 0)
	f.same(len(list("", 100)), 100)
	f.same(len(list("", 1000)), 100)
	f.same(len(list("\x01", 0)), 100)

	var paged []string
	for after := ""; ; after = paged[len(paged)-1] {
		page := list(after, 7)
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
	}
	f.same(paged, list("", 0))
}

// testReadsWhileApplying moves an amount from field to field and reads meanwhile: the sum is always zero, and the
// number of batches that a read sees is that of its checkpoint.
func testReadsWhileApplying(f *fixture) {
	farApart := []string{"left"}
	for n := range 200 { // so that a batch would come between, if they were not read in one go
		farApart = append(farApart, fmt.Sprint("nowhere ", n))
	}
	farApart = append(farApart, "right")
	stop := f.move()
	defer stop()
	for range 100 {
		values, stands, err := f.sink.Get(f.Context(), f.target, "left", "moved", "batches")
		f.ok(err)
		f.balanced(values["moved"].Counter, -values["moved"].Counter, values["batches"].Counter, stands)

		each, stands, err := f.sink.GetEach(f.Context(), f.target, farApart, "moved", "batches")
		f.ok(err)
		left, right := each[0], each[len(each)-1]
		f.balanced(left["moved"].Counter, right["moved"].Counter, left["batches"].Counter, stands)
		f.balanced(0, 0, right["batches"].Counter, stands)

		entries, stands, err := f.sink.List(f.Context(), f.target, "left", "", 0)
		f.ok(err)
		sum, batches := int64(0), int64(0)
		for _, entry := range entries {
			switch {
			case entry.Field == "batches":
				batches = entry.Counter
			case strings.HasPrefix(entry.Field, "share "):
				sum += entry.Counter
			case entry.Field == "moved":
				sum -= entry.Counter
			}
		}
		f.balanced(sum, 0, batches, stands)
	}
}

// testGetsAtOnce reads different fields of different partitions of two targets, many at a time, some of them given up.
func testGetsAtOnce(f *fixture) {
	another := projections.Target{Model: modelName(), Generation: 1}
	var changes []projections.Change
	for p := range 5 {
		for n := range 20 {
			changes = append(changes, add(fmt.Sprint("p", p), fmt.Sprint("f", n), int64(100*p+n)))
		}
	}
	f.apply(changes...)
	f.ok(f.sink.Apply(f.Context(), another, batch(projections.Checkpoint{}, put("p0", "f0", `"another"`))))
	group, ctx := errgroup.WithContext(f.Context())
	group.SetLimit(50)
	for i := range 1000 {
		group.Go(func() error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			if i%10 == 0 {
				go cancel()
			}
			target, p, first, many := f.target, i%6, i%18, i%4
			want := map[string]projections.Value{}
			var names []string
			for n := first; n < first+many; n++ {
				names = append(names, fmt.Sprint("f", n))
				if p < 5 && n < 20 {
					want[fmt.Sprint("f", n)] = projections.Value{Counter: int64(100*p + n)}
				}
			}
			if i%7 == 0 {
				target, p, names, want = another, 0, []string{"f0"}, map[string]projections.Value{"f0": {Row: []byte(`"another"`)}}
			}
			got, stands, err := f.sink.Get(ctx, target, fmt.Sprint("p", p), names...)
			if i%10 == 0 && errors.Is(err, context.Canceled) {
				return nil
			}
			if err != nil || !cmp.Equal(got, want) || stands != f.at {
				return fmt.Errorf("get %d of %v: %v at %+v, %w, want %v at %+v", i, names, got, stands, err, want, f.at)
			}
			return nil
		})
	}
	f.ok(group.Wait())
}

// balanced checks what a reader found while move is at work.
func (f *fixture) balanced(left, right, batches int64, stands projections.Checkpoint) {
	f.Helper()
	if left+right != 0 || batches != int64(stands.Position.Commit) {
		f.Fatalf("sum of %d and %d is not zero, or %d batches do not match %v", left, right, batches, stands)
	}
}

// move applies batches until it is stopped. Each moves an amount from partition right to partition left, where it is
// kept in one counter and, once more, spread over ten, and counts itself in both. Stopping waits and reports errors.
func (f *fixture) move() (stop func()) {
	f.Helper()
	sink, target, from := f.sink, f.target, f.at
	quit, done := make(chan struct{}), make(chan error, 1)
	began := make(chan struct{})
	go func() {
		for n := int64(0); ; n++ {
			select {
			case <-quit:
				done <- nil
				return
			default:
			}
			amount := n%100 - 30
			err := applyPatiently(f.Context(), sink, target, batch(from,
				add("left", "batches", 1), add("left", "moved", amount), add("left", fmt.Sprint("share ", n%10), amount),
				add("right", "moved", -amount), add("right", "batches", 1)))
			if err != nil {
				done <- err
				return
			}
			from = next(from)
			if n == 0 {
				close(began)
			}
		}
	}()
	select {
	case <-began:
	case err := <-done:
		f.Fatal(err)
	}
	return func() {
		close(quit)
		if err := <-done; err != nil {
			f.Error(err)
		}
	}
}

func fields(entries []projections.Entry) []string {
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Field)
	}
	return names
}
