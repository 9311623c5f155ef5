package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"daybook/internal/services"
)

// TestWholeFlow plays the same two restaurants on every set-up. Each must give the figures of the model, and all must
// give the same answers, but for ids and times.
func TestWholeFlow(t *testing.T) {
	setups := []struct {
		name string
		env  func(t *testing.T) []string
	}{
		{"embedded", func(*testing.T) []string { return nil }},
		{"full", func(t *testing.T) []string { return []string{postgresURL(t), redisURL(t)} }},
		{"postgres", func(t *testing.T) []string { return []string{postgresURL(t)} }},
		{"redis", func(t *testing.T) []string { return []string{redisURL(t)} }},
		{"event store", func(t *testing.T) []string { return eventStore(t) }},
		{"event store and full", func(t *testing.T) []string { return append(eventStore(t), postgresURL(t), redisURL(t)) }},
	}
	var first string
	for _, setup := range setups {
		t.Run(setup.name, func(t *testing.T) {
			in := install(t, setup.env(t)...)
			s := in.serve()
			in.awaitReady()
			shot := playFlow(t, in)
			in.verify()
			if code := s.stop(); code != 0 {
				t.Errorf("exit code %d after SIGTERM", code)
			}
			in.verify()
			if first == "" {
				first = shot
			}
			sameLines(t, shot, first)
		})
	}
}

// sameLines fails with the first line in which two texts differ.
func sameLines(t *testing.T, got, want string) {
	t.Helper()
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Fatalf("answers differ:\n got %s\nwant %s", gotLines[i], wantLines[i])
		}
	}
	if len(gotLines) != len(wantLines) {
		t.Fatalf("%d lines of answers, want %d", len(gotLines), len(wantLines))
	}
}

func postgresURL(t testing.TB) string { return "DAYBOOK_POSTGRES=" + services.Postgres(t) }
func redisURL(t testing.TB) string    { return "DAYBOOK_REDIS=" + services.Redis(t) }

// floor plays a restaurant: it sends commands and tells the model.
type floor struct {
	t      *testing.T
	random *rand.Rand
	r      *restaurant
	open   map[*tablet]*bill
	tabIDs map[*tablet]string
	closed book
	last   string // position of the last command
	sent   int
}

func newFloor(t *testing.T, r *restaurant, seed uint64) *floor {
	return &floor{t: t, r: r, random: rand.New(rand.NewPCG(seed, 1)), open: map[*tablet]*bill{}, tabIDs: map[*tablet]string{}}
}

func (f *floor) key() string {
	f.sent++
	return fmt.Sprintf("key-%d", f.sent)
}

// order orders some products at a tablet's table.
func (f *floor) order(at *tablet) {
	f.t.Helper()
	var lines []sale
	for range 1 + f.random.IntN(3) {
		p := f.r.products[f.random.IntN(len(f.r.products))]
		lines = append(lines, sale{*p, int64(1 + f.random.IntN(4))})
	}
	f.place(at, lines...)
}

func (f *floor) place(at *tablet, lines ...sale) {
	f.t.Helper()
	if f.open[at] == nil {
		f.open[at] = &bill{}
	}
	f.open[at].lines = append(f.open[at].lines, lines...)
	var body orderBody
	for _, s := range lines {
		body.Lines = append(body.Lines, orderLine{s.product.ProductID, s.quantity})
	}
	var answer orderAnswer
	key := f.key()
	first := at.send(f.t, http.MethodPost, "/v1/orders", key, body, http.StatusCreated, &answer)
	if answer.Status != "ACCEPTED" || answer.OrderID == "" || f.tabIDs[at] != "" && f.tabIDs[at] != answer.TabID {
		f.t.Fatalf("order: %s, on tab %q", first, f.tabIDs[at])
	}
	f.tabIDs[at], f.last = answer.TabID, first.position
	if again := at.send(f.t, http.MethodPost, "/v1/orders", key, body, http.StatusCreated, nil); string(again.body) != string(first.body) {
		f.t.Fatalf("the same order again: %s, first %s", again, first)
	}
}

// pay takes a payment against the tab of a tablet's table: a part, if part, else all that is due.
func (f *floor) pay(at *tablet, part bool) {
	f.t.Helper()
	p := paid{[]string{"", "K", "H", "S"}[f.random.IntN(4)], f.open[at].due()}
	if part {
		p.amount = 1 + f.random.Int64N(p.amount-1)
	}
	f.take(at, p)
}

func (f *floor) take(at *tablet, p paid) {
	f.t.Helper()
	b := f.open[at]
	body := paymentBody{Method: "CASH", CardCompany: p.company}
	if p.company != "" {
		body.Method = "CARD"
	}
	if p.amount < b.due() {
		body.Amount = p.amount
	}
	b.payments = append(b.payments, p)
	var answer paymentAnswer
	path, key := f.r.path("/tabs/%s/payments", f.tabIDs[at]), f.key()
	first := f.r.owner.send(f.t, http.MethodPost, path, key, body, http.StatusCreated, &answer)
	status := "OPEN"
	if b.due() == 0 {
		status = "CLOSED"
	}
	if want := (paymentAnswer{answer.PaymentID, p.amount, p.fee(), b.due(), status}); answer != want {
		f.t.Fatalf("payment: %+v, want %+v", answer, want)
	}
	if again := f.r.owner.send(f.t, http.MethodPost, path, key, body, http.StatusCreated, nil); string(again.body) != string(first.body) {
		f.t.Fatalf("the same payment again: %s, first %s", again, first)
	}
	f.last = first.position
	if b.due() == 0 {
		b.date = today(f.t)
		f.closed = append(f.closed, b)
		delete(f.open, at)
		delete(f.tabIDs, at)
	}
}

// serveGuests plays a number of random steps.
func (f *floor) serveGuests(steps int) {
	f.t.Helper()
	for range steps {
		at := f.r.tablets[f.random.IntN(len(f.r.tablets))]
		switch what := f.random.IntN(10); {
		case f.open[at] == nil || what < 4:
			f.order(at)
		case what < 7 && f.open[at].due() > 1:
			f.pay(at, true)
		default:
			f.pay(at, false)
		}
	}
}

// celebrate pays a large bill with each card, so large that the smallest difference in a rate would show in the fee.
func (f *floor) celebrate(p *product) {
	f.t.Helper()
	at := f.r.tablets[0]
	for _, company := range []string{"K", "H", "S"} {
		f.place(at, sale{*p, 99_999})
		f.take(at, paid{company, f.open[at].due()})
	}
}

// playFlow plays the scripted flow and returns all answers, without ids and times.
func playFlow(t *testing.T, in *installation) string {
	anna, bert := in.owner("anna"), in.owner("bert")
	a := newFloor(t, anna.cafe(t, 4), 7)
	b := newFloor(t, bert.open(t, map[string]any{
		"name": "Bert's", "posGrade": "SILVER", "settlementDay": 15, "currency": "USD", "closeoutHour": 5,
	}), 8)
	b.r.offer(t, "Coffee", "DRINK", 350)
	b.r.offer(t, "Soup of the day", "SOUPS", 1)
	b.r.seat(t, "Bar")
	b.r.seat(t, "Terrace")

	a.serveGuests(40)
	b.serveGuests(20)
	a.r.change(t, a.r.products[0], map[string]any{"name": "Flat White", "price": 3900})
	a.r.change(t, a.r.products[1], map[string]any{"category": "DRINK"})
	a.serveGuests(30)
	a.celebrate(a.r.offer(t, "Champagne", "DRINK", 10_000_000))
	a.replaceTablet()
	a.serveGuests(30)
	a.removeProduct()
	b.serveGuests(20)
	a.hideFrom(bert)

	a.r.checkAll(t, a.last, wanted{a.closed, "KRW", 15000, 1}, today(t))
	b.r.checkAll(t, b.last, wanted{b.closed, "USD", 0, 15}, today(t))
	a.checkTabs()
	b.checkTabs()
	return a.r.snapshot(t, a.last) + b.r.snapshot(t, b.last)
}
