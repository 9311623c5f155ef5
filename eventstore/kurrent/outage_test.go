package kurrent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
	"daybook/eventstore/kurrent"
)

// clients counts the library's connection loops, one for each client that was not closed.
func clients() int {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return bytes.Count(stacks, []byte("esdb.connectionStateMachine("))
}

// settles waits until the process is down to so many goroutines and clients; nothing tells when a goroutine has ended.
func settles(t *testing.T, goroutines, open int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if n, c := runtime.NumGoroutine(), clients(); n <= goroutines && c == open {
			return
		} else if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines and %d clients, want %d and %d\n%s", n, c, goroutines, open, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

const (
	lateMax  = 50 * time.Millisecond
	busyMore = 200 * time.Millisecond // for a machine that does other things
)

// lag measures, until stop is called, by how much this machine is late to wake a goroutine whose time has come. What is
// measured beside it cannot be more punctual, and passes through a few goroutines.
func lag() (stop func() time.Duration) {
	done, worst := make(chan struct{}), make(chan time.Duration)
	go func() {
		var most time.Duration
		for {
			begin := time.Now()
			select {
			case <-done:
				worst <- most
				return
			case <-time.After(5 * time.Millisecond):
				most = max(most, time.Since(begin)-5*time.Millisecond)
			}
		}
	}()
	return func() time.Duration { close(done); return <-worst }
}

// appendMany appends to n streams at once, with contexts of d, and returns how long the slowest took.
func appendMany(t *testing.T, store *kurrent.Store, round string, n int, d time.Duration) (slowest time.Duration, failed int) {
	t.Helper()
	stop := lag()
	defer func() {
		late := stop()
		if slowest > d+lateMax+busyMore+4*late {
			t.Errorf("the slowest of %d took %v, with %v to do it, on a machine that is up to %v late", n, slowest, d, late)
		}
	}()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), d)
			defer cancel()
			begin := time.Now()
			_, err := store.Append(ctx, fmt.Sprintf("tab-s-%s%d", round, i), eventstore.NoStream, []eventstore.NewEvent{event("x")})
			took := time.Since(begin)
			mu.Lock()
			defer mu.Unlock()
			slowest = max(slowest, took)
			if err == nil {
				return
			}
			failed++
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	return slowest, failed
}

func TestAppendsWhileTheServerIsDown(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	store := server.open()
	if _, failed := appendMany(t, store, "before", 50, 10*time.Second); failed > 0 {
		t.Fatalf("%d appends failed while the server was up", failed)
	}
	goroutines, open := runtime.NumGoroutine(), clients()
	for outage := range 3 {
		server.down()
		slowest, failed := appendMany(t, store, fmt.Sprint("down", outage), 50, 2*time.Second)
		if failed != 50 {
			t.Fatalf("%d of 50 failed, the slowest took %v", failed, slowest)
		}
		server.start()
		begin := time.Now()
		if _, err := store.Append(within(t, 5*time.Second), fmt.Sprint("tab-s-back", outage), eventstore.NoStream, []eventstore.NewEvent{event("x")}); err != nil {
			t.Fatal(err)
		}
		back := time.Since(begin)
		if back > time.Second {
			t.Fatalf("the first append after the outage took %v", back)
		}
		t.Logf("outage %d: slowest of 50 took %v; first append after it %v", outage, slowest, back)
	}
	settles(t, goroutines+2, open)
}

// TestOutageInTheMiddle cuts the server off while many append, so that calls meet a dying connection at every stage.
func TestOutageInTheMiddle(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	store := server.open()
	appendMany(t, store, "before", 10, 10*time.Second)
	goroutines, open := runtime.NumGoroutine(), clients()
	for outage := range 8 {
		var wg sync.WaitGroup
		wg.Go(func() {
			slowest, failed := appendMany(t, store, fmt.Sprint("a", outage), 300, 1500*time.Millisecond)
			t.Logf("outage %d: %d of 300 failed, the slowest took %v", outage, failed, slowest)
		})
		server.down()
		server.start()
		wg.Wait()
	}
	if _, failed := appendMany(t, store, "after", 50, 10*time.Second); failed > 0 {
		t.Fatalf("%d appends failed", failed)
	}
	settles(t, goroutines+2, open)
}

// write appends to one stream until the context ends, and returns the ids that were acknowledged, in order.
func write(ctx context.Context, t *testing.T, store *kurrent.Store, stream string) (ids []uuid.UUID) {
	end := eventstore.NoStream
	for ctx.Err() == nil {
		given := []eventstore.NewEvent{event("a"), event("b")}
		a, err := store.Append(ctx, stream, end, given)
		switch {
		case ctx.Err() != nil:
			return ids
		case err != nil:
			t.Error(err)
			return ids
		}
		end = a.Revision
		ids = append(ids, given[0].ID, given[1].ID)
	}
	return ids
}

// follow collects what a subscription delivers until it has passed a position that arrives late.
func follow(t *testing.T, sub eventstore.Subscription, until <-chan eventstore.Position) (events []eventstore.Event) {
	ctx := within(t, 60*time.Second)
	var at, end eventstore.Position
	for {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		b, err := sub.Next(short)
		cancel()
		select {
		case end = <-until:
		default:
		}
		if err != nil && (!errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil) {
			t.Errorf("after %d events: %v", len(events), err)
			return events
		}
		if err == nil {
			at = b.Position
			events = append(events, b.Events...)
		}
		if !end.IsZero() && !at.Before(end) {
			return events
		}
	}
}

// underTrouble lets writers append and subscriptions follow while trouble goes on, and then compares what was
// acknowledged, what the log holds, and what was delivered.
func underTrouble(t *testing.T, server *server, trouble func()) {
	store := server.open()
	ctx, cancel := context.WithCancel(within(t, 60*time.Second))
	const writers, followers = 4, 3
	var subs []eventstore.Subscription
	for range followers {
		sub, err := store.Subscribe(ctx, eventstore.Position{}, eventstore.Filter{Prefixes: []string{"tab-"}})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		subs = append(subs, sub)
	}
	var writing, following sync.WaitGroup
	acked := make([][]uuid.UUID, writers)
	for i := range writers {
		writing.Go(func() { acked[i] = write(ctx, t, store, fmt.Sprint("tab-s-", i)) })
	}
	delivered := make([][]eventstore.Event, followers)
	ends := make([]chan eventstore.Position, followers)
	for i, sub := range subs {
		ends[i] = make(chan eventstore.Position, 1)
		following.Go(func() { delivered[i] = follow(t, sub, ends[i]) })
	}
	trouble()
	cancel()
	writing.Wait()
	acknowledged := server.everything()
	for _, end := range ends {
		end <- acknowledged[len(acknowledged)-1].Position
	}
	following.Wait()
	log := server.everything() // an append that nobody waited for may have come later
	for i, ids := range acked {
		checkWritten(t, log, fmt.Sprint("tab-s-", i), ids)
	}
	for i, events := range delivered {
		checkDelivered(t, i, events, log, len(acknowledged))
	}
	t.Logf("%d events", len(log))
}

// everything reads the log past the protocol.
func (s *server) everything() (log []eventstore.Event) {
	for e, err := range s.log.ReadAll(context.Background(), eventstore.LogRead{Filter: eventstore.Filter{Prefixes: []string{"tab-"}}}) {
		if err != nil {
			s.Fatal(err)
		}
		e.Position = served(e.Position)
		log = append(log, e)
	}
	return log
}

// served is a position of a server's log as its clients see it: esdbserver leaves a place between two events.
func served(p eventstore.Position) eventstore.Position {
	return eventstore.Position{Commit: 2 * p.Commit, Prepare: 2 * p.Prepare}
}

// checkWritten wants each acknowledged event once and in order. One more append may stand at the end, whose answer the
// writer did not wait for.
func checkWritten(t *testing.T, log []eventstore.Event, stream string, ids []uuid.UUID) {
	var found []uuid.UUID
	for _, e := range log {
		if e.Stream == stream {
			found = append(found, e.ID)
		}
	}
	if len(ids) == 0 || len(found) != len(ids) && len(found) != len(ids)+2 {
		t.Errorf("%s: %d events were acknowledged, %d are there", stream, len(ids), len(found))
		return
	}
	for i, id := range ids {
		if found[i] != id {
			t.Errorf("%s: event %d is not the one that was acknowledged", stream, i)
			return
		}
	}
}

// checkDelivered wants the log's beginning, least events of it or more.
func checkDelivered(t *testing.T, follower int, got, want []eventstore.Event, least int) {
	for i := range min(len(got), len(want)) {
		if got[i].ID != want[i].ID || got[i].Position != want[i].Position {
			t.Errorf("follower %d: event %d is at %v, want %v", follower, i, got[i].Position, want[i].Position)
			return
		}
	}
	if len(got) < least || len(got) > len(want) {
		t.Errorf("follower %d: %d events, want %d to %d", follower, len(got), least, len(want))
	}
}

func TestSubscriptionsSurviveTenRestarts(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	underTrouble(t, server, func() {
		for restart := range 10 {
			server.grows(200)
			server.down()
			if restart%2 == 1 { // long enough to be noticed
				time.Sleep(200 * time.Millisecond)
			}
			server.start()
		}
		server.grows(200)
	})
}

// grows waits until the log has so many events more.
func (s *server) grows(n uint64) {
	s.Helper()
	ctx := within(s, 30*time.Second)
	head, err := s.log.Head(ctx)
	if err != nil {
		s.Fatal(err)
	}
	sub, err := s.log.Subscribe(ctx, head, eventstore.Filter{})
	if err != nil {
		s.Fatal(err)
	}
	defer sub.Close()
	for {
		b, err := sub.Next(ctx)
		if err != nil {
			s.Fatalf("the log does not grow: %v", err)
		}
		if b.Position.Commit >= head.Commit+n {
			return
		}
	}
}

func TestHostileServer(t *testing.T) {
	server := newServer(t, esdbserver.Options{Hostile: &esdbserver.Hostile{
		Seed: 1, Forget: true, BareCaughtUp: true, LoseAnswer: 10, DropSubscription: 300,
		Slow: 50, SlowFor: 50 * time.Millisecond, Down: 400, DownFor: 100 * time.Millisecond,
	}})
	underTrouble(t, server, func() { server.grows(3000) })
}
