package follow_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
	"daybook/eventstore/esdbserver"
	"daybook/eventstore/eventstoretest"
	"daybook/eventstore/kurrent"
	"daybook/follow"
)

// TestMain finds goroutines that are left behind, but for those of the subscriber that Watermill's suite makes of several
// and does not close.
func TestMain(m *testing.M) {
	const multiplied = "github.com/ThreeDotsLabs/watermill/internal/subscriber.(*multiplier).Subscribe."
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(multiplied+"func2"), goleak.IgnoreAnyFunction(multiplied+"func3"))
}

var quiet = slog.New(slog.DiscardHandler)

// newLog opens an event log that is gone with the test.
func newLog(t testing.TB) eventstore.Store {
	t.Helper()
	log, err := embedded.Open(embedded.Options{Dir: "log", FS: vfs.NewMem(), Logger: quiet, MemTableBytes: 1 << 20, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

// newRemoteLog opens an event log behind EventStoreDB's protocol.
func newRemoteLog(t testing.TB) eventstore.Store {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	node := esdbserver.New(newLog(t).(eventstore.Indexed), esdbserver.Options{Logger: quiet})
	go func() { served <- node.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	log, err := kurrent.Open(kurrent.Options{URL: "esdb://" + listener.Addr().String() + "?tls=false", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

// overEveryLog runs a test over both kinds of logs.
func overEveryLog(t *testing.T, test func(t *testing.T, log eventstore.Store)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, newLog(t)) })
	t.Run("EventStoreDB's protocol", func(t *testing.T) { test(t, newRemoteLog(t)) })
}

// fed is a log that is followed through a feed.
type fed struct {
	eventstore.Store
	feed *follow.Feed
}

func (f fed) Subscribe(ctx context.Context, after eventstore.Position, filter eventstore.Filter) (eventstore.Subscription, error) {
	return f.feed.Subscribe(ctx, after, filter)
}

// TestContract: whoever follows the feed has what the port promises of a subscription; with a window so small that
// followers fall off again and again, too.
func TestContract(t *testing.T) {
	for _, windowBytes := range []int{4 << 20, 2000} {
		t.Run(fmt.Sprintf("window of %d bytes", windowBytes), func(t *testing.T) {
			eventstoretest.Run(t, func(t *testing.T) eventstore.Store {
				log := newLog(t)
				return fed{log, follow.NewFeedOf(log, windowBytes)}
			}, eventstoretest.Options{Groups: []string{"subscription", "context and close"}})
		})
	}
}

// patience is how long anything that must happen may take on a busy machine.
const patience = 60 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func event(typ string, bytes int) eventstore.NewEvent {
	return eventstore.NewEvent{ID: uuid.New(), Type: typ, Data: fmt.Appendf(nil, `{"n":%q}`, make([]byte, bytes/4))}
}

// appendTo appends to a stream that nobody else appends to.
func appendTo(t testing.TB, log eventstore.Store, stream string, events ...eventstore.NewEvent) eventstore.Position {
	t.Helper()
	end := eventstore.NoStream
	for e, err := range log.ReadStream(t.Context(), stream, eventstore.StreamRead{From: eventstore.Last, Direction: eventstore.Backward, Limit: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		end = e.Revision
	}
	at, err := log.Append(t.Context(), stream, end, events)
	if err != nil {
		t.Fatal(err)
	}
	return at.Position
}

// reader takes what one subscription delivers.
type reader struct {
	testing.TB
	sub       eventstore.Subscription
	positions []eventstore.Position // of events
	at        eventstore.Position
}

func subscribe(t testing.TB, feed *follow.Feed, after eventstore.Position, types ...string) *reader {
	t.Helper()
	sub, err := feed.Subscribe(t.Context(), after, eventstore.Filter{Types: types})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	return &reader{TB: t, sub: sub}
}

func (r *reader) until(position eventstore.Position) {
	r.Helper()
	ctx := within(r)
	for r.at.Before(position) {
		r.next(ctx)
	}
}

func (r *reader) next(ctx context.Context) (caughtUp bool) {
	r.Helper()
	b, err := r.sub.Next(ctx)
	if err != nil {
		r.Fatalf("at %v: %v", r.at, err)
	}
	for _, e := range b.Events {
		r.positions = append(r.positions, e.Position)
	}
	r.at = b.Position
	return b.CaughtUp
}

func (r *reader) untilCaughtUp() {
	r.Helper()
	for ctx := within(r); !r.next(ctx); {
	}
}

func positions(t testing.TB, log eventstore.Store, types ...string) (all []eventstore.Position) {
	t.Helper()
	for e, err := range log.ReadAll(t.Context(), eventstore.LogRead{Filter: eventstore.Filter{Types: types}}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Position)
	}
	return all
}

// TestOneSubscription: followers that have caught up share one; a late one joins them; the last one ends it.
func TestOneSubscription(t *testing.T) { overEveryLog(t, testOneSubscription) }

func testOneSubscription(t *testing.T, log eventstore.Store) {
	feed := follow.NewFeed(log)
	head := appendTo(t, log, "tab-s-1", event("a", 100), event("b", 100), event("c", 100))
	readers := []*reader{
		subscribe(t, feed, eventstore.Position{}, "a"), subscribe(t, feed, eventstore.Position{}, "b", "c"), subscribe(t, feed, head),
	}
	if got := feed.Subscriptions(); got != 3 {
		t.Errorf("before anybody has caught up, %d subscriptions", got)
	}
	for _, r := range readers {
		r.untilCaughtUp()
	}
	if got := feed.Subscriptions(); got != 1 {
		t.Errorf("once all have caught up, %d subscriptions", got)
	}
	head = appendTo(t, log, "tab-s-1", event("b", 100), event("a", 100), event("d", 100))
	late := subscribe(t, feed, eventstore.Position{}, "a", "d")
	for _, r := range append(readers, late) {
		r.until(head)
	}
	late.untilCaughtUpOrJoined(feed)
	for i, types := range [][]string{{"a"}, {"b", "c"}} {
		if want := positions(t, log, types...); !slices.Equal(readers[i].positions, want) {
			t.Errorf("%v: got %v, want %v", types, readers[i].positions, want)
		}
	}
	if len(readers[2].positions) != 3 {
		t.Errorf("from the end on: %v", readers[2].positions)
	}
	for _, r := range append(readers, late) {
		_ = r.sub.Close()
	}
	if got := feed.Subscriptions(); got != 0 {
		t.Errorf("when all have closed, %d subscriptions", got)
	}
}

func (r *reader) untilCaughtUpOrJoined(feed *follow.Feed) {
	r.Helper()
	for ctx := within(r); feed.Subscriptions() != 1; {
		r.next(ctx)
	}
}

// TestSlowFollower: one that does not ask for what comes neither holds up the others nor has the feed keep it. It gets
// all of it later.
func TestSlowFollower(t *testing.T) { overEveryLog(t, testSlowFollower) }

func testSlowFollower(t *testing.T, log eventstore.Store) {
	const windowBytes = 100_000
	feed := follow.NewFeedOf(log, windowBytes)
	quick, slow := subscribe(t, feed, eventstore.Position{}), subscribe(t, feed, eventstore.Position{}, "a")
	quick.untilCaughtUp()
	slow.untilCaughtUp()
	for range 100 {
		quick.until(appendTo(t, log, "tab-s-1", event("a", 4000), event("b", 4000)))
		if bytes, _ := feed.Kept(); bytes > windowBytes {
			t.Fatalf("the feed keeps %d bytes", bytes)
		}
	}
	if got := feed.Subscriptions(); got != 1 {
		t.Errorf("%d subscriptions while one follower does not ask", got)
	}
	slow.until(quick.at)
	if want := positions(t, log, "a"); !slices.Equal(slow.positions, want) {
		t.Errorf("the slow one got %d events, want %d", len(slow.positions), len(want))
	}
	slow.untilCaughtUpOrJoined(feed)
	head := appendTo(t, log, "tab-s-1", event("a", 100))
	slow.until(head)
	if want := positions(t, log, "a"); !slices.Equal(slow.positions, want) {
		t.Errorf("joined again, the slow one got %d events, want %d", len(slow.positions), len(want))
	}
}

// breaking is a log whose subscriptions can be broken.
type breaking struct {
	eventstore.Store
	mu     sync.Mutex
	broken chan struct{}
}

func (b *breaking) Subscribe(ctx context.Context, after eventstore.Position, filter eventstore.Filter) (eventstore.Subscription, error) {
	sub, err := b.Store.Subscribe(ctx, after, filter)
	b.mu.Lock()
	defer b.mu.Unlock()
	return breakingSub{sub, b.broken}, err
}

func (b *breaking) breakAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.broken)
	b.broken = make(chan struct{})
}

type breakingSub struct {
	eventstore.Subscription
	broken chan struct{}
}

func (s breakingSub) Next(ctx context.Context) (eventstore.Batch, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.broken:
			cancel()
		case <-waiting.Done():
		}
	}()
	batch, err := s.Subscription.Next(waiting)
	if err != nil && ctx.Err() == nil {
		err = eventstore.ErrUnavailable
	}
	return batch, err
}

// TestBrokenSubscription: when the shared subscription breaks, each follower is told, and begins again.
func TestBrokenSubscription(t *testing.T) {
	log := &breaking{Store: newLog(t), broken: make(chan struct{})}
	feed := follow.NewFeed(log)
	one, two := subscribe(t, feed, eventstore.Position{}), subscribe(t, feed, eventstore.Position{})
	one.untilCaughtUp()
	two.untilCaughtUp()
	log.breakAll()
	for _, r := range []*reader{one, two} {
		for range 2 {
			if _, err := r.sub.Next(within(t)); !errors.Is(err, eventstore.ErrUnavailable) {
				t.Errorf("of a broken subscription: %v", err)
			}
		}
		_ = r.sub.Close()
	}
	again := subscribe(t, feed, one.at)
	again.untilCaughtUp()
	again.until(appendTo(t, log, "tab-s-1", event("a", 10)))
	if len(again.positions) != 1 || feed.Subscriptions() != 1 {
		t.Errorf("after it: %v by %d subscriptions", again.positions, feed.Subscriptions())
	}
}

// TestOneThatBreaksDisturbsNobody: a follower that fails, or panics, is tried again, and the other gets everything.
func TestOneThatBreaksDisturbsNobody(t *testing.T) {
	log := newLog(t)
	feed := follow.NewFeed(log)
	var failures, panics, got atomic.Int64
	good := follower("good", func(b eventstore.Batch) error {
		got.Add(int64(len(b.Events)))
		return nil
	})
	bad := follower("bad", func(b eventstore.Batch) error {
		failures.Add(1)
		return errors.New("no")
	})
	wild := follower("wild", func(b eventstore.Batch) error {
		if len(b.Events) > 0 {
			panics.Add(1)
			panic("wild")
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- follow.Run(ctx, feed, []follow.Follower{bad, wild, good}, quiet) }()
	for n := range 50 {
		appendTo(t, log, fmt.Sprintf("tab-s-%d", n), event("a", 100))
	}
	waitFor(t, func() bool { return got.Load() == 50 && failures.Load() > 6 && panics.Load() > 6 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// follower begins at the log's start, each time.
func follower(name string, handle func(eventstore.Batch) error) follow.Follower {
	return follow.Follower{
		Name: name, Log: quiet, IdleMax: time.Second,
		Start:  func(context.Context) (eventstore.Position, error) { return eventstore.Position{}, nil },
		Handle: func(_ context.Context, b eventstore.Batch) error { return handle(b) },
		Failed: func(error) {}, Again: func(error) bool { return true }, Final: func(error) bool { return false },
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func head(t *testing.T, log eventstore.Store) eventstore.Position {
	t.Helper()
	at, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return at
}
