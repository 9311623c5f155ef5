package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

// model is what the log should be: all events in their order. Everything else is looked up in it.
type model struct {
	fs    *vfs.MemFS
	store *embedded.Store
	log   []eventstore.Event
}

var modelStreams = []string{"tab-a-1", "tab-a-2", "tab-a1-1", "tab-b-1", "tab-a", "store-a", "plain", "$$tab-a-1"}

// The store against a model: random appends, repetitions, conflicts, reads in all ways, restarts and crashes. Half of the
// time even a short way counts as long, so that reads of the log go along lanes.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{fs: vfs.NewCrashableMem()}
		m.reopen(t)
		defer func() { _ = m.store.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append,
			"repeat": m.repeat,
			"stream": m.readStream,
			"log":    m.readLog,
			"follow": m.follow,
			"part":   m.readPartition,
			"restart": func(t *rapid.T) {
				if err := m.store.Close(); err != nil {
					t.Fatal(err)
				}
				m.reopen(t)
			},
			"crash": func(t *rapid.T) {
				crashed := m.fs.CrashClone(vfs.CrashCloneCfg{})
				if err := m.store.Close(); err != nil {
					t.Fatal(err)
				}
				m.fs = crashed
				m.reopen(t)
			},
		})
		if err := m.store.Check(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
	})
}

func (m *model) reopen(t *rapid.T) {
	o := memory(m.fs)
	if rapid.Bool().Draw(t, "merging") {
		o = embedded.MergingFrom(o, 1)
	}
	s, err := embedded.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	m.store = s
}

func (m *model) stream(name string) (list []eventstore.Event) {
	for _, e := range m.log {
		if e.Stream == name {
			list = append(list, e)
		}
	}
	return list
}

func (m *model) append(t *rapid.T) {
	name := rapid.SampledFrom(modelStreams).Draw(t, "stream")
	before := m.stream(name)
	end := eventstore.Revision(len(before)) - 1
	expected := rapid.SampledFrom([]eventstore.Revision{end, end, end, end + 1, end - 1, eventstore.NoStream}).Draw(t, "expected")
	expected = max(expected, eventstore.NoStream)
	list := make([]eventstore.NewEvent, rapid.IntRange(1, 5).Draw(t, "n"))
	for i := range list {
		list[i] = eventstore.NewEvent{ID: uuid.New(), Type: rapid.SampledFrom([]string{"x", "y", "x1"}).Draw(t, "type"), Data: rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "data")}
	}
	a, err := m.store.Append(context.Background(), name, expected, list)
	var conflict *eventstore.Conflict
	switch {
	case expected != end:
		if !errors.As(err, &conflict) || conflict.Actual != end {
			t.Fatalf("append at %d of %d: %+v, %v", expected, end, a, err)
		}
		return
	case err != nil:
		t.Fatal(err)
	}
	for i, e := range list {
		p := uint64(len(m.log) + 1)
		m.log = append(m.log, eventstore.Event{Stream: name, Revision: end + 1 + eventstore.Revision(i), Position: eventstore.Position{Commit: p, Prepare: p}, ID: e.ID, Type: e.Type, Data: e.Data})
	}
	if last := m.log[len(m.log)-1]; a.Revision != last.Revision || a.Position != last.Position {
		t.Fatalf("appended %+v, want %+v", a, last)
	}
}

// repeat appends something again that is stored, behind the end.
func (m *model) repeat(t *rapid.T) {
	name := rapid.SampledFrom(modelStreams).Draw(t, "stream")
	before := m.stream(name)
	if len(before) == 0 {
		return
	}
	from := rapid.IntRange(0, len(before)-1).Draw(t, "from")
	to := rapid.IntRange(from+1, len(before)).Draw(t, "to")
	var list []eventstore.NewEvent
	for _, e := range before[from:to] {
		list = append(list, eventstore.NewEvent{ID: e.ID, Type: "other", Data: nil})
	}
	want := before[to-1]
	a, err := m.store.Append(context.Background(), name, eventstore.Revision(from-1), list)
	if err != nil || a.Revision != want.Revision || a.Position != want.Position {
		t.Fatalf("repeated: %+v, %v, want %+v", a, err, want)
	}
}

func (m *model) readStream(t *rapid.T) {
	name := rapid.SampledFrom(modelStreams).Draw(t, "stream")
	all := m.stream(name)
	read := eventstore.StreamRead{From: eventstore.Revision(rapid.IntRange(0, len(all)+2).Draw(t, "from")), Limit: rapid.IntRange(0, 10).Draw(t, "limit")}
	want := all[min(int(read.From), len(all)):]
	if rapid.Bool().Draw(t, "backward") {
		read.Direction = eventstore.Backward
		want = slices.Clone(all[:min(int(read.From)+1, len(all))])
		if rapid.Bool().Draw(t, "last") {
			read.From, want = eventstore.Last, slices.Clone(all)
		}
		slices.Reverse(want)
	}
	same(t, fmt.Sprintf("%s %+v", name, read), gather(t, m.store.ReadStream(context.Background(), name, read)), limited(want, read.Limit))
}

func drawFilter(t *rapid.T) eventstore.Filter {
	prefixes := rapid.SliceOfN(rapid.SampledFrom([]string{"tab-a-", "tab-a", "tab-", "tab-a1-", "store-a", "plain", "tab-none-", "$", "tab-a-1"}), 0, 3)
	types := rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "x1", "z", ""}), 0, 3)
	return eventstore.Filter{Prefixes: prefixes.Draw(t, "prefixes"), Types: types.Draw(t, "types")}
}

func (m *model) matching(filter eventstore.Filter, after uint64) (list []eventstore.Event) {
	for _, e := range m.log {
		if e.Position.Commit > after && filter.Matches(e.Stream, e.Type) {
			list = append(list, e)
		}
	}
	return list
}

func (m *model) readLog(t *rapid.T) {
	after := uint64(rapid.IntRange(0, len(m.log)+2).Draw(t, "after"))
	read := eventstore.LogRead{Filter: drawFilter(t), Limit: rapid.IntRange(0, 10).Draw(t, "limit"), After: eventstore.Position{Commit: after, Prepare: after}}
	want := m.matching(read.Filter, after)
	if rapid.Bool().Draw(t, "backward") {
		read.Direction = eventstore.Backward
		want = m.matching(read.Filter, 0)
		if after > 0 {
			want = slices.DeleteFunc(want, func(e eventstore.Event) bool { return e.Position.Commit >= after })
		}
		slices.Reverse(want)
	}
	same(t, fmt.Sprintf("%+v", read), gather(t, m.store.ReadAll(context.Background(), read)), limited(want, read.Limit))
}

func (m *model) readPartition(t *rapid.T) {
	partition := embedded.PartitionOf(rapid.SampledFrom(modelStreams).Draw(t, "stream"))
	after, to := uint64(rapid.IntRange(0, len(m.log)+2).Draw(t, "after")), uint64(rapid.IntRange(0, len(m.log)+2).Draw(t, "to"))
	read := eventstore.PartitionRead{After: eventstore.Position{Commit: after, Prepare: after}, To: eventstore.Position{Commit: to, Prepare: to}, Types: drawFilter(t).Types}
	var want []eventstore.Event
	for _, e := range m.matching(eventstore.Filter{Types: read.Types}, after) {
		if embedded.PartitionOf(e.Stream) == partition && (to == 0 || e.Position.Commit <= to) {
			want = append(want, e)
		}
	}
	same(t, fmt.Sprintf("%s %+v", partition, read), gather(t, m.store.ReadPartition(context.Background(), partition, read)), want)
}

func (m *model) follow(t *rapid.T) {
	after := uint64(rapid.IntRange(0, len(m.log)).Draw(t, "after"))
	filter := drawFilter(t)
	sub, err := m.store.Subscribe(context.Background(), eventstore.Position{Commit: after, Prepare: after}, filter)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	var got []eventstore.Event
	for {
		b, err := sub.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b.Events...)
		if b.CaughtUp {
			if b.Position.Commit != uint64(len(m.log)) {
				t.Fatalf("caught up at %v of %d", b.Position, len(m.log))
			}
			break
		}
	}
	same(t, fmt.Sprintf("after %d %+v", after, filter), got, m.matching(filter, after))
}

func gather(t *rapid.T, seq func(func(eventstore.Event, error) bool)) (list []eventstore.Event) {
	for e, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func limited(list []eventstore.Event, limit int) []eventstore.Event {
	if limit == 0 {
		return list
	}
	return list[:min(limit, len(list))]
}

// same compares all that a model knows of events: not when they were stored.
func same(t *rapid.T, what string, got, want []eventstore.Event) {
	equal := slices.EqualFunc(got, want, func(a, b eventstore.Event) bool {
		return a.Stream == b.Stream && a.Revision == b.Revision && a.Position == b.Position && a.ID == b.ID && a.Type == b.Type && string(a.Data) == string(b.Data)
	})
	if !equal {
		t.Fatalf("%s:\ngot  %v\nwant %v", what, got, want)
	}
}
