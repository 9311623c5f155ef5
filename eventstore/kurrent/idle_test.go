package kurrent_test

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
	"daybook/eventstore/kurrent"
)

// TestAnIdleSubscriptionStaysAlive waits through three of the client's pings. They come every 10 s, which gRPC does not
// allow to shorten; a server that does not want so many ends the connection at the third, after 31 s.
// DAYBOOK_TEST_IDLE, a duration, makes it wait longer.
func TestAnIdleSubscriptionStaysAlive(t *testing.T) {
	t.Parallel()
	idle := 33 * time.Second
	if given := os.Getenv("DAYBOOK_TEST_IDLE"); given != "" {
		var err error
		if idle, err = time.ParseDuration(given); err != nil {
			t.Fatal(err)
		}
	}
	server := newServer(t, esdbserver.Options{})
	var lines bytes.Buffer
	store := open(t, kurrent.Options{URL: server.url(), Logger: slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	ctx := within(t, idle+20*time.Second)
	sub, err := store.Subscribe(ctx, eventstore.Position{}, eventstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := sub.Next(ctx); err != nil || !b.CaughtUp {
		t.Fatalf("got %+v, %v", b, err)
	}
	time.Sleep(idle) // that nothing happens is the test
	begin := time.Now()
	a, err := server.log.Append(ctx, "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := sub.Next(ctx); err != nil || len(b.Events) != 1 || b.Position != served(a.Position) {
		t.Fatalf("got %+v, %v", b, err)
	}
	t.Logf("after %v of silence an event took %v", idle, time.Since(begin))
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(lines.String(), "event store: connected"); n != 1 || strings.Contains(lines.String(), "interrupted") {
		t.Errorf("%d connections were made:\n%s", n, lines.String())
	}
}
