package kurrent_test

import (
	"context"
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

// seed writes n events past the protocol, to as many streams as are named.
func (s *server) seed(n int, streams ...string) {
	s.Helper()
	const batch = 5000
	for _, stream := range streams {
		for at := 0; at < n; at += batch {
			events := make([]eventstore.NewEvent, min(batch, n-at))
			for i := range events {
				events[i] = eventstore.NewEvent{ID: uuid.New(), Type: "$statsCollected", Data: []byte(`{"sys-freeMem":1}`)}
				if stream[0] != '$' {
					events[i].Type = "something.happened"
				}
			}
			if _, err := s.log.Append(context.Background(), stream, eventstore.Revision(at-1), events); err != nil {
				s.Fatal(err)
			}
		}
	}
}

var prefixes = []string{"tab-", "store-", "menu-"}

// sevenCatchUp lets seven subscriptions begin at a position at once, and returns how long the last took to be at the
// end, which is there.
func sevenCatchUp(t *testing.T, store *kurrent.Store, after eventstore.Position) time.Duration {
	t.Helper()
	begin := time.Now()
	var all sync.WaitGroup
	for range 7 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if _, is, err := store.At(ctx, after); err != nil || !is {
				t.Errorf("the event at %v: %v, %v", after, is, err)
			}
			sub, err := store.Subscribe(ctx, after, eventstore.Filter{Prefixes: []string{"tab-"}})
			if err != nil {
				t.Error(err)
				return
			}
			defer sub.Close()
			for {
				b, err := sub.Next(ctx)
				switch {
				case err != nil:
					t.Error(err)
					return
				case b.Position != after || len(b.Events) > 0:
					t.Errorf("got %+v, want nothing", b)
					return
				case b.CaughtUp:
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(begin)
}

// slow is more than anything here takes on a busy machine with the race detector; walking all those events takes minutes.
const slow = 20 * time.Second

// TestARestartBehindOthersEvents: a night's statistics, and what other applications wrote, stand after our last event.
func TestARestartBehindOthersEvents(t *testing.T) {
	for _, tail := range []int{10_000, 150_000} {
		t.Run(fmt.Sprint(2*tail), func(t *testing.T) {
			server := newServer(t, esdbserver.Options{})
			a, err := server.open().Append(within(t, 10*time.Second), "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")})
			if err != nil {
				t.Fatal(err)
			}
			server.seed(tail, "$stats-1", "billing-1")
			store := open(t, kurrent.Options{URL: server.url(), Logger: logger(), Prefixes: prefixes})
			took := sevenCatchUp(t, store, a.Position)
			t.Logf("seven were at the end behind %d events after %v", 2*tail, took)
			if took > slow {
				t.Errorf("it took %v", took)
			}
			begin := time.Now()
			for range 100 {
				if head, err := store.Head(within(t, 10*time.Second)); err != nil || head != a.Position {
					t.Fatalf("head is %v, %v, want %v", head, err, a.Position)
				}
			}
			t.Logf("100 heads took %v", time.Since(begin))
			if took := time.Since(begin); took > slow {
				t.Errorf("100 heads took %v", took)
			}
		})
	}
}

// TestTheHeadBehindOthersEventsIsSoughtOnce: nothing is known yet, so it is found by reading backward, for all at once.
func TestTheHeadBehindOthersEventsIsSoughtOnce(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	a, err := server.open().Append(within(t, 10*time.Second), "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")})
	if err != nil {
		t.Fatal(err)
	}
	server.seed(5000, "$stats-1", "billing-1")
	store := open(t, kurrent.Options{URL: server.url(), Logger: logger(), Prefixes: prefixes})
	if _, err := store.Head(within(t, 10*time.Millisecond)); err == nil {
		t.Log("the first who asked had the answer within 10 ms")
	}
	begin := time.Now()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if head, err := store.Head(within(t, time.Minute)); err != nil || head != a.Position {
				t.Errorf("head is %v, %v, want %v", head, err, a.Position)
			}
		})
	}
	all.Wait()
	t.Logf("50 at once took %v", time.Since(begin))
	b, err := store.Append(within(t, 10*time.Second), "tab-s-1", 0, []eventstore.NewEvent{event("x")})
	if err != nil {
		t.Fatal(err)
	}
	if head, err := store.Head(within(t, time.Minute)); err != nil || head != b.Position {
		t.Errorf("head is %v, %v, want %v", head, err, b.Position)
	}
}

// TestOthersLargeEventsStayOnTheServer: no memory is taken for events that are not of this log.
func TestOthersLargeEventsStayOnTheServer(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	for i := range 40 {
		large := eventstore.NewEvent{ID: uuid.New(), Type: "scanned", Data: make([]byte, eventstore.AppendBytesMax-100)}
		if _, err := server.log.Append(t.Context(), fmt.Sprint("scan-", i), eventstore.NoStream, []eventstore.NewEvent{large}); err != nil {
			t.Fatal(err)
		}
	}
	server.seed(1, "tab-s-1")
	allocated := func(p []string) uint64 {
		store := open(t, kurrent.Options{URL: server.url(), Logger: logger(), Prefixes: p})
		if _, err := store.Head(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sub, err := store.Subscribe(t.Context(), eventstore.Position{}, eventstore.Filter{Prefixes: []string{"tab-"}})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		for ctx := within(t, 20*time.Second); ; {
			b, err := sub.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if b.CaughtUp {
				break
			}
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	all, mine := allocated(nil), allocated(prefixes)
	t.Logf("one subscription past 40 MB of others' events allocated %d kB, all events of the server %d kB", mine/1000, all/1000)
	if mine > all/2 { // the server is in this process, and reads them
		t.Errorf("%d bytes were allocated, %d with others' events", mine, all)
	}
}

// TestTheHeadOfALogThatWentBack: an older copy was put in the log's place while the store knew of more.
func TestTheHeadOfALogThatWentBack(t *testing.T) {
	for name, c := range map[string]struct{ before, after, others int }{
		"others' events are missing": {before: 1, after: 1, others: 5},
		"ours, too":                  {before: 3, after: 1, others: 0},
	} {
		t.Run(name, func(t *testing.T) {
			newer, older := newServer(t, esdbserver.Options{}), newServer(t, esdbserver.Options{})
			newer.seed(c.before, "tab-s-1")
			newer.seed(1000, "$stats-1")
			older.seed(c.after, "tab-s-1")
			if c.others > 0 {
				older.seed(c.others, "$stats-1")
			}
			store := newer.open()
			if _, err := store.Head(within(t, 5*time.Second)); err != nil {
				t.Fatal(err)
			}
			newer.down()
			older.down()
			older.address = newer.address
			older.start()
			for range 2 {
				want, err := older.log.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				want.Commit, want.Prepare = want.Commit-uint64(c.others), want.Prepare-uint64(c.others)
				if head, err := store.Head(within(t, 5*time.Second)); err != nil || head != served(want) {
					t.Errorf("head is %v, %v, want %v", head, err, served(want))
				}
				older.seed(1, "tab-s-"+uuid.NewString()[:8])
				c.others = 0
			}
		})
	}
}
