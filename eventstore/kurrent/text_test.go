package kurrent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/eventstore"
)

func TestRevisionInTheLibrarysText(t *testing.T) {
	const text = "[ErrorCodeWrongExpectedVersion] an append request failed the optimistic concurrency on the server: wrong expected version: "
	for given, want := range map[string]eventstore.Revision{
		text + "expecting 'no_stream' but got '0'":            0,
		text + "expecting '7' but got '123456'":               123456,
		text + "expecting '7' but got 'no_stream'":            eventstore.NoStream,
		"wrong expected version: expecting 'any' but got '1'": 1,
		text + "expecting '1' but got '9223372036854775807'":  1<<63 - 1,
		"": -2, text: -2,
		text + "expecting '1' but got ''":                               -2,
		text + "expecting '1' but got '-1'":                             -2,
		text + "expecting '1' but got '5' or so":                        -2,
		text + "expecting '1' but got '9999999999999999999'":            -2,
		text + "expecting '1' but got '123456789012345678901234567890'": -2,
		text + "expecting 'but got '3'' but got 'x'":                    -2,
	} {
		got, ok := revisionIn(given)
		if ok != (want != -2) || ok && got != want {
			t.Errorf("%s: got %d, %v", given, got, ok)
		}
	}
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	b := backoff{first: 50 * time.Millisecond, max: 500 * time.Millisecond}
	for i, most := range []time.Duration{50, 100, 200, 400, 500, 500} {
		most *= time.Millisecond
		if got := b.pause(); got < most/2 || got >= most {
			t.Errorf("pause %d is %v, want %v to %v", i, got, most/2, most)
		}
	}
	b.reset()
	if got := b.pause(); got >= 50*time.Millisecond {
		t.Errorf("after reset: %v", got)
	}
}

// TestAFollowersNotFoundIsNotAnEmptyStream: "not leader" is a NotFound to gRPC.
func TestAFollowersNotFoundIsNotAnEmptyStream(t *testing.T) {
	l := &link{}
	for name, c := range map[string]struct {
		err  error
		lost bool
	}{
		"not found":     {status.Error(codes.NotFound, "leader info available"), true},
		"unavailable":   {status.Error(codes.Unavailable, "busy"), true},
		"aborted":       {status.Error(codes.Aborted, "timeout"), true},
		"deadline":      {status.Error(codes.DeadlineExceeded, ""), true},
		"cut":           {io.ErrUnexpectedEOF, true},
		"too large":     {status.Error(codes.InvalidArgument, "too large"), false},
		"wrong user":    {status.Error(codes.Unauthenticated, ""), false},
		"not permitted": {status.Error(codes.PermissionDenied, ""), false},
	} {
		if got := l.judge(c.err); isLost(got) != c.lost || errors.Is(got, errNoStream) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestPanicsAreErrors: the library panics at what it does not know, and when it is closed under a call.
func TestPanicsAreErrors(t *testing.T) {
	config, err := parse("esdb://127.0.0.1:1?tls=false")
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLink(*config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, err = guard(t.Context(), l, func(context.Context) (int, error) { panic("send on closed channel") })
	if !isLost(err) || !errors.Is(err, eventstore.ErrUnavailable) || l.alive() {
		t.Errorf("got %v, alive is %v", err, l.alive())
	}
	if _, err := guard(t.Context(), l, func(context.Context) (int, error) { return 1, nil }); !isLost(err) {
		t.Errorf("a dead link took a call: %v", err)
	}
}

func TestServerFilter(t *testing.T) {
	f := (&Store{}).serverFilter(eventstore.Filter{Types: []string{"tab.opened.v1", "a+b"}})
	if f.Type != esdb.EventFilterType || f.Regex != `^(tab\.opened\.v1|a\+b)$` {
		t.Errorf("got %+v", f)
	}
	if f := (&Store{}).serverFilter(eventstore.Filter{Prefixes: []string{"tab-s-"}, Types: []string{"x"}}); f.Type != esdb.StreamFilterType || len(f.Prefixes) != 1 || f.Regex != "" {
		t.Errorf("got %+v", f)
	}
}
