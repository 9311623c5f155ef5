package sinktest

import (
	"fmt"
	"slices"
	"strings"

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
	{"list returns a partition in byte order", testList},
	{"list obeys after and limit", testListPages},
	{"reads never see half a batch", testReadsWhileApplying},
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
	stop := f.move()
	defer stop()
	for range 100 {
		values, stands, err := f.sink.Get(f.Context(), f.target, "left", "moved", "batches")
		f.ok(err)
		f.balanced(values["moved"].Counter, -values["moved"].Counter, values["batches"].Counter, stands)

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
