// Package eventstoretest holds the contract of eventstore.Store as one suite. An adapter's test calls Run; a fault that
// is found in one adapter becomes a subtest here before it is fixed.
//
// Not here: what only one adapter promises, such as recovery after a crash.
package eventstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"daybook/eventstore"
)

// Options of Run.
type Options struct {
	// Reopen closes a store that open returned and opens the same log again; nil if the adapter's log is not its own
	// to close. Subtests about restarts are then not part of the suite.
	Reopen func(t *testing.T, s eventstore.Store) eventstore.Store
	// Shared says that the log may hold other events, for example a server's own. Subtests that need an empty log or
	// exclusive positions then look at their own streams only.
	Shared bool
	// Server says that streams whose names begin with '$' follow a server's rules. The suite then leaves them alone.
	Server bool
	// Groups are what to run of the suite, nil: all of it. Whoever builds on a store, and changes a part of it, runs that.
	Groups []string
	// Writers is the number of goroutines in tests of concurrency. 0 means 8.
	Writers int
}

// Run runs the suite. open returns a store on a new, empty log, which it closes at the end of the test by itself.
func Run(t *testing.T, open func(t *testing.T) eventstore.Store, options Options) {
	for _, group := range []struct {
		name  string
		tests []subtest
	}{
		{"append", appendTests},
		{"repeated append", repeatTests},
		{"limits", limitTests},
		{"concurrent appenders", concurrencyTests},
		{"read stream", streamTests},
		{"read all", logTests},
		{"subscription", subscriptionTests},
		{"restart", restartTests},
		{"context and close", endTests},
	} {
		if options.Groups != nil && !slices.Contains(options.Groups, group.name) {
			continue
		}
		t.Run(group.name, func(t *testing.T) {
			runGroup(t, group.tests, open, options)
		})
	}
}

func runGroup(t *testing.T, tests []subtest, open func(t *testing.T) eventstore.Store, options Options) {
	if options.Writers == 0 {
		options.Writers = 8
	}
	for _, test := range tests {
		if test.reopens && options.Reopen == nil || test.empty && options.Shared {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			f := &fixture{T: t, Store: open(t), options: options, open: open}
			f.tag = strings.ReplaceAll(uuid.NewString()[:8], "-", "")
			test.run(f)
		})
	}
}

// subtest is one sentence of the contract.
type subtest struct {
	name    string
	run     func(f *fixture)
	reopens bool // needs Options.Reopen
	empty   bool // needs a log of its own
}

// fixture is what a subtest works with.
type fixture struct {
	*testing.T
	eventstore.Store
	options Options
	open    func(t *testing.T) eventstore.Store
	tag     string // makes names unique in a shared log
}

// patience is how long anything that must happen may take on a busy machine.
const patience = 20 * time.Second

func (f *fixture) ctx() context.Context {
	f.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	f.Cleanup(cancel)
	return ctx
}

// store returns an id of a store of this test alone.
func (f *fixture) store(n int) string { return fmt.Sprintf("s%d%s", n, f.tag) }

// stream returns a stream of this test alone.
func (f *fixture) stream(n int) string { return fmt.Sprintf("tab-%s-t%d", f.store(1), n) }

// mine is a filter for everything that this test wrote.
func (f *fixture) mine() eventstore.Filter {
	var prefixes []string
	for _, category := range []string{"tab", "store"} {
		for n := 1; n <= 3; n++ {
			prefixes = append(prefixes, category+"-"+f.store(n))
		}
	}
	return eventstore.Filter{Prefixes: prefixes}
}

func event(typ string) eventstore.NewEvent {
	return eventstore.NewEvent{ID: uuid.New(), Type: typ, Data: []byte(`{"n":1}`), Metadata: []byte(`{"m":2}`)}
}

func events(n int) []eventstore.NewEvent {
	list := make([]eventstore.NewEvent, n)
	for i := range list {
		list[i] = event(fmt.Sprintf("type%d.v1", i%3))
		list[i].Data = fmt.Appendf(nil, `{"n":%d}`, i)
	}
	return list
}

// append appends and must succeed.
func (f *fixture) append(stream string, expected eventstore.Revision, events ...eventstore.NewEvent) eventstore.Appended {
	f.Helper()
	a, err := f.Append(f.ctx(), stream, expected, events)
	if err != nil {
		f.Fatalf("append to %s at %d: %v", stream, expected, err)
	}
	return a
}

// wantConflict appends and must be refused with the actual revision.
func (f *fixture) wantConflict(stream string, expected, actual eventstore.Revision, events ...eventstore.NewEvent) {
	f.Helper()
	before := f.read(stream)
	_, err := f.Append(f.ctx(), stream, expected, events)
	var conflict *eventstore.Conflict
	if !errors.As(err, &conflict) {
		f.Fatalf("append to %s at %d: got %v, want a conflict", stream, expected, err)
	}
	if want := (eventstore.Conflict{Stream: stream, Expected: expected, Actual: actual}); *conflict != want {
		f.Fatalf("got %+v, want %+v", *conflict, want)
	}
	f.wantEqual(f.read(stream), before)
}

func collect(seq iter.Seq2[eventstore.Event, error]) (list []eventstore.Event, err error) {
	for e, err := range seq {
		if err != nil {
			return list, err
		}
		list = append(list, e)
	}
	return list, nil
}

func (f *fixture) read(stream string) []eventstore.Event {
	f.Helper()
	return f.readStream(stream, eventstore.StreamRead{})
}

func (f *fixture) readStream(stream string, read eventstore.StreamRead) []eventstore.Event {
	f.Helper()
	list, err := collect(f.ReadStream(f.ctx(), stream, read))
	if err != nil {
		f.Fatalf("read %s: %v", stream, err)
	}
	return list
}

func (f *fixture) readAll(read eventstore.LogRead) []eventstore.Event {
	f.Helper()
	list, err := collect(f.ReadAll(f.ctx(), read))
	if err != nil {
		f.Fatalf("read all: %v", err)
	}
	return list
}

func (f *fixture) head() eventstore.Position {
	f.Helper()
	p, err := f.Head(f.ctx())
	if err != nil {
		f.Fatal(err)
	}
	return p
}

func (f *fixture) wantEqual(got, want []eventstore.Event) {
	f.Helper()
	for i := range min(len(got), len(want)) {
		if !equal(got[i], want[i]) {
			f.Fatalf("event %d differs (-want +got):\n%s", i, cmp.Diff(want[i], got[i]))
		}
	}
	if len(got) != len(want) {
		f.Fatalf("%d events, want %d", len(got), len(want))
	}
}

func equal(a, b eventstore.Event) bool {
	return a.Stream == b.Stream && a.Revision == b.Revision && a.Position == b.Position && a.ID == b.ID && a.Type == b.Type &&
		a.Created.Equal(b.Created) && bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Metadata, b.Metadata)
}

// wantInvalid demands eventstore.ErrInvalid.
func (f *fixture) wantInvalid(what string, err error) {
	f.Helper()
	if !errors.Is(err, eventstore.ErrInvalid) {
		f.Errorf("%s: got %v, want ErrInvalid", what, err)
	}
}

// reversed returns a reversed copy.
func reversed(list []eventstore.Event) []eventstore.Event {
	back := make([]eventstore.Event, 0, len(list))
	for i := len(list) - 1; i >= 0; i-- {
		back = append(back, list[i])
	}
	return back
}
