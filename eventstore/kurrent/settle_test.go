package kurrent_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
	"daybook/eventstore/kurrent"
)

func count(t *testing.T, server *server, stream string) (n int) {
	t.Helper()
	for _, err := range server.log.ReadStream(context.Background(), stream, eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestEveryAnswerIsLost has each append committed and its answer thrown away.
func TestEveryAnswerIsLost(t *testing.T) {
	server := newServer(t, esdbserver.Options{Hostile: &esdbserver.Hostile{LoseAnswer: 1}})
	store := server.open()
	end := eventstore.NoStream
	for range 10 {
		a, err := store.Append(within(t, 10*time.Second), "tab-s-1", end, []eventstore.NewEvent{event("a"), event("b")})
		if err != nil {
			t.Fatal(err)
		}
		if a.Revision != end+2 {
			t.Fatalf("appended at %d, gave %d", end, a.Revision)
		}
		if head, err := server.log.Head(t.Context()); err != nil || served(head) != a.Position {
			t.Fatalf("position %v, the log's head is %v, %v", a.Position, head, err)
		}
		end = a.Revision
	}
	if n := count(t, server, "tab-s-1"); n != 20 {
		t.Fatalf("%d events", n)
	}
	var conflict *eventstore.Conflict
	if _, err := store.Append(within(t, 10*time.Second), "tab-s-1", 5, []eventstore.NewEvent{event("c")}); !errors.As(err, &conflict) || conflict.Actual != 19 {
		t.Fatalf("got %v", err)
	}
}

// TestTheAnswerComesTooLate has each append committed and its answer kept until the call's end.
func TestTheAnswerComesTooLate(t *testing.T) {
	server := newServer(t, esdbserver.Options{Hostile: &esdbserver.Hostile{LateAnswer: 1}})
	store := server.open()
	given := []eventstore.NewEvent{event("a"), event("b")}
	for range 2 {
		begin := time.Now()
		_, err := store.Append(within(t, 300*time.Millisecond), "tab-s-1", eventstore.NoStream, given)
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > 300*time.Millisecond+lateMax+busyMore {
			t.Fatalf("got %v after %v", err, took)
		}
	}
	if n := count(t, server, "tab-s-1"); n != 2 {
		t.Fatalf("%d events", n)
	}
	late := open(t, kurrent.Options{URL: server.url() + "&defaultDeadline=300", Logger: logger()}) // the transport gives up, not the caller
	a, err := late.Append(within(t, 10*time.Second), "tab-s-2", eventstore.NoStream, given)
	if err != nil || a.Revision != 1 || count(t, server, "tab-s-2") != 2 {
		t.Fatalf("got %+v, %v", a, err)
	}
}

func TestIdentityIsMadeOnce(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	identities := make([]string, 8)
	var wg sync.WaitGroup
	for i := range identities {
		store := server.open()
		wg.Go(func() {
			identity, err := store.Identity(within(t, 10*time.Second))
			if err != nil {
				t.Error(err)
			}
			identities[i] = identity
		})
	}
	wg.Wait()
	for _, identity := range identities {
		if identity == "" || identity != identities[0] {
			t.Fatalf("got %q", identities)
		}
	}
	if n := count(t, server, "daybook_log"); n != 1 {
		t.Fatalf("%d events hold the identity", n)
	}
}

// TestTheServersOwnEventsAreNotShown writes some, and the identity, around one of ours.
func TestTheServersOwnEventsAreNotShown(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	store := server.open()
	ctx := within(t, 10*time.Second)
	if _, err := store.Identity(ctx); err != nil {
		t.Fatal(err)
	}
	own := func(stream, typ string) {
		t.Helper()
		if _, err := server.log.Append(ctx, stream, eventstore.NoStream, []eventstore.NewEvent{event(typ)}); err != nil {
			t.Fatal(err)
		}
	}
	own("$stats-a", "$statsCollected")
	a, err := store.Append(ctx, "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")})
	if err != nil {
		t.Fatal(err)
	}
	own("$stats-b", "$statsCollected")
	own("$settings", "x")
	own("tab-s-2", "$metadata")
	if head, err := store.Head(ctx); err != nil || head != a.Position {
		t.Errorf("head is %v, %v, want %v", head, err, a.Position)
	}
	for _, read := range []eventstore.LogRead{{}, {Direction: eventstore.Backward}, {Filter: eventstore.Filter{Prefixes: []string{"$", "tab-", "daybook"}}}, {Filter: eventstore.Filter{Types: []string{"x", "$metadata", "log.identified.v1"}}}} {
		n := 0
		for e, err := range store.ReadAll(ctx, read) {
			if err != nil || e.Position != a.Position {
				t.Errorf("%+v: event %+v, %v", read, e, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%+v: %d events", read, n)
		}
	}
	sub, err := store.Subscribe(ctx, eventstore.Position{}, eventstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if b, err := sub.Next(ctx); err != nil || len(b.Events) != 1 || b.Position != a.Position || !b.CaughtUp {
		t.Errorf("got %+v, %v", b, err)
	}
}

func TestAnotherLogIsNoticed(t *testing.T) {
	one, two := newServer(t, esdbserver.Options{}), newServer(t, esdbserver.Options{})
	store := one.open()
	ctx := within(t, 10*time.Second)
	if _, err := store.Identity(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := two.open().Identity(ctx); err != nil {
		t.Fatal(err)
	}
	sub, err := store.Subscribe(ctx, eventstore.Position{}, eventstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if b, err := sub.Next(ctx); err != nil || !b.CaughtUp {
		t.Fatalf("got %+v, %v", b, err)
	}
	one.down()
	two.down()
	two.address = one.address
	two.start()
	two.seed(1, "tab-s-1")
	if _, err := store.Head(ctx); !errors.Is(err, eventstore.ErrUnavailable) || !strings.Contains(err.Error(), "another log") {
		t.Fatalf("got %v", err)
	}
	if b, err := sub.Next(within(t, 100*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the subscription goes on with %+v, %v", b, err)
	}
	two.down()
	one.start()
	if _, err := store.Append(ctx, "tab-s-2", eventstore.NoStream, []eventstore.NewEvent{event("x")}); err != nil {
		t.Fatal(err)
	}
	if b, err := sub.Next(ctx); err != nil || len(b.Events) != 1 || b.Events[0].Stream != "tab-s-2" {
		t.Fatalf("the subscription goes on with %+v, %v", b, err)
	}
}

func TestASubscriptionAfterTheEndIsRefused(t *testing.T) {
	store := newServer(t, esdbserver.Options{}).open()
	ctx := within(t, 10*time.Second)
	if _, err := store.Append(ctx, "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")}); err != nil {
		t.Fatal(err)
	}
	sub, err := store.Subscribe(ctx, eventstore.Position{Commit: 1 << 40, Prepare: 1 << 40}, eventstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for range 2 {
		if _, err := sub.Next(ctx); !errors.Is(err, eventstore.ErrInvalid) {
			t.Fatalf("got %v", err)
		}
	}
}
