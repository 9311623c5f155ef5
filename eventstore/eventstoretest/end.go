package eventstoretest

import (
	"context"
	"errors"
	"iter"
	"time"

	"daybook/eventstore"
)

var restartTests = []subtest{
	{name: "keeps every event and its place", reopens: true, run: func(f *fixture) {
		fill(f, 20)
		all, tab := f.readAll(eventstore.LogRead{}), f.read(f.stream(0))
		for range 3 {
			f.Store = f.options.Reopen(f.T, f.Store)
			f.wantEqual(f.readAll(eventstore.LogRead{}), all)
			f.wantEqual(f.read(f.stream(0)), tab)
		}
	}},
	{name: "goes on where it stopped", reopens: true, run: func(f *fixture) {
		given := events(3)
		first := f.append(f.stream(1), eventstore.NoStream, given...)
		f.Store = f.options.Reopen(f.T, f.Store)
		if head := f.head(); head != first.Position {
			f.Fatalf("head is %v, was %v", head, first.Position)
		}
		if again := f.append(f.stream(1), eventstore.NoStream, given...); again != first {
			f.Fatalf("repeated: %+v, was %+v", again, first)
		}
		f.wantConflict(f.stream(1), 1, 2, event("x"))
		if next := f.append(f.stream(1), 2, event("x")); next.Revision != 3 || !first.Position.Before(next.Position) {
			f.Fatalf("appended %+v after %+v", next, first)
		}
	}},
	{name: "lets a follower go on from its position", reopens: true, run: func(f *fixture) {
		fill(f, 10)
		l := f.subscribe(eventstore.Position{}, f.mine())
		l.untilCaughtUp()
		_ = l.sub.Close()
		f.Store = f.options.Reopen(f.T, f.Store)
		f.append(f.stream(50), eventstore.NoStream, events(5)...)
		on := f.subscribe(l.position, f.mine())
		on.untilEvents(5)
		f.wantEqual(append(l.events, on.events...), f.readAll(eventstore.LogRead{Filter: f.mine()}))
	}},
	{name: "keeps the identity", reopens: true, run: func(f *fixture) {
		before := f.identity()
		f.Store = f.options.Reopen(f.T, f.Store)
		if after := f.identity(); after != before || before == "" {
			f.Fatalf("identity was %q, is %q", before, after)
		}
	}},
	{name: "has nothing to do with another log, which has another identity", empty: true, run: func(f *fixture) {
		other := &fixture{T: f.T, Store: f.open(f.T)}
		if f.identity() == other.identity() {
			f.Fatalf("both are %s", f.identity())
		}
	}},
}

func (f *fixture) identity() string {
	f.Helper()
	id, err := f.Identity(f.ctx())
	if err != nil {
		f.Fatal(err)
	}
	return id
}

// calls are all methods that take a context, called so that they would succeed or, for Next, wait.
func (f *fixture) calls() map[string]func(ctx context.Context) error {
	drain := func(seq iter.Seq2[eventstore.Event, error]) error {
		_, err := collect(seq)
		return err
	}
	return map[string]func(ctx context.Context) error{
		"Identity": func(ctx context.Context) error { _, err := f.Identity(ctx); return err },
		"Head":     func(ctx context.Context) error { _, err := f.Head(ctx); return err },
		"At": func(ctx context.Context) error {
			_, _, err := f.At(ctx, eventstore.Position{Commit: 1, Prepare: 1})
			return err
		},
		"Append": func(ctx context.Context) error {
			_, err := f.Append(ctx, f.stream(5), eventstore.NoStream, events(1))
			return err
		},
		"ReadStream": func(ctx context.Context) error {
			return drain(f.ReadStream(ctx, f.stream(1), eventstore.StreamRead{}))
		},
		"ReadAll": func(ctx context.Context) error { return drain(f.ReadAll(ctx, eventstore.LogRead{})) },
	}
}

var endTests = []subtest{
	{name: "every method returns the error of an ended context, soon", run: func(f *fixture) {
		f.append(f.stream(1), eventstore.NoStream, events(10)...)
		canceled, cancel := context.WithCancel(context.Background())
		cancel()
		late, cancelLate := context.WithDeadline(context.Background(), time.Now().Add(-time.Hour))
		defer cancelLate()
		for name, call := range f.calls() {
			begin := time.Now()
			if err := call(canceled); !errors.Is(err, context.Canceled) {
				f.Errorf("%s, canceled: %v", name, err)
			}
			if err := call(late); !errors.Is(err, context.DeadlineExceeded) {
				f.Errorf("%s, past its deadline: %v", name, err)
			}
			if took := time.Since(begin); took > time.Second {
				f.Errorf("%s took %v", name, took)
			}
		}
		if list := f.read(f.stream(5)); len(list) != 0 {
			f.Errorf("an append whose context had ended wrote %d events", len(list))
		}
	}},
	{name: "a read stops when its context ends in the middle", run: func(f *fixture) {
		for i := range 8 {
			f.append(f.stream(1), eventstore.Revision(i*1000-1), events(1000)...)
		}
		for name, read := range map[string]func(ctx context.Context) iter.Seq2[eventstore.Event, error]{
			"ReadStream": func(ctx context.Context) iter.Seq2[eventstore.Event, error] {
				return f.ReadStream(ctx, f.stream(1), eventstore.StreamRead{})
			},
			"ReadAll": func(ctx context.Context) iter.Seq2[eventstore.Event, error] {
				return f.ReadAll(ctx, eventstore.LogRead{Filter: f.mine()})
			},
		} {
			ctx, cancel := context.WithCancel(context.Background())
			var last error
			errs := 0
			for _, err := range read(ctx) {
				cancel()
				if last = err; err != nil {
					errs++
				}
			}
			cancel()
			if !errors.Is(last, context.Canceled) || errs != 1 {
				f.Errorf("%s ended with %v after %d errors", name, last, errs)
			}
		}
	}},
	{name: "an append may be repeated after its context ended, and is there once", run: func(f *fixture) {
		for i := range 20 {
			given := events(3)
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i*100)*time.Microsecond)
			_, err := f.Append(ctx, f.stream(i), eventstore.NoStream, given)
			cancel()
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				f.Fatal(err)
			}
			a := f.append(f.stream(i), eventstore.NoStream, given...)
			if list := f.read(f.stream(i)); len(list) != 3 || a.Revision != 2 {
				f.Fatalf("appended %+v, read %d events", a, len(list))
			}
		}
	}},
	{name: "after Close every method returns ErrClosed", run: func(f *fixture) {
		f.append(f.stream(1), eventstore.NoStream, events(10)...)
		live := f.subscribe(f.head(), f.mine())
		live.untilCaughtUp()
		behind := f.subscribe(eventstore.Position{}, f.mine())
		ended := make(chan error, 1)
		go func() {
			for {
				if _, err := live.sub.Next(context.Background()); err != nil {
					ended <- err
					return
				}
			}
		}()
		for range 2 {
			if err := f.Close(); err != nil {
				f.Fatal(err)
			}
		}
		f.wantEnded(ended)
		if _, err := behind.sub.Next(f.ctx()); !errors.Is(err, eventstore.ErrClosed) {
			f.Errorf("Next: %v", err)
		}
		for name, call := range f.calls() {
			if err := call(f.ctx()); !errors.Is(err, eventstore.ErrClosed) {
				f.Errorf("%s: %v", name, err)
			}
		}
		if _, err := f.Subscribe(f.ctx(), eventstore.Position{}, eventstore.Filter{}); !errors.Is(err, eventstore.ErrClosed) {
			f.Errorf("Subscribe: %v", err)
		}
	}},
	{name: "Close ends a read that is being handled", run: func(f *fixture) {
		for i := range 8 {
			f.append(f.stream(1), eventstore.Revision(i*1000-1), events(1000)...)
		}
		var last error
		for _, err := range f.ReadStream(f.ctx(), f.stream(1), eventstore.StreamRead{}) {
			if last = err; err == nil {
				if err := f.Close(); err != nil { // must not wait for this very loop
					f.Fatal(err)
				}
			}
		}
		if !errors.Is(last, eventstore.ErrClosed) {
			f.Errorf("the read ended with %v", last)
		}
	}},
}
