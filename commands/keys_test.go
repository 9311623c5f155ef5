package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"daybook/commands"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
)

// gate is a plain log whose appends of effects, not of claims, pass a test first.
type gate struct {
	eventstore.Store
	pass func(name string) error
}

func (g *gate) Append(ctx context.Context, name string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	if category, _, _ := stream.Parse(name); category != stream.ClaimCategory {
		if err := g.pass(name); err != nil {
			return eventstore.Appended{}, err
		}
	}
	return g.Store.Append(ctx, name, expected, events)
}

// open lets everything pass.
func open(string) error { return nil }

func newGated(t *testing.T) (*restaurant, *gate) {
	t.Helper()
	g := &gate{Store: plain{memory(t)}, pass: open}
	return newRestaurantOn(t, g, false), g
}

// TestDiedBetweenClaimAndEffect: a process that claimed a key and died had no effect. The same request, sent again, has
// its effect once, if it still can; another request of that key has none.
func TestDiedBetweenClaimAndEffect(t *testing.T) {
	r, g := newGated(t)
	tabID := r.field(must(r.order("before", 1)), "tabId")
	pay := func(key string, amount int64) (commands.Answer, error) {
		wanted := commands.TakePayment{Method: "CASH", Amount: &amount}
		return r.service.TakePayment(t.Context(), r.store, tabID, r.request(key, wanted), wanted)
	}
	g.pass = func(string) error { return eventstore.ErrUnavailable }
	for _, key := range []string{"k", "late"} {
		if _, err := pay(key, 100); !errors.Is(err, eventstore.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	g.pass = open
	r.restart()
	if _, err := pay("k", 200); !errors.Is(err, commands.ErrKeyReused) {
		t.Errorf("another payment of that key: %v", err)
	}
	first := must(pay("k", 100))
	if due := r.field(first, "due"); due != "400" {
		t.Errorf("%s is due", due)
	}
	r.restart()
	sameAnswer(t, first, must(pay("k", 100)))
	must(r.pay("rest", tabID))
	if _, err := pay("late", 100); !errors.Is(err, tab.ErrClosed) {
		t.Errorf("on a closed tab: %v", err)
	}
	if _, err := pay("late", 200); !errors.Is(err, commands.ErrKeyReused) {
		t.Errorf("another payment of that key: %v", err)
	}
}

// TestDiedBeforeOrder: a process that died before its order was appended left nothing. The order, sent again, is placed
// once, where it may still be.
func TestDiedBeforeOrder(t *testing.T) {
	for name, c := range map[string]struct {
		between func(r *restaurant, tabID string)
		tab     int // on which the order is then
	}{
		"its tab is still open": {func(*restaurant, string) {}, 1},
		"its tab was paid":      {func(r *restaurant, tabID string) { must(r.pay("y", tabID)) }, 2},
		"others came after it": {func(r *restaurant, tabID string) {
			must(r.pay("y", tabID))
			for n := range 3 {
				must(r.pay(fmt.Sprint("y", n), r.field(must(r.order(fmt.Sprint("o", n), 1)), "tabId")))
			}
			must(r.order("last", 1))
		}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			r, g := newGated(t)
			tabID := r.field(must(r.order("before", 1)), "tabId")
			g.pass = func(string) error { return eventstore.ErrUnavailable }
			if _, err := r.order("k", 2); !errors.Is(err, eventstore.ErrUnavailable) {
				t.Fatal(err)
			}
			g.pass = open
			r.restart()
			c.between(r, tabID)
			before := r.orders()
			first := must(r.order("k", 2))
			if got := r.field(first, "tabId"); got != tab.ID(r.device.TableID, c.tab) {
				t.Errorf("the order is on tab %s", got)
			}
			r.restart()
			sameAnswer(t, first, must(r.order("k", 2)))
			if _, err := r.order("k", 3); !errors.Is(err, commands.ErrKeyReused) {
				t.Errorf("another order of that key: %v", err)
			}
			if got := r.orders() - before; got != 1 {
				t.Errorf("%d orders", got)
			}
		})
	}
}

// TestSlowProcess: while one process stands between claim and effect, the tab is paid and another process is asked the
// same. Whoever of the two comes first, there is one order, and both answer alike.
func TestSlowProcess(t *testing.T) {
	r, g := newGated(t)
	tabID := r.field(must(r.order("before", 1)), "tabId")
	arrived, goOn := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	g.pass = func(string) error {
		if first.CompareAndSwap(false, true) {
			close(arrived)
			<-goOn
		}
		return nil
	}
	slow := make(chan commands.Answer, 1)
	slowly := r.service
	go func() { slow <- must(r.orderAt(slowly, "k", 2)) }()
	<-arrived
	r.service = r.process()
	must(r.pay("y", tabID))
	fast := must(r.order("k", 2))
	close(goOn)
	sameAnswer(t, fast, <-slow)
	if got := r.orders(); got != 2 {
		t.Errorf("%d orders", got)
	}
}

// remembered is a command that was carried out: how to send it again, and another request of its key.
type remembered struct {
	again func(*commands.Service) (commands.Answer, error)
	other func(*commands.Service) (commands.Answer, error)
	first commands.Answer
}

// keyed is a restaurant in which commands of many kinds are sent and remembered.
type keyed struct {
	*restaurant
	ctx context.Context
	n   atomic.Int64

	mu    sync.Mutex
	known []remembered
}

func (k *keyed) remember(r remembered, err error) bool {
	if err != nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known = append(k.known, r)
	return true
}

func (k *keyed) some() (remembered, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.known) == 0 {
		return remembered{}, false
	}
	return k.known[rand.N(len(k.known))], true
}

// send sends a new command of a random kind to a process.
func (k *keyed) send(s *commands.Service) (err error) {
	key := fmt.Sprint("key", k.n.Add(1))
	var do func(s *commands.Service, n int64) (commands.Answer, error)
	switch rand.N(8) {
	case 0, 1, 2, 3:
		do = func(s *commands.Service, n int64) (commands.Answer, error) {
			wanted := commands.PlaceOrder{Lines: []commands.OrderLine{{ProductID: k.coffee, Quantity: n}}}
			return s.PlaceOrder(k.ctx, k.device, k.request(key, wanted), wanted)
		}
	case 4, 5:
		tabID, found := k.openTab()
		if !found {
			return nil
		}
		do = func(s *commands.Service, n int64) (commands.Answer, error) {
			wanted := commands.TakePayment{Method: "CASH"}
			if n != 1 {
				wanted.Amount = &n
			}
			return s.TakePayment(k.ctx, k.store, tabID, k.request(key, wanted), wanted)
		}
	case 6: // often to what it is already
		price := rand.N[int64](2)
		do = func(s *commands.Service, n int64) (commands.Answer, error) {
			wanted := commands.ChangeProduct{Price: ptr(price + 500*n)}
			return s.ChangeProduct(k.ctx, k.store, k.coffee, k.request(key, wanted), wanted)
		}
	case 7:
		do = func(s *commands.Service, n int64) (commands.Answer, error) {
			wanted := commands.ChangeProduct{Name: ptr(fmt.Sprint("Coffee ", n))}
			return s.ChangeProduct(k.ctx, k.store, k.coffee, k.request(key, wanted), wanted)
		}
	}
	first, err := do(s, 1)
	k.remember(remembered{
		again: func(s *commands.Service) (commands.Answer, error) { return do(s, 1) },
		other: func(s *commands.Service) (commands.Answer, error) { return do(s, 2) },
		first: first,
	}, err)
	if errors.Is(err, tab.ErrClosed) || errors.Is(err, tab.ErrLines) { // another sender paid, or none did for long
		return nil
	}
	return err
}

func ptr[T any](v T) *T { return &v }

// openTab is the tab of the newest order.
func (k *keyed) openTab() (string, bool) {
	read := eventstore.LogRead{Direction: eventstore.Backward, Limit: 1, Filter: eventstore.Filter{Types: []string{"tab.order_placed.v1"}}}
	for e, err := range k.log.ReadAll(k.ctx, read) {
		_, _, tabID := stream.Parse(e.Stream)
		return tabID, err == nil
	}
	return "", false
}

// retries is how many TestRetries makes: DAYBOOK_TEST_RETRIES, or as many as a test run has time for.
func retries(t *testing.T) int {
	text := os.Getenv("DAYBOOK_TEST_RETRIES")
	if text == "" {
		return 16_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal("DAYBOOK_TEST_RETRIES: ", err)
	}
	return n
}

// TestRetries sends every kind of command to several processes at once, which now and then begin anew, and sends what was
// carried out again and again: each key has one effect and one answer.
func TestRetries(t *testing.T) {
	overEveryLog(t, func(t *testing.T, r *restaurant) {
		const senders, processes = 8, 3
		retriesEach := retries(t) / senders
		if _, indexed := r.log.(eventstore.Indexed); !indexed || r.shared {
			retriesEach /= 10 // claims cost more
		}
		k := &keyed{restaurant: r, ctx: t.Context()}
		before := effects(t, r.log)
		running := make([]atomic.Pointer[commands.Service], processes)
		for i := range running {
			running[i].Store(r.process())
		}
		var wait sync.WaitGroup
		for range senders {
			wait.Go(func() {
				for n := range retriesEach {
					i := rand.N(processes)
					if n%100 == 0 {
						running[i].Store(r.process())
					}
					if n%20 == 0 {
						if err := k.send(running[i].Load()); err != nil {
							t.Error(err)
							return
						}
					}
					k.retry(t, running[i].Load())
				}
			})
		}
		wait.Wait()
		if got := effects(t, r.log) - before; got != len(k.known) {
			t.Errorf("%d commands were carried out, %d have an effect", len(k.known), got)
		}
		t.Logf("%d commands, %d retries", len(k.known), senders*retriesEach)
	})
}

// retry sends a command again, or another one with its key.
func (k *keyed) retry(t *testing.T, s *commands.Service) {
	c, any := k.some()
	if !any {
		return
	}
	if rand.N(10) == 0 {
		if _, err := c.other(s); !errors.Is(err, commands.ErrKeyReused) {
			t.Errorf("the key of %s with something else: %v", c.first.Body, err)
		}
		return
	}
	again, err := c.again(s)
	if err != nil {
		t.Errorf("%s again: %v", c.first.Body, err)
		return
	}
	sameAnswer(t, c.first, again)
}

// effects counts the streams, claims apart, that each command stands in, and fails for those that stand in two or were
// answered twice.
func effects(t *testing.T, log eventstore.Store) (commandsSeen int) {
	t.Helper()
	places, answers := map[string]string{}, map[string]int{}
	for e, err := range log.ReadAll(t.Context(), eventstore.LogRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(e.Stream, stream.ClaimCategory+"-") {
			continue
		}
		var meta struct{ CommandID, Fingerprint string }
		if err := json.Unmarshal(e.Metadata, &meta); err != nil {
			t.Fatal(err)
		}
		if at, known := places[meta.CommandID]; known && at != e.Stream {
			t.Errorf("command %s stands in %s and %s", meta.CommandID, at, e.Stream)
		}
		places[meta.CommandID] = e.Stream
		if meta.Fingerprint != "" {
			answers[meta.CommandID]++
		}
	}
	for id, n := range answers {
		if n != 1 {
			t.Errorf("command %s was answered %d times", id, n)
		}
	}
	return len(answers)
}
