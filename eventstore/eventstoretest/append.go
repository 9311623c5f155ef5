package eventstoretest

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"daybook/eventstore"
)

var appendTests = []subtest{
	{name: "to no stream makes it", run: func(f *fixture) {
		a := f.append(f.stream(1), eventstore.NoStream, event("opened"))
		if a.Revision != 0 || a.Position.IsZero() {
			f.Fatalf("got %+v", a)
		}
		if a.Position.Before(f.head()) && !f.options.Shared || f.head().Before(a.Position) {
			f.Fatalf("head is %v after an append at %v", f.head(), a.Position)
		}
	}},
	{name: "to the exact revision goes on", run: func(f *fixture) {
		first := f.append(f.stream(1), eventstore.NoStream, events(2)...)
		second := f.append(f.stream(1), first.Revision, events(3)...)
		if first.Revision != 1 || second.Revision != 4 || !first.Position.Before(second.Position) {
			f.Fatalf("got %+v, then %+v", first, second)
		}
	}},
	{name: "tells where the last event stands", run: func(f *fixture) {
		a := f.append(f.stream(1), eventstore.NoStream, events(5)...)
		list := f.read(f.stream(1))
		if last := list[len(list)-1]; last.Revision != a.Revision || last.Position != a.Position {
			f.Fatalf("appended %+v, read revision %d position %v", a, last.Revision, last.Position)
		}
	}},
	{name: "is a conflict when the stream exists and must not", run: func(f *fixture) {
		f.append(f.stream(1), eventstore.NoStream, events(3)...)
		f.wantConflict(f.stream(1), eventstore.NoStream, 2, event("opened"))
	}},
	{name: "is a conflict when the stream does not exist and must", run: func(f *fixture) {
		f.wantConflict(f.stream(1), 0, eventstore.NoStream, event("closed"))
		f.wantConflict(f.stream(1), 7, eventstore.NoStream, events(2)...)
	}},
	{name: "is a conflict behind and ahead of the end", run: func(f *fixture) {
		f.append(f.stream(1), eventstore.NoStream, events(3)...)
		f.wantConflict(f.stream(1), 1, 2, event("x"))
		f.wantConflict(f.stream(1), 3, 2, event("x"))
		f.wantConflict(f.stream(1), math.MaxInt64, 2, event("x"))
	}},
	{name: "writes nothing on a conflict, of one event or many", empty: true, run: func(f *fixture) {
		f.append(f.stream(1), eventstore.NoStream, event("opened"))
		head := f.head()
		f.wantConflict(f.stream(1), 5, 0, events(10)...)
		if got := f.head(); got != head {
			f.Fatalf("head moved from %v to %v", head, got)
		}
	}},
	{name: "takes several events as one, in order, at rising positions", run: func(f *fixture) {
		given := events(100)
		f.append(f.stream(1), eventstore.NoStream, given...)
		list := f.read(f.stream(1))
		if len(list) != len(given) {
			f.Fatalf("%d events of %d", len(list), len(given))
		}
		for i, e := range list {
			if e.ID != given[i].ID || e.Revision != eventstore.Revision(i) || i > 0 && !list[i-1].Position.Before(e.Position) {
				f.Fatalf("event %d is %+v", i, e)
			}
		}
	}},
	{name: "keeps id, type, data of any bytes, metadata and time", run: func(f *fixture) {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		begin := time.Now().Add(-time.Minute)
		for i, data := range [][]byte{[]byte(`{"a":1}`), all, bytes.Repeat([]byte{0}, 1000), []byte("\xff\xfe"), bytes.Repeat([]byte("abcdefgh"), 60_000)} {
			given := eventstore.NewEvent{ID: uuid.New(), Type: fmt.Sprintf("type-%d é.v1", i), Data: data, Metadata: []byte(`{"by":"é"}`)}
			f.append(f.stream(i), eventstore.NoStream, given)
			e := f.read(f.stream(i))[0]
			if e.ID != given.ID || e.Type != given.Type || !bytes.Equal(e.Data, data) || !bytes.Equal(e.Metadata, given.Metadata) || e.Stream != f.stream(i) {
				f.Fatalf("event %d came back as %.200v", i, e)
			}
			if e.Created.Before(begin) || e.Created.After(time.Now().Add(time.Minute)) {
				f.Fatalf("created %v", e.Created)
			}
		}
	}},
	{name: "gives a time in UTC", run: func(f *fixture) {
		f.append(f.stream(1), eventstore.NoStream, event("x"))
		if e := f.read(f.stream(1))[0]; e.Created.Location() != time.UTC {
			f.Fatalf("created in %v", e.Created.Location())
		}
	}},
	{name: "keeps absent metadata absent", run: func(f *fixture) {
		none, empty := event("x"), event("x")
		none.Metadata, empty.Metadata = nil, []byte{}
		f.append(f.stream(1), eventstore.NoStream, none, empty)
		for i, e := range f.read(f.stream(1)) {
			if e.Metadata != nil {
				f.Errorf("event %d: metadata is %q, not nil", i, e.Metadata)
			}
		}
	}},
	{name: "keeps what it was given when the caller reuses the memory", run: func(f *fixture) {
		e := event("x")
		f.append(f.stream(1), eventstore.NoStream, e)
		copy(e.Data, "ruined!")
		copy(e.Metadata, "ruined!")
		got := f.read(f.stream(1))[0]
		if string(got.Data) != `{"n":1}` || string(got.Metadata) != `{"m":2}` {
			f.Fatalf("got %s %s", got.Data, got.Metadata)
		}
	}},
	{name: "takes streams of any name", run: func(f *fixture) {
		for _, name := range []string{"x" + f.tag, "$x" + f.tag, "$$tab-" + f.tag + "-1", "-" + f.tag, "--" + f.tag, f.tag + "-", f.tag + "---", "tab-é-" + f.tag, strings.Repeat("n", eventstore.StreamNameMax-8) + f.tag} {
			if f.options.Server && strings.HasPrefix(name, "$") {
				continue
			}
			f.append(name, eventstore.NoStream, events(2)...)
			if list := f.read(name); len(list) != 2 || list[1].Stream != name {
				f.Errorf("stream %q: read %v", name, list)
			}
		}
	}},
	{name: "keeps streams apart whose names begin alike", run: func(f *fixture) {
		names := []string{"tab-" + f.tag, "tab-" + f.tag + "-", "tab-" + f.tag + "-1", "tab-" + f.tag + "-11", "tab-" + f.tag + "-1-1", "tab-" + f.tag + "1"}
		for i, name := range names {
			f.append(name, eventstore.NoStream, events(i+1)...)
		}
		for i, name := range names {
			if list := f.read(name); len(list) != i+1 {
				f.Errorf("%s has %d events, want %d", name, len(list), i+1)
			}
		}
	}},
}

var repeatTests = []subtest{
	{name: "behind the end with the same ids gives the old places and writes nothing", run: func(f *fixture) {
		one, two := events(3), events(2)
		first := f.append(f.stream(1), eventstore.NoStream, one...)
		second := f.append(f.stream(1), first.Revision, two...)
		before := f.read(f.stream(1))
		if again := f.append(f.stream(1), eventstore.NoStream, one...); again != first {
			f.Errorf("first again: got %+v, want %+v", again, first)
		}
		if again := f.append(f.stream(1), first.Revision, two...); again != second {
			f.Errorf("second again: got %+v, want %+v", again, second)
		}
		f.wantEqual(f.read(f.stream(1)), before)
	}},
	{name: "of a part of what was appended gives the old places", run: func(f *fixture) {
		given := events(4)
		f.append(f.stream(1), eventstore.NoStream, given...)
		list := f.read(f.stream(1))
		if again := f.append(f.stream(1), eventstore.NoStream, given[:2]...); again.Revision != 1 || again.Position != list[1].Position {
			f.Errorf("the first two again: got %+v", again)
		}
		if again := f.append(f.stream(1), 1, given[2]); again.Revision != 2 || again.Position != list[2].Position {
			f.Errorf("the third again: got %+v", again)
		}
		f.wantEqual(f.read(f.stream(1)), list)
	}},
	{name: "looks at ids only, not at data", run: func(f *fixture) {
		given := event("x")
		first := f.append(f.stream(1), eventstore.NoStream, given)
		given.Data = []byte(`{"other":true}`)
		if again := f.append(f.stream(1), eventstore.NoStream, given); again != first {
			f.Errorf("got %+v, want %+v", again, first)
		}
	}},
	{name: "with more events than are stored is a conflict", run: func(f *fixture) {
		given := events(3)
		f.append(f.stream(1), eventstore.NoStream, given[:2]...)
		f.wantConflict(f.stream(1), eventstore.NoStream, 1, given...)
	}},
	{name: "with another first id is a conflict", run: func(f *fixture) {
		given := events(3)
		f.append(f.stream(1), eventstore.NoStream, given...)
		f.wantConflict(f.stream(1), eventstore.NoStream, 2, event("x"), given[1])
	}},
	{name: "with another later id is a conflict", run: func(f *fixture) {
		given := events(3)
		f.append(f.stream(1), eventstore.NoStream, given...)
		f.wantConflict(f.stream(1), eventstore.NoStream, 2, given[0], event("x"), given[2])
		f.wantConflict(f.stream(1), eventstore.NoStream, 2, given[0], given[1], event("x"))
	}},
	{name: "with the same ids at other places is a conflict", run: func(f *fixture) {
		given := events(3)
		f.append(f.stream(1), eventstore.NoStream, given...)
		f.wantConflict(f.stream(1), eventstore.NoStream, 2, given[1])
		f.wantConflict(f.stream(1), 0, 2, given[0])
	}},
	{name: "at the end appends without looking at ids", run: func(f *fixture) {
		given := event("x")
		f.append(f.stream(1), eventstore.NoStream, given)
		if second := f.append(f.stream(1), 0, given); second.Revision != 1 {
			f.Errorf("got %+v", second)
		}
		if list := f.read(f.stream(1)); len(list) != 2 {
			f.Errorf("%d events", len(list))
		}
	}},
	{name: "at the same moment leaves the events once", run: func(f *fixture) {
		given := events(2)
		results := inParallel(f.options.Writers, func(int) (eventstore.Appended, error) {
			return f.Append(f.ctx(), f.stream(1), eventstore.NoStream, given)
		})
		for _, r := range results {
			if r.err != nil || r.value != results[0].value {
				f.Errorf("got %+v, %v", r.value, r.err)
			}
		}
		if list := f.read(f.stream(1)); len(list) != 2 {
			f.Errorf("%d events", len(list))
		}
	}},
}

var limitTests = []subtest{
	{name: "refuse bad input, naming it, and write nothing", run: func(f *fixture) {
		for _, c := range badAppends(f.stream(1)) {
			_, err := f.Append(f.ctx(), c.stream, c.expected, c.events)
			f.wantInvalid(c.name, err)
		}
		if list := f.read(f.stream(1)); len(list) != 0 {
			f.Fatalf("%d events", len(list))
		}
	}},
	{name: "allow what is just within them", run: func(f *fixture) {
		big := event(strings.Repeat("t", eventstore.TypeNameMax))
		big.Data, big.Metadata = make([]byte, eventstore.AppendBytesMax-10-2*eventstore.TypeNameMax), make([]byte, 10)
		f.append(f.stream(1), eventstore.NoStream, big)
		f.append(f.stream(2), eventstore.NoStream, events(eventstore.AppendMax)...)
		if got := f.read(f.stream(1))[0]; len(got.Data) != len(big.Data) || got.Type != big.Type {
			f.Errorf("%d bytes of type %s", len(got.Data), got.Type)
		}
		if got := f.read(f.stream(2)); len(got) != eventstore.AppendMax {
			f.Errorf("%d events", len(got))
		}
	}},
	{name: "refuse bad reads", run: func(f *fixture) {
		for name, read := range map[string]eventstore.StreamRead{
			"negative limit":    {Limit: -1},
			"negative revision": {From: -2, Direction: eventstore.Backward},
			"forward from last": {From: eventstore.Last},
		} {
			_, err := collect(f.ReadStream(f.ctx(), f.stream(1), read))
			f.wantInvalid(name, err)
		}
		_, err := collect(f.ReadStream(f.ctx(), "", eventstore.StreamRead{}))
		f.wantInvalid("no stream name", err)
		_, err = collect(f.ReadAll(f.ctx(), eventstore.LogRead{Limit: -1}))
		f.wantInvalid("negative limit of the log", err)
	}},
}

type badAppend struct {
	name     string
	stream   string
	expected eventstore.Revision
	events   []eventstore.NewEvent
}

func badAppends(stream string) []badAppend {
	with := func(change func(e *eventstore.NewEvent)) []eventstore.NewEvent {
		list := events(3)
		change(&list[1])
		return list
	}
	none := eventstore.NoStream
	return []badAppend{
		{"no stream name", "", none, events(1)},
		{"long stream name", strings.Repeat("n", eventstore.StreamNameMax+1), none, events(1)},
		{"zero byte in stream name", stream + "\x00", none, events(1)},
		{"line break in stream name", stream + "\n", none, events(1)},
		{"expected below no stream", stream, -2, events(1)},
		{"no events", stream, none, nil},
		{"too many events", stream, none, events(eventstore.AppendMax + 1)},
		{"no id", stream, none, with(func(e *eventstore.NewEvent) { e.ID = uuid.Nil })},
		{"no type", stream, none, with(func(e *eventstore.NewEvent) { e.Type = "" })},
		{"long type", stream, none, with(func(e *eventstore.NewEvent) { e.Type = strings.Repeat("t", eventstore.TypeNameMax+1) })},
		{"zero byte in type", stream, none, with(func(e *eventstore.NewEvent) { e.Type = "a\x00b" })},
		{"large event", stream, none, with(func(e *eventstore.NewEvent) { e.Data = make([]byte, eventstore.AppendBytesMax) })},
		{"large metadata", stream, none, with(func(e *eventstore.NewEvent) { e.Metadata = make([]byte, eventstore.AppendBytesMax) })},
		{"large append", stream, none, func() []eventstore.NewEvent {
			list := events(5)
			for i := range list {
				list[i].Data = make([]byte, eventstore.AppendBytesMax/5+1)
			}
			return list
		}()},
	}
}
