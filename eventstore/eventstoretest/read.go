package eventstoretest

import (
	"fmt"
	"slices"

	"daybook/eventstore"
)

const (
	forward  = eventstore.Forward
	backward = eventstore.Backward
)

var streamTests = []subtest{
	{name: "that does not exist is empty", run: func(f *fixture) {
		for _, read := range []eventstore.StreamRead{{}, {From: 5}, {Direction: backward, From: eventstore.Last}, {Direction: backward, From: 3}, {Limit: 1, Fresh: true}} {
			if list := f.readStream(f.stream(1), read); len(list) != 0 {
				f.Errorf("%+v: %d events", read, len(list))
			}
		}
	}},
	{name: "forward and backward, from any revision, with any limit", run: func(f *fixture) {
		const n = 12
		f.append(f.stream(1), eventstore.NoStream, events(n)...)
		f.append(f.stream(2), eventstore.NoStream, events(n)...) // must not show
		all := f.read(f.stream(1))
		for from := eventstore.Revision(0); from < n+2; from++ {
			for _, limit := range []int{0, 1, 5, n, n + 5} {
				start := min(int(from), n)
				f.wantEqual(f.readStream(f.stream(1), eventstore.StreamRead{From: from, Limit: limit}), first(all[start:], limit))
				end := min(int(from)+1, n)
				f.wantEqual(f.readStream(f.stream(1), eventstore.StreamRead{From: from, Limit: limit, Direction: backward}), first(reversed(all[:end]), limit))
			}
		}
	}},
	{name: "backward from Last begins at the end", run: func(f *fixture) {
		f.append(f.stream(1), eventstore.NoStream, events(9)...)
		all := f.read(f.stream(1))
		for _, limit := range []int{0, 1, 4, 20} {
			f.wantEqual(f.readStream(f.stream(1), eventstore.StreamRead{From: eventstore.Last, Limit: limit, Direction: backward}), first(reversed(all), limit))
		}
	}},
	{name: "of thousands of events, both ways", run: func(f *fixture) {
		const n = 5000
		for at := 0; at < n; at += 500 {
			f.append(f.stream(1), eventstore.Revision(at-1), events(500)...)
		}
		all := f.read(f.stream(1))
		for i, e := range all {
			if e.Revision != eventstore.Revision(i) {
				f.Fatalf("event %d has revision %d", i, e.Revision)
			}
		}
		if len(all) != n {
			f.Fatalf("%d events", len(all))
		}
		f.wantEqual(f.readStream(f.stream(1), eventstore.StreamRead{From: eventstore.Last, Direction: backward}), reversed(all))
	}},
	{name: "can be ended early and read twice", run: func(f *fixture) {
		f.append(f.stream(1), eventstore.NoStream, events(300)...)
		seq := f.ReadStream(f.ctx(), f.stream(1), eventstore.StreamRead{})
		for range 2 {
			seen := 0
			for _, err := range seq {
				if err != nil {
					f.Fatal(err)
				}
				if seen++; seen == 100 {
					break
				}
			}
		}
		f.append(f.stream(1), 299, event("still works"))
	}},
	{name: "may be appended to while it is read", run: func(f *fixture) {
		f.append(f.stream(1), eventstore.NoStream, events(200)...)
		seen := 0
		for e, err := range f.ReadStream(f.ctx(), f.stream(1), eventstore.StreamRead{}) {
			if err != nil {
				f.Fatal(err)
			}
			if e.Revision != eventstore.Revision(seen) {
				f.Fatalf("event %d has revision %d", seen, e.Revision)
			}
			if seen++; seen%50 == 1 {
				f.append(f.stream(1), eventstore.Revision(199+seen/50), event("meanwhile"))
			}
		}
		if seen < 200 {
			f.Fatalf("%d events", seen)
		}
	}},
}

// first returns the first limit elements; all if limit is 0.
func first(list []eventstore.Event, limit int) []eventstore.Event {
	if limit == 0 || limit > len(list) {
		return list
	}
	return list[:limit]
}

var logTests = []subtest{
	{name: "of an empty log is empty", empty: true, run: func(f *fixture) {
		if list := f.readAll(eventstore.LogRead{}); len(list) != 0 {
			f.Errorf("%d events", len(list))
		}
		if list := f.readAll(eventstore.LogRead{Direction: backward}); len(list) != 0 {
			f.Errorf("%d events backward", len(list))
		}
		if head := f.head(); !head.IsZero() {
			f.Errorf("head is %v", head)
		}
	}},
	{name: "yields what was appended, in the order of the appends", run: func(f *fixture) {
		var want []eventstore.NewEvent
		for i := range 30 {
			given := events(1 + i%4)
			f.append(f.stream(i), eventstore.NoStream, given...)
			want = append(want, given...)
		}
		list := f.readAll(eventstore.LogRead{Filter: f.mine()})
		if len(list) != len(want) {
			f.Fatalf("%d events, want %d", len(list), len(want))
		}
		for i, e := range list {
			if e.ID != want[i].ID {
				f.Fatalf("event %d is %v, want %v", i, e.ID, want[i].ID)
			}
		}
	}},
	{name: "ends at the last event, which Head names", empty: true, run: func(f *fixture) {
		fill(f, 20)
		list := f.readAll(eventstore.LogRead{})
		if last := list[len(list)-1]; last.Position != f.head() {
			f.Errorf("head is %v, the last event at %v", f.head(), last.Position)
		}
	}},
	{name: "forward and backward, after any position, with any limit", run: func(f *fixture) {
		fill(f, 15)
		all := f.readAll(eventstore.LogRead{Filter: f.mine()})
		back := f.readAll(eventstore.LogRead{Filter: f.mine(), Direction: backward})
		f.wantEqual(back, reversed(all))
		for i, e := range all {
			for _, limit := range []int{0, 1, 4, len(all) + 1} {
				read := eventstore.LogRead{After: e.Position, Limit: limit, Filter: f.mine()}
				f.wantEqual(f.readAll(read), first(all[i+1:], limit))
				read.Direction = backward
				f.wantEqual(f.readAll(read), first(reversed(all[:i]), limit))
			}
		}
	}},
	{name: "ends where the log ended when the read began", run: func(f *fixture) {
		fill(f, 15)
		want := f.readAll(eventstore.LogRead{Filter: f.mine()})
		seen := 0
		for _, err := range f.ReadAll(f.ctx(), eventstore.LogRead{Filter: f.mine()}) {
			if err != nil {
				f.Fatal(err)
			}
			f.append(fmt.Sprintf("tab-%s-late%d", f.store(1), seen), eventstore.NoStream, event("type1.v1"))
			seen++
		}
		if seen != len(want) {
			f.Fatalf("%d events, want %d", seen, len(want))
		}
	}},
	{name: "filters by prefix, type, and both, either way and from anywhere", run: func(f *fixture) {
		fill(f, 40)
		checkFilters(f)
	}},
	{name: "filters a long log", run: func(f *fixture) {
		for i := range 9 {
			f.append(f.stream(1000+i), eventstore.NoStream, events(1000)...)
		}
		fill(f, 40)
		checkFilters(f)
	}},
	{name: "after a position beyond the end is empty, and before it is everything", run: func(f *fixture) {
		fill(f, 5)
		head := f.head()
		all := f.readAll(eventstore.LogRead{Filter: f.mine()})
		beyond := eventstore.Position{Commit: head.Commit + 1000, Prepare: head.Prepare + 1000}
		f.wantEqual(f.readAll(eventstore.LogRead{Filter: f.mine(), After: beyond}), nil)
		f.wantEqual(f.readAll(eventstore.LogRead{Filter: f.mine(), After: beyond, Direction: backward}), reversed(all))
	}},
	{name: "at a position, there is its event or none", run: func(f *fixture) {
		if e, is, err := f.At(f.ctx(), eventstore.Position{}); is || err != nil {
			f.Errorf("before the first event: %+v, %v", e, err)
		}
		fill(f, 9)
		for _, want := range f.readAll(eventstore.LogRead{Filter: f.mine()}) {
			e, is, err := f.At(f.ctx(), want.Position)
			if err != nil || !is {
				f.Fatalf("at %v: %v, %v", want.Position, is, err)
			}
			f.wantEqual([]eventstore.Event{e}, []eventstore.Event{want})
		}
		head := f.head()
		beyond := eventstore.Position{Commit: head.Commit + 1000, Prepare: head.Prepare + 1000}
		if e, is, err := f.At(f.ctx(), beyond); is || err != nil {
			f.Errorf("after the last event: %+v, %v", e, err)
		}
	}},
	{name: "can be ended early", run: func(f *fixture) {
		fill(f, 20)
		for range f.ReadAll(f.ctx(), eventstore.LogRead{}) {
			break
		}
		f.append(f.stream(99), eventstore.NoStream, event("still works"))
	}},
}

// fill appends to streams of three stores and two categories, whose names begin alike: tab-S, tab-S1.
func fill(f *fixture, rounds int) {
	f.Helper()
	ends := map[string]eventstore.Revision{}
	for i := range rounds {
		s := f.store(1 + i%3)
		for _, stream := range []string{
			fmt.Sprintf("tab-%s-t%d", s, i%5), "tab-" + s, "tab-" + s + "1-t1", "store-" + s, fmt.Sprintf("store-%s1", s),
		} {
			end, ok := ends[stream]
			if !ok {
				end = eventstore.NoStream
			}
			ends[stream] = f.append(stream, end, events(1+i%2)...).Revision
		}
	}
}

// checkFilters reads what fill wrote in many ways and compares with filtering everything by hand.
func checkFilters(f *fixture) {
	f.Helper()
	all := f.readAll(eventstore.LogRead{Filter: f.mine()})
	tab, store := "tab-"+f.store(1), "store-"+f.store(1)
	for _, prefixes := range [][]string{
		{tab + "-"}, {tab}, {tab + "1-"}, {tab + "-t1"}, {store}, {store + "-"}, {tab + "-", store}, {tab, tab + "-"},
		{"tab-" + f.store(1), "tab-" + f.store(2), "tab-" + f.store(3)}, {"tab-none" + f.tag + "-"},
		{"tab-none" + f.tag + "-", store}, f.mine().Prefixes,
	} {
		for _, types := range [][]string{nil, {"type1.v1"}, {"type0.v1", "type2.v1"}, {"none"}, {"type1"}} {
			filter := eventstore.Filter{Prefixes: prefixes, Types: types}
			want := slices.DeleteFunc(slices.Clone(all), func(e eventstore.Event) bool { return !filter.Matches(e.Stream, e.Type) })
			f.wantEqual(f.readAll(eventstore.LogRead{Filter: filter}), want)
			f.wantEqual(f.readAll(eventstore.LogRead{Filter: filter, Direction: backward}), reversed(want))
			f.wantEqual(f.readAll(eventstore.LogRead{Filter: filter, Limit: 3}), first(want, 3))
			if len(want) > 4 {
				middle := want[len(want)/2].Position
				f.wantEqual(f.readAll(eventstore.LogRead{Filter: filter, After: middle}), want[len(want)/2+1:])
				f.wantEqual(f.readAll(eventstore.LogRead{Filter: filter, After: middle, Direction: backward}), reversed(want[:len(want)/2]))
			}
		}
	}
}
