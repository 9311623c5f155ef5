package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// guest is one table: it orders and pays, one request after the other, and keeps every answer. A request that was not
// answered is repeated with the same key until it is.
type guest struct {
	r      *restaurant
	at     *tablet
	random *rand.Rand
	name   string
	day    time.Time // on which all this happens

	strict bool // every request must be answered at once
	sent   atomic.Int64
	tabID  string // of the open tab
	open   *bill  // nil: none
	closed book
	orders []string // ids, as answered
	pays   []string
	kept   []exchange // since the last look
	older  []exchange // a few from before
	last   string     // position of the last answer
}

// exchange is a request and the answer that it got.
type exchange struct {
	who       caller
	path, key string
	body      any
	answer    reply
}

// seatGuests seats a guest at every table.
func (r *restaurant) seatGuests(t testing.TB, seed uint64) []*guest {
	guests := make([]*guest, len(r.tablets))
	for i, at := range r.tablets {
		guests[i] = &guest{r: r, at: at, day: today(t), name: fmt.Sprint("guest", i), random: rand.New(rand.NewPCG(seed, uint64(i)))}
	}
	return guests
}

// stay has all guests order and pay until the channel is closed, and then finish the request that they are at.
func stay(guests []*guest, until <-chan struct{}) *errgroup.Group {
	var group errgroup.Group
	for _, g := range guests {
		group.Go(func() error {
			for {
				select {
				case <-until:
					return nil
				default:
				}
				if err := g.act(); err != nil {
					return fmt.Errorf("%s: %w", g.name, err)
				}
			}
		})
	}
	return &group
}

// act sends the next request.
func (g *guest) act() error {
	if g.open == nil || g.random.IntN(3) == 0 && len(g.open.lines) < 100 {
		return g.order()
	}
	return g.pay()
}

func (g *guest) order() error {
	var body orderBody
	var lines []sale
	for range 1 + g.random.IntN(3) {
		p, quantity := g.r.products[g.random.IntN(len(g.r.products))], int64(1+g.random.IntN(5))
		body.Lines = append(body.Lines, orderLine{p.ProductID, quantity})
		lines = append(lines, sale{*p, quantity})
	}
	var answer orderAnswer
	if err := g.send(g.at.caller, "/v1/orders", body, &answer); err != nil {
		return err
	}
	if answer.Status != "ACCEPTED" || g.open != nil && answer.TabID != g.tabID || g.open == nil && answer.TabID == g.tabID {
		return fmt.Errorf("order on tab %q: %+v", g.tabID, answer)
	}
	if g.open == nil {
		g.open = &bill{}
	}
	g.tabID, g.orders = answer.TabID, append(g.orders, answer.OrderID)
	g.open.lines = append(g.open.lines, lines...)
	return nil
}

func (g *guest) pay() error {
	p := paid{[]string{"", "K", "H", "S"}[g.random.IntN(4)], g.open.due()}
	body := paymentBody{Method: "CASH", CardCompany: p.company}
	if p.company != "" {
		body.Method = "CARD"
	}
	if g.random.IntN(3) == 0 && p.amount > 1 {
		p.amount = 1 + g.random.Int64N(p.amount-1)
		body.Amount = p.amount
	}
	var answer paymentAnswer
	if err := g.send(g.r.owner, g.r.path("/tabs/%s/payments", g.tabID), body, &answer); err != nil {
		return err
	}
	g.open.payments = append(g.open.payments, p)
	want := paymentAnswer{answer.PaymentID, p.amount, p.fee(), g.open.due(), "OPEN"}
	if g.open.due() == 0 {
		want.TabStatus = "CLOSED"
		g.open.date = g.day
		g.closed, g.open = append(g.closed, g.open), nil
	}
	if answer != want {
		return fmt.Errorf("payment: %+v, want %+v", answer, want)
	}
	g.pays = append(g.pays, answer.PaymentID)
	return nil
}

// send sends a request until it is answered, which must be with 201, and keeps the answer.
func (g *guest) send(who caller, path string, body, into any) error {
	x := exchange{who: who, path: path, key: fmt.Sprintf("%s-%d", g.name, g.sent.Add(1)), body: body}
	send, err := who.persist, error(nil)
	if g.strict {
		send = who.try
	}
	if x.answer, err = send(http.MethodPost, path, x.key, body); err != nil {
		return err
	}
	if x.answer.status != http.StatusCreated {
		return fmt.Errorf("POST %s %s: %s", path, plain(body), x.answer)
	}
	g.kept, g.last = append(g.kept, x), x.answer.position
	return json.Unmarshal(x.answer.body, into)
}

// repeatMax bounds how many requests a guest repeats of those since the last time. The last ones are the interesting ones.
const repeatMax = 40

// repeat sends again what was answered since the last time, and some of what was answered before: the answers must be
// the same to the byte.
func (g *guest) repeat() error {
	g.kept = g.kept[max(0, len(g.kept)-repeatMax):]
	for _, x := range append(slices.Clone(g.older), g.kept...) {
		again, err := x.who.persist(http.MethodPost, x.path, x.key, x.body)
		if err != nil {
			return err
		}
		if again.status != x.answer.status || string(again.body) != string(x.answer.body) {
			return fmt.Errorf("%s: POST %s %s again: %s, first %s", g.name, x.path, plain(x.body), again, x.answer)
		}
	}
	g.random.Shuffle(len(g.kept), func(i, j int) { g.kept[i], g.kept[j] = g.kept[j], g.kept[i] })
	g.older = append(g.older, g.kept[:min(3, len(g.kept))]...)
	g.kept = nil
	return nil
}

// checkGuests compares what the store holds with what the guests were told: every order and payment is there once, and
// the figures are their sums. Nobody may be ordering meanwhile.
func (r *restaurant) checkGuests(t *testing.T, guests []*guest) {
	t.Helper()
	var all book
	var orders, pays []string
	var repeats errgroup.Group
	for _, g := range guests {
		repeats.Go(g.repeat)
	}
	if err := repeats.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, g := range guests {
		all = append(all, g.closed...)
		orders, pays = append(orders, g.orders...), append(pays, g.pays...)
		if g.last != "" {
			r.owner.get(t, r.path("/tabs?limit=1"), g.last, nil)
			r.owner.get(t, r.path("/settlements?term=DAY&start=%s", dayOf(guests[0].day).start()), g.last, nil)
		}
	}
	r.checkFigures(t, wanted{all, "KRW", 15000, 1}, guests[0].day)
	gotOrders, gotPays := r.ledger(t)
	sameSet(t, "orders", gotOrders, orders)
	sameSet(t, "payments", gotPays, pays)
}

// checkFigures compares the figures of a day and its months with the model.
func (r *restaurant) checkFigures(t testing.TB, w wanted, date time.Time) {
	t.Helper()
	for _, term := range []string{"DAY", "MONTH"} {
		s := statisticsSpan(term, date)
		ask(t, r.owner, r.path("/statistics/products?term=%s&start=%s&limit=50", term, s.start()), "", w.statistics(term, s, "", "", 50))
	}
	ask(t, r.owner, r.path("/settlements/detail?term=DAY&start=%s", dayOf(date).start()), "", w.detail("DAY", dayOf(date)))
}

// ledger lists the ids of all orders and payments of the store.
func (r *restaurant) ledger(t *testing.T) (orders, pays []string) {
	t.Helper()
	for after := ""; ; {
		var page struct {
			Next string
			Tabs []struct {
				Orders   []struct{ OrderID string }
				Payments []struct{ PaymentID string }
			}
		}
		r.owner.get(t, r.path("/tabs?limit=1000&after=%s", after), "", &page)
		for _, tab := range page.Tabs {
			for _, o := range tab.Orders {
				orders = append(orders, o.OrderID)
			}
			for _, p := range tab.Payments {
				pays = append(pays, p.PaymentID)
			}
		}
		if after = page.Next; after == "" {
			return orders, pays
		}
	}
}

// sameSet compares ids, each of which must be there once.
func sameSet(t *testing.T, what string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%d %s in the store, %d were answered", len(got), what, len(want))
	}
}
