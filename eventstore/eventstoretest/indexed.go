package eventstoretest

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// RunIndexed runs the contract of eventstore.Indexed over what open returns.
func RunIndexed(t *testing.T, open func(t *testing.T) eventstore.Store, options Options) {
	runGroup(t, indexedTests, open, options)
}

// indexed is the store of a subtest of RunIndexed.
func (f *fixture) indexed() eventstore.Indexed {
	f.Helper()
	s, is := f.Store.(eventstore.Indexed)
	if !is {
		f.Fatalf("%T is no eventstore.Indexed", f.Store)
	}
	return s
}

// wantFound demands that an append is found by its first event's id.
func (f *fixture) wantFound(want eventstore.Event) {
	f.Helper()
	got, found, err := f.indexed().Find(f.ctx(), want.ID)
	if err != nil || !found || !equal(got, want) {
		f.Fatalf("got %+v, %t, %v; want %+v", got, found, err, want)
	}
}

func (f *fixture) wantUnknown(id uuid.UUID) {
	f.Helper()
	if got, found, err := f.indexed().Find(f.ctx(), id); err != nil || found {
		f.Fatalf("got %+v, %t, %v; want nothing", got, found, err)
	}
}

// wantTaken appends once and must be refused, with nothing written.
func (f *fixture) wantTaken(stream string, expected eventstore.Revision, events ...eventstore.NewEvent) {
	f.Helper()
	before := f.head()
	if _, err := f.indexed().AppendOnce(f.ctx(), stream, expected, events); !errors.Is(err, eventstore.ErrTaken) {
		f.Fatalf("got %v, want ErrTaken", err)
	}
	if head := f.head(); head != before {
		f.Fatalf("the log grew from %s to %s", before, head)
	}
}

func (f *fixture) appendOnce(stream string, expected eventstore.Revision, events ...eventstore.NewEvent) eventstore.Appended {
	f.Helper()
	at, err := f.indexed().AppendOnce(f.ctx(), stream, expected, events)
	if err != nil {
		f.Fatalf("append once to %s at %d: %v", stream, expected, err)
	}
	return at
}

var indexedTests = []subtest{
	{name: "an append is found by its first event's id, and by no other", run: func(f *fixture) {
		list := events(3)
		f.append(f.stream(1), eventstore.NoStream, list...)
		f.wantFound(f.read(f.stream(1))[0])
		for _, id := range []uuid.UUID{list[1].ID, list[2].ID, uuid.New(), {}} {
			f.wantUnknown(id)
		}
	}},
	{name: "an append that was refused is not found", run: func(f *fixture) {
		refused := event("x")
		f.append(f.stream(1), eventstore.NoStream, event("x"))
		f.wantConflict(f.stream(1), eventstore.NoStream, 0, refused)
		f.wantUnknown(refused.ID)
	}},
	{name: "of plain appends that begin alike, the newest is found", run: func(f *fixture) {
		e := event("x")
		f.append(f.stream(1), eventstore.NoStream, e)
		f.append(f.stream(2), eventstore.NoStream, e)
		f.wantFound(f.read(f.stream(2))[0])
	}},
	{name: "once is once, in whichever stream and by whichever method it was before", run: func(f *fixture) {
		e, plain := event("x"), event("x")
		f.appendOnce(f.stream(1), eventstore.NoStream, e, event("y"))
		f.append(f.stream(1), 1, plain)
		f.wantTaken(f.stream(2), eventstore.NoStream, e)
		f.wantTaken(f.stream(2), eventstore.NoStream, plain)
		f.wantTaken(f.stream(1), 2, e)
		f.wantFound(f.read(f.stream(1))[0])
	}},
	{name: "once, repeated at its place, is taken", run: func(f *fixture) {
		list := events(2)
		f.appendOnce(f.stream(1), eventstore.NoStream, list...)
		f.wantTaken(f.stream(1), eventstore.NoStream, list...)
		f.append(f.stream(1), 1, event("z"))
		f.wantTaken(f.stream(1), eventstore.NoStream, list...)
	}},
	{name: "once, at another revision than expected, is a conflict", run: func(f *fixture) {
		f.append(f.stream(1), eventstore.NoStream, event("x"))
		_, err := f.indexed().AppendOnce(f.ctx(), f.stream(1), eventstore.NoStream, events(1))
		var conflict *eventstore.Conflict
		if !errors.As(err, &conflict) || conflict.Actual != 0 {
			f.Fatalf("got %v", err)
		}
	}},
	{name: "of many at once on as many streams, exactly one writes", run: func(f *fixture) {
		ctx := f.ctx()
		for round := range 20 {
			e := event("x")
			won := 0
			for _, r := range inParallel(f.options.Writers, func(i int) (eventstore.Appended, error) {
				return f.indexed().AppendOnce(ctx, f.stream(100*round+i), eventstore.NoStream, []eventstore.NewEvent{e})
			}) {
				switch {
				case r.err == nil:
					won++
				case !errors.Is(r.err, eventstore.ErrTaken):
					f.Fatal(r.err)
				}
			}
			if won != 1 {
				f.Fatalf("round %d: %d winners", round, won)
			}
		}
	}},
	{name: "is known for ever", reopens: true, run: func(f *fixture) {
		e := event("x")
		f.appendOnce(f.stream(1), eventstore.NoStream, e)
		f.Store = f.options.Reopen(f.T, f.Store)
		f.wantFound(f.read(f.stream(1))[0])
		f.wantTaken(f.stream(2), eventstore.NoStream, e)
	}},
}
