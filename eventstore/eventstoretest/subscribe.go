package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"daybook/eventstore"
)

// follower reads one subscription and checks what every batch must keep.
type follower struct {
	f        *fixture
	sub      eventstore.Subscription
	events   []eventstore.Event
	position eventstore.Position
	caughtUp int // batches that said so
}

func (f *fixture) subscribe(after eventstore.Position, filter eventstore.Filter) *follower {
	f.Helper()
	sub, err := f.Subscribe(f.ctx(), after, filter)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = sub.Close() })
	return &follower{f: f, sub: sub, position: after}
}

// next takes one batch.
func (l *follower) next(ctx context.Context) (eventstore.Batch, error) {
	l.f.Helper()
	b, err := l.sub.Next(ctx)
	if err != nil {
		return b, err
	}
	at := l.position
	for _, e := range b.Events {
		if !at.Before(e.Position) {
			return b, fmt.Errorf("event at %v after %v", e.Position, at)
		}
		at = e.Position
	}
	if b.Position.Before(at) {
		return b, fmt.Errorf("batch stands at %v, behind its events or the batch before, %v", b.Position, at)
	}
	if len(b.Events) == 0 && b.Position == l.position && !b.CaughtUp {
		return b, errors.New("batch that says nothing")
	}
	l.events = append(l.events, b.Events...)
	l.position = b.Position
	if b.CaughtUp {
		l.caughtUp++
	}
	return b, nil
}

// until takes batches until done says so.
func (l *follower) until(done func(b eventstore.Batch) bool) {
	l.f.Helper()
	ctx := l.f.ctx()
	for {
		b, err := l.next(ctx)
		if err != nil {
			l.f.Fatalf("at %v with %d events: %v", l.position, len(l.events), err)
		}
		if done(b) {
			return
		}
	}
}

func (l *follower) untilCaughtUp() {
	l.f.Helper()
	l.until(func(b eventstore.Batch) bool { return b.CaughtUp })
}

func (l *follower) untilEvents(n int) {
	l.f.Helper()
	if len(l.events) < n {
		l.until(func(eventstore.Batch) bool { return len(l.events) >= n })
	}
}

func (l *follower) untilPosition(p eventstore.Position) {
	l.f.Helper()
	if l.position.Before(p) {
		l.until(func(b eventstore.Batch) bool { return !b.Position.Before(p) })
	}
}

var subscriptionTests = []subtest{
	{name: "catches up from the start, and from the middle", run: func(f *fixture) {
		fill(f, 30)
		all := f.readAll(eventstore.LogRead{Filter: f.mine()})
		for _, from := range []int{-1, 0, len(all) / 2, len(all) - 1} {
			var after eventstore.Position
			if from >= 0 {
				after = all[from].Position
			}
			l := f.subscribe(after, f.mine())
			l.untilCaughtUp()
			f.wantEqual(l.events, all[from+1:])
		}
	}},
	{name: "says CaughtUp at once, with an empty batch, in an empty log", empty: true, run: func(f *fixture) {
		b, err := f.subscribe(eventstore.Position{}, eventstore.Filter{}).next(f.ctx())
		if err != nil || !b.CaughtUp || len(b.Events) != 0 || !b.Position.IsZero() {
			f.Fatalf("got %+v, %v", b, err)
		}
	}},
	{name: "says CaughtUp at once when it begins at the end", empty: true, run: func(f *fixture) {
		a := f.append(f.stream(1), eventstore.NoStream, events(3)...)
		b, err := f.subscribe(a.Position, eventstore.Filter{}).next(f.ctx())
		if err != nil || !b.CaughtUp || len(b.Events) != 0 || b.Position != a.Position {
			f.Fatalf("got %+v, %v", b, err)
		}
	}},
	{name: "says CaughtUp when nothing matches", run: func(f *fixture) {
		fill(f, 10)
		head := f.head()
		l := f.subscribe(eventstore.Position{}, eventstore.Filter{Types: []string{"none" + f.tag}})
		l.untilCaughtUp()
		if l.position.Before(head) || len(l.events) != 0 {
			f.Fatalf("stands at %v of %v with %d events", l.position, head, len(l.events))
		}
	}},
	{name: "says CaughtUp with no batch that is behind the end", empty: true, run: func(f *fixture) {
		for i := range 9 {
			f.append(f.stream(i), eventstore.NoStream, events(1000)...)
		}
		head := f.head()
		l := f.subscribe(eventstore.Position{}, eventstore.Filter{})
		l.until(func(b eventstore.Batch) bool {
			if b.CaughtUp != (b.Position == head) {
				f.Fatalf("at %v of %v, caught up is %v", b.Position, head, b.CaughtUp)
			}
			return b.CaughtUp
		})
	}},
	{name: "says CaughtUp again with each batch that reaches the end", empty: true, run: func(f *fixture) {
		l := f.subscribe(eventstore.Position{}, eventstore.Filter{})
		l.untilCaughtUp()
		for i := range 5 {
			a := f.append(f.stream(i), eventstore.NoStream, event("x"))
			b, err := l.next(f.ctx())
			if err != nil || !b.CaughtUp || b.Position != a.Position || len(b.Events) != 1 {
				f.Fatalf("got %+v, %v", b, err)
			}
		}
	}},
	{name: "goes live without gap or duplicate while writers append", run: testGoesLive},
	{name: "delivers an event soon after it was appended", run: func(f *fixture) {
		l := f.subscribe(f.head(), f.mine())
		for i := range 20 {
			begin := time.Now()
			f.append(f.stream(i), eventstore.NoStream, event("x"))
			l.untilEvents(i + 1)
			if took := time.Since(begin); took > 2*time.Second {
				f.Fatalf("event %d took %v", i, took)
			}
		}
	}},
	{name: "moves its position past events that do not match, within 100 ms", run: func(f *fixture) {
		l := f.subscribe(f.head(), eventstore.Filter{Prefixes: []string{"tab-" + f.store(2) + "-"}})
		l.untilCaughtUp()
		best := time.Hour
		for i := range 5 {
			a := f.append(f.stream(i), eventstore.NoStream, event("x"))
			begin := time.Now()
			l.untilPosition(a.Position)
			best = min(best, time.Since(begin))
		}
		if len(l.events) != 0 {
			f.Fatalf("%d events", len(l.events))
		}
		if best > 200*time.Millisecond { // of five, the best: the machine may be busy
			f.Fatalf("took %v", best)
		}
	}},
	{name: "does not end with the context of Subscribe", run: func(f *fixture) {
		ctx, cancel := context.WithCancel(context.Background())
		sub, err := f.Subscribe(ctx, f.head(), f.mine())
		if err != nil {
			f.Fatal(err)
		}
		defer sub.Close()
		cancel()
		f.append(f.stream(1), eventstore.NoStream, event("x"))
		l := &follower{f: f, sub: sub}
		l.untilEvents(1)
	}},
	{name: "is one of several that do not disturb each other", run: func(f *fixture) {
		fill(f, 10)
		filters := []eventstore.Filter{f.mine(), {Prefixes: []string{"tab-" + f.store(1) + "-"}}, {Prefixes: f.mine().Prefixes, Types: []string{"type1.v1"}}}
		var followers []*follower
		for _, filter := range filters {
			followers = append(followers, f.subscribe(eventstore.Position{}, filter))
		}
		followers[0].untilCaughtUp()
		f.append(f.stream(77), eventstore.NoStream, events(10)...)
		_ = followers[0].sub.Close()
		for i, l := range followers[1:] {
			want := f.readAll(eventstore.LogRead{Filter: filters[i+1]})
			l.untilEvents(len(want))
			f.wantEqual(l.events, want)
		}
	}},
	{name: "loses nothing to a slow consumer", run: func(f *fixture) {
		l := f.subscribe(f.head(), f.mine())
		f.append(f.stream(0), eventstore.NoStream, event("first"))
		l.untilEvents(1)
		for i := 1; i <= 20; i++ { // all of it while nobody calls Next
			f.append(f.stream(i), eventstore.NoStream, events(500)...)
		}
		l.untilEvents(10_001)
		f.wantEqual(l.events, f.readAll(eventstore.LogRead{Filter: f.mine()}))
	}},
	{name: "is usable after the context of a Next ended", run: func(f *fixture) {
		l := f.subscribe(f.head(), f.mine())
		l.untilCaughtUp()
		for i := range 5 {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
			begin := time.Now()
			for {
				if _, err := l.next(ctx); err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						f.Fatalf("got %v", err)
					}
					break
				}
			}
			cancel()
			if took := time.Since(begin); took > time.Second {
				f.Fatalf("Next returned after %v", took)
			}
			f.append(f.stream(i), eventstore.NoStream, event("x"))
			l.untilEvents(i + 1)
		}
	}},
	{name: "ends a waiting Next when it is closed", run: func(f *fixture) {
		l := f.subscribe(f.head(), f.mine())
		l.untilCaughtUp()
		ended := make(chan error, 1)
		go func() {
			for {
				if _, err := l.sub.Next(context.Background()); err != nil {
					ended <- err
					return
				}
			}
		}()
		for range 2 {
			if err := l.sub.Close(); err != nil {
				f.Fatal(err)
			}
		}
		f.wantEnded(ended)
		if _, err := l.sub.Next(f.ctx()); !errors.Is(err, eventstore.ErrClosed) {
			f.Fatalf("after Close, Next returned %v", err)
		}
	}},
}

// wantEnded waits for eventstore.ErrClosed.
func (f *fixture) wantEnded(ended <-chan error) {
	f.Helper()
	select {
	case err := <-ended:
		if !errors.Is(err, eventstore.ErrClosed) {
			f.Fatalf("got %v, want ErrClosed", err)
		}
	case <-time.After(patience):
		f.Fatal("still waiting")
	}
}
