package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"daybook/commands"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/internal/auth"
)

// twoProcesses is a restaurant run by two processes over one log that others cannot look into by id. What the first calls is
// counted.
type twoProcesses struct {
	*restaurant
	calls  *counting
	first  *commands.Service
	second *commands.Service
}

func newTwoProcesses(t *testing.T) *twoProcesses {
	t.Helper()
	r := newRestaurantOn(t, plain{memory(t)}, false)
	p := &twoProcesses{restaurant: r, calls: &counting{Store: r.log}, second: r.process()}
	p.first = commands.New(p.calls, r.secret, func() time.Time { return r.now })
	p.first.LateAtMost(time.Hour)
	return p
}

// price has the second process change the price of coffee.
func (p *twoProcesses) price(price int64) {
	p.t.Helper()
	wanted := commands.ChangeProduct{Price: &price}
	must(p.second.ChangeProduct(p.t.Context(), p.store, p.coffee, p.request("", wanted), wanted))
}

// ordered orders a coffee from a process and returns the price that stands in the log.
func (p *twoProcesses) ordered(by *commands.Service, key string) int64 {
	p.t.Helper()
	must(p.orderAt(by, key, 1))
	read := eventstore.LogRead{Direction: eventstore.Backward, Limit: 1, Filter: eventstore.Filter{Types: []string{"tab.order_placed.v1"}}}
	var placed tab.OrderPlaced
	for e, err := range p.log.ReadAll(p.t.Context(), read) {
		if err := errors.Join(err, json.Unmarshal(e.Data, &placed)); err != nil {
			p.t.Fatal(err)
		}
	}
	return placed.Lines[0].UnitPrice
}

func (p *twoProcesses) awaitFollowed() {
	p.t.Helper()
	if err := p.first.Followed(p.t.Context(), p.head()); err != nil {
		p.t.Fatal(err)
	}
}

// TestFollowing: a process that follows the log knows what another one appended without a read.
func TestFollowing(t *testing.T) {
	p := newTwoProcesses(t)
	follow(t, p.first, p.log)
	p.awaitFollowed()
	p.ordered(p.first, "cold")
	must(p.first.Device(t.Context(), p.token))
	p.price(700)
	must(p.orderAt(p.second, "theirs", 2))
	p.awaitFollowed()
	p.calls.reads.Store(0)
	p.calls.appends.Store(0)
	must(p.first.Device(t.Context(), p.token))
	if got := p.ordered(p.first, "warm"); got != 700 {
		t.Errorf("a coffee costs %d", got)
	}
	if reads, appends := p.calls.reads.Load(), p.calls.appends.Load(); reads != 0 || appends != 1 {
		t.Errorf("%d reads, %d appends", reads, appends)
	}
	must(p.second.RevokeDevice(t.Context(), p.store.StoreID, p.device.DeviceID, p.request("", "revoke")))
	p.awaitFollowed()
	if _, err := p.first.Device(t.Context(), p.token); !errors.Is(err, auth.ErrToken) {
		t.Errorf("a tablet that was revoked: %v", err)
	}
}

// brokenFeed is a log whose subscriptions can be made to fail, or to deliver nothing.
type brokenFeed struct {
	eventstore.Store
	mu     sync.Mutex
	silent bool
	broken chan struct{} // nil: it works
}

func (f *brokenFeed) Subscribe(ctx context.Context, after eventstore.Position, filter eventstore.Filter) (eventstore.Subscription, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		select {
		case <-f.broken:
			return nil, eventstore.ErrUnavailable
		default:
		}
	}
	sub, err := f.Store.Subscribe(ctx, after, filter)
	return &brokenSubscription{sub, f.silent, f.broken}, err
}

type brokenSubscription struct {
	eventstore.Subscription
	silent bool
	broken chan struct{}
}

func (s *brokenSubscription) Next(ctx context.Context) (eventstore.Batch, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.broken:
			cancel()
		case <-ctx.Done():
		}
	}()
	if s.silent {
		<-ctx.Done()
	}
	batch, err := s.Subscription.Next(ctx)
	if err != nil {
		err = eventstore.ErrUnavailable
	}
	return batch, err
}

// TestFollowingIsSilent: what was not shown to have been followed for longer than a decision may be late is read.
func TestFollowingIsSilent(t *testing.T) {
	const late = 300 * time.Millisecond // what is looked at every 200 ms is never older, as long as it is reached
	p := newTwoProcesses(t)
	p.first.LateAtMost(late)
	follow(t, p.first, &brokenFeed{Store: p.log, silent: true})
	p.awaitFollows(true)
	p.ordered(p.first, "cold")
	must(p.first.Device(t.Context(), p.token))
	p.price(700)
	must(p.second.RevokeDevice(t.Context(), p.store.StoreID, p.device.DeviceID, p.request("", "revoke")))
	<-time.After(2 * late)
	if behind := p.first.Behind(); behind < 2*late {
		t.Errorf("it is said to be behind by %v", behind)
	}
	if got := p.ordered(p.first, "later"); got != 700 {
		t.Errorf("a coffee costs %d", got)
	}
	if _, err := p.first.Device(t.Context(), p.token); !errors.Is(err, auth.ErrToken) {
		t.Errorf("a tablet that was revoked: %v", err)
	}
}

// TestFollowingBreaksOff: while following does not work, the log is read; once it works again, what was folded before is
// not taken for the newest.
func TestFollowingBreaksOff(t *testing.T) {
	p := newTwoProcesses(t)
	feed := &brokenFeed{Store: p.log, broken: make(chan struct{})}
	follow(t, p.first, feed)
	p.awaitFollowed()
	p.ordered(p.first, "cold")
	close(feed.broken)
	p.awaitFollows(false)
	p.price(700)
	if got := p.ordered(p.first, "broken"); got != 700 {
		t.Errorf("a coffee costs %d", got)
	}
	p.price(800)
	feed.mu.Lock()
	feed.broken = nil
	feed.mu.Unlock()
	p.awaitFollowed()
	if got := p.ordered(p.first, "again"); got != 800 {
		t.Errorf("a coffee costs %d", got)
	}
}

func (p *twoProcesses) awaitFollows(is bool) {
	p.t.Helper()
	for p.first.Follows() != is {
		select {
		case <-time.After(time.Millisecond):
		case <-p.t.Context().Done():
			p.t.Fatal("it never was so")
		}
	}
}

// TestStaleFolds: two processes that follow nothing order and pay on one table, each on what it has folded. Every order
// counts once, on a tab that was open, and what is refused is refused for what the log says.
func TestStaleFolds(t *testing.T) {
	overEveryLog(t, func(t *testing.T, r *restaurant) {
		processes := []*commands.Service{r.process(), r.process()}
		tabID, first := "", map[string]commands.Answer{}
		for round := range 6 {
			for n, s := range processes {
				for _, key := range []string{"a", "b"} {
					key = fmt.Sprint(round, n, key)
					answer := must(r.orderAt(s, key, 1))
					tabID = r.field(answer, "tabId")
					if want := tab.ID(r.device.TableID, round+1); tabID != want {
						t.Errorf("order %s is on tab %s, not on %s", key, tabID, want)
					}
					first[key] = answer
					sameAnswer(t, answer, must(r.orderAt(processes[1-n], key, 1)))
				}
			}
			r.service = processes[round%2]
			paid := must(r.pay(fmt.Sprint("y", round), tabID))
			if due := r.field(paid, "amount"); due != "2000" {
				t.Errorf("%s was due for four coffees", due)
			}
			r.service = processes[1-round%2]
			if _, err := r.pay(fmt.Sprint("other", round), tabID); !errors.Is(err, tab.ErrClosed) {
				t.Errorf("a second payment: %v", err)
			}
			for key, answer := range first {
				for _, s := range processes {
					sameAnswer(t, answer, must(r.orderAt(s, key, 1)))
				}
			}
		}
		if got := r.orders(); got != 24 {
			t.Errorf("%d orders", got)
		}
	})
}

// TestOnlyTheLogRefuses: what a process has folded, and another has changed since, is no reason to refuse a command, nor to
// say that nothing changes.
func TestOnlyTheLogRefuses(t *testing.T) {
	p := newTwoProcesses(t)
	change := func(by *commands.Service, productID string, price int64) error {
		wanted := commands.ChangeProduct{Price: &price}
		_, err := by.ChangeProduct(t.Context(), p.store, productID, p.request("", wanted), wanted)
		return err
	}
	if err := change(p.first, p.coffee, 600); err != nil {
		t.Fatal(err)
	}
	price := int64(300)
	added := must(p.second.AddProduct(t.Context(), p.store, p.request("", "tea"), commands.AddProduct{Name: "Tea", Category: "DRINK", Price: &price}))
	p.price(700)
	if err := change(p.first, p.field(added, "productId"), 400); err != nil {
		t.Errorf("a product of another process: %v", err)
	}
	p.price(800)
	if err := change(p.first, p.coffee, 700); err != nil {
		t.Fatal(err)
	}
	if got := p.ordered(p.process(), "k"); got != 700 {
		t.Errorf("a coffee costs %d", got)
	}
}

// TestOneKeyOneToken: two processes are asked at once to pair a tablet with the same key. Both give the token that is in
// the log.
func TestOneKeyOneToken(t *testing.T) {
	r, g := newGated(t)
	r.service.LateAtMost(time.Hour)
	code := r.field(must(r.service.IssuePairingCode(t.Context(), "o1", r.store.StoreID, r.device.TableID, r.request("", "code"))), "pairingCode")
	arrived, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	g.pass = func(string) error {
		first := false
		once.Do(func() { first = true })
		if first {
			close(arrived)
			<-goOn
		}
		return nil
	}
	slow := make(chan commands.Answer, 1)
	pair := func(s *commands.Service) commands.Answer {
		return must(s.PairDevice(t.Context(), commands.PairDevice{PairingCode: code}, r.asRequest("k")))
	}
	slowly := r.service
	go func() { slow <- pair(slowly) }()
	<-arrived
	fast := pair(r.process())
	close(goOn)
	sameAnswer(t, fast, <-slow)
}

// lossy is an indexed log that can lose the answer of an append.
type lossy struct {
	eventstore.Indexed
	lose bool
}

func (l *lossy) AppendOnce(ctx context.Context, name string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	at, err := l.Indexed.AppendOnce(ctx, name, expected, events)
	if l.lose {
		return eventstore.Appended{}, eventstore.ErrUnavailable
	}
	return at, err
}

// TestLostAnswer: a command whose answer the log has lost was carried out. Sent again it is answered, and another one with
// its key is refused.
func TestLostAnswer(t *testing.T) {
	log := &lossy{Indexed: memory(t).(eventstore.Indexed)}
	r := newRestaurantOn(t, log, false)
	r.service.Alone()
	if behind := r.service.Behind(); behind != 0 {
		t.Errorf("a process that is alone is behind by %v", behind)
	}
	must(r.order("warm", 1))
	log.lose = true
	if _, err := r.order("k", 2); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Fatal(err)
	}
	log.lose = false
	if _, err := r.order("k", 3); !errors.Is(err, commands.ErrKeyReused) {
		t.Errorf("another order: %v", err)
	}
	must(r.order("k", 2))
	if got := r.orders(); got != 2 {
		t.Errorf("%d orders", got)
	}
	log.lose = true
	if _, err := r.service.RevokeDevice(t.Context(), r.store.StoreID, r.device.DeviceID, r.request("revoke", "x")); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Fatal(err)
	}
	if _, err := r.service.Device(t.Context(), r.token); !errors.Is(err, auth.ErrToken) {
		t.Errorf("a tablet whose revocation has no answer: %v", err)
	}
}

// slowReads is a log whose appends and reads of a stream can be made to wait: appends before, reads after.
type slowReads struct {
	eventstore.Store
	appends, reads func(name string)
}

func (l *slowReads) Append(ctx context.Context, name string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	l.appends(name)
	return l.Store.Append(ctx, name, expected, events)
}

func (l *slowReads) ReadStream(ctx context.Context, name string, read eventstore.StreamRead) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		for e, err := range l.Store.ReadStream(ctx, name, read) {
			if !yield(e, err) {
				return
			}
		}
		l.reads(name)
	}
}

// TestEvictedWhileHeld: a stream goes from the cache while a command of it is under way. Nothing older than what that
// command appends is taken for the stream afterwards.
func TestEvictedWhileHeld(t *testing.T) {
	log := &slowReads{Store: plain{memory(t)}, appends: func(string) {}, reads: func(string) {}}
	r := newRestaurantOn(t, log, false)
	r.service.Alone()
	name := stream.Store(r.store.StoreID)
	revoking, revoke, reading, read := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	log.appends = func(at string) {
		if at == name {
			close(revoking)
			<-revoke
		}
	}
	log.reads = func(at string) {
		if at == name {
			close(reading)
			<-read
		}
	}
	var all sync.WaitGroup
	all.Go(func() {
		must(r.service.RevokeDevice(t.Context(), r.store.StoreID, r.device.DeviceID, r.request("", "revoke")))
	})
	<-revoking
	r.service.Bound(0)
	r.service.Bound(commands.BytesKept)
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		_, _ = r.service.Device(t.Context(), r.token) // either answer is right now
	}()
	select {
	case <-reading: // a second fold of the stream, which lacks the revocation
	case <-time.After(100 * time.Millisecond):
	}
	close(revoke)
	all.Wait()
	close(read)
	<-looked
	if _, err := r.service.Device(t.Context(), r.token); !errors.Is(err, auth.ErrToken) {
		t.Errorf("a tablet that was revoked: %v", err)
	}
}

// swapped is a log in whose place another can be put.
type swapped struct{ eventstore.Store }

// TestLogWentBack: a log that is replaced by an older copy is noticed by the first command that meets a stream which is
// shorter than it was; all that is folded is dropped then.
func TestLogWentBack(t *testing.T) {
	log := &swapped{memory(t)}
	r := newRestaurantOn(t, log, false)
	tabID := r.field(must(r.order("first", 1)), "tabId")
	older := memory(t)
	copyLog(t, log.Store, older)
	must(r.order("second", 1))
	r.price(900)
	log.Store = older
	r.service.Alone()
	if got := r.field(must(r.order("third", 1)), "tabId"); got != tabID {
		t.Errorf("the order is on %s", got)
	}
	if got := r.orders(); got != 2 {
		t.Errorf("%d orders", got)
	}
	must(r.order("fourth", 1))
	paid := must(r.pay("y", tabID))
	if got := r.field(paid, "amount"); got != "1500" { // the menu is folded anew, too
		t.Errorf("%s was due", got)
	}
}

func (r *restaurant) price(price int64) {
	r.t.Helper()
	wanted := commands.ChangeProduct{Price: &price}
	must(r.service.ChangeProduct(r.t.Context(), r.store, r.coffee, r.request("", wanted), wanted))
}

func copyLog(t *testing.T, from, to eventstore.Store) {
	t.Helper()
	for e, err := range from.ReadAll(t.Context(), eventstore.LogRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		must(to.Append(t.Context(), e.Stream, e.Revision-1, []eventstore.NewEvent{{ID: e.ID, Type: e.Type, Data: e.Data, Metadata: e.Metadata}}))
	}
}
