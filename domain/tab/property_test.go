package tab_test

import (
	"maps"
	"math"
	"math/big"
	"testing"

	"daybook/domain/event"
	"daybook/domain/menu"
	"daybook/domain/money"
	"daybook/domain/tab"

	"pgregory.net/rapid"
)

// evening is a tab that random commands are put to, and all that happened on it.
type evening struct {
	state  tab.State
	events events
}

func TestRandomEvenings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &evening{state: tab.Decider.Initial()}
		t.Repeat(map[string]func(*rapid.T){
			"":         e.check,
			"order":    e.order,
			"pay":      e.pay,
			"pay rest": e.payRest,
			"close":    e.close,
		})
	})
}

// put puts a command to the tab and returns what it answered. A closed tab accepts nothing.
func (e *evening) put(t *rapid.T, c tab.Command) error {
	decided, err := tab.Decide(e.state, c)
	switch {
	case e.state.Closed && (err == nil || len(decided) > 0):
		t.Fatalf("a closed tab took %+v: %+v", c, decided)
	case err == nil && len(decided) == 0, err != nil && len(decided) > 0:
		t.Fatalf("%+v was answered with %v and %v", c, decided, err)
	}
	e.events = append(e.events, decided...)
	e.state = tab.Decider.Fold(e.state, decided...)
	return err
}

// check compares the tab with its history, read back from JSON.
func (e *evening) check(t *rapid.T) {
	if err := holds(e.state); err != nil {
		t.Fatal(err)
	}
	again := tab.Decider.Initial()
	for i, was := range e.events {
		data, err := event.Encode(was)
		if err != nil {
			t.Fatal(err)
		}
		read, err := tab.Catalog.Decode(was.EventType(), data)
		if err != nil {
			t.Fatal(err)
		}
		again = tab.Evolve(again, read)
		if end, ok := read.(tab.Closed); ok && i != len(e.events)-1 {
			t.Fatalf("after %+v came %+v", end, e.events[i+1:])
		} else if ok {
			checkClosed(t, e.events, end)
		}
	}
	if again.Amount != e.state.Amount || again.Paid != e.state.Paid || again.Closed != e.state.Closed {
		t.Fatalf("the log says %+v, the tab %+v", again, e.state)
	}
}

var products = []menu.Product{side, drink, water, renamed, recategorised, dearer, dear}

// order orders up to five lines, rarely of another currency or too many of something.
func (e *evening) order(t *rapid.T) {
	quantity := rapid.OneOf(rapid.Int64Range(1, 9), rapid.SampledFrom([]int64{0, -1, tab.QuantityMax, tab.QuantityMax + 1, math.MaxInt64}))
	items := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) tab.Item {
		return item(rapid.SampledFrom(products).Draw(t, "product"), quantity.Draw(t, "quantity"))
	}), 0, 5).Draw(t, "items")
	c := order("o", items...)
	c.Currency = rapid.SampledFrom([]money.Currency{"KRW", "KRW", "KRW", "USD"}).Draw(t, "currency")

	good := !e.state.Closed && len(items) > 0 && (e.state.TabID == "" || c.Currency == e.state.Currency)
	total := big.NewInt(e.state.Amount)
	for _, it := range items {
		good = good && it.Quantity >= 1 && it.Quantity <= tab.QuantityMax
		total.Add(total, new(big.Int).Mul(big.NewInt(it.Product.Price), big.NewInt(it.Quantity)))
	}
	good = good && total.Cmp(big.NewInt(tab.AmountMax)) <= 0
	if err := e.put(t, c); (err == nil) != good {
		t.Fatalf("%+v: %v, want it taken: %v", c, err, good)
	} else if good && e.state.Amount != total.Int64() {
		t.Fatalf("the tab amounts to %d, want %s", e.state.Amount, total)
	}
}

// rates in parts per million, of all ways to pay that there are.
var rates = map[tab.Tender]int64{
	{Method: tab.Cash}: 0, {Method: tab.Card, CardCompany: "K"}: 4000, {Method: tab.Card, CardCompany: "H"}: 6000,
	{Method: tab.Card, CardCompany: "S"}: 8000,
}

// pay pays some amount, mostly not more than is due.
func (e *evening) pay(t *rapid.T) {
	due := e.state.Due()
	amount := rapid.OneOf(rapid.Int64Range(0, due), rapid.SampledFrom([]int64{-1, due, due + 1, math.MaxInt64})).Draw(t, "amount")
	e.tender(t, &amount, amount >= 1 && amount <= due)
}

// close closes the tab, if it is open and nothing is due.
func (e *evening) close(t *rapid.T) {
	good := e.state.TabID != "" && !e.state.Closed && e.state.Due() == 0
	if err := e.put(t, closeIt); (err == nil) != good {
		t.Fatalf("closing %+v: %v, want it done: %v", e.state, err, good)
	}
}

// payRest pays what is due without saying how much that is.
func (e *evening) payRest(t *rapid.T) { e.tender(t, nil, e.state.Due() > 0) }

// tender pays by some method, and checks the payment; good says whether the amount is one that can be taken.
func (e *evening) tender(t *rapid.T, amount *int64, good bool) {
	by := rapid.SampledFrom([]tab.Tender{
		{Method: tab.Cash}, {Method: tab.Card, CardCompany: "K"}, {Method: tab.Card, CardCompany: "H"},
		{Method: tab.Card, CardCompany: "S"}, {Method: tab.Card, CardCompany: "X"}, {Method: tab.Cash, CardCompany: "K"}, {},
	}).Draw(t, "by")
	rate, known := rates[by]
	before := e.state
	err := e.put(t, tab.TakePayment{
		StoreID: "s1", PaymentID: "m", Method: by.Method, CardCompany: by.CardCompany, Amount: amount, Fees: fees, SettlementDay: 5, When: atNight,
	})
	if good = good && known && !before.Closed && before.TabID != ""; (err == nil) != good {
		t.Fatalf("%+v of %v, due %d: %v, want it taken: %v", by, amount, before.Due(), err, good)
	}
	if !good {
		return
	}
	got, want := e.state.Payments[len(e.state.Payments)-1], before.Due()
	if amount != nil {
		want = *amount
	}
	fee := new(big.Int).Mul(big.NewInt(want), big.NewInt(rate))
	fee.Div(fee, big.NewInt(1_000_000))
	if got.Amount != want || got.Fee != fee.Int64() || got.Method != by.Method || got.CardCompany != by.CardCompany {
		t.Fatalf("paid %+v, want %d by %+v for %s", got, want, by, fee)
	}
}

// sums are two sums, by what they are sums of.
type sums[K comparable] map[K][2]int64

func (s sums[K]) add(key K, a, b int64) { s[key] = [2]int64{s[key][0] + a, s[key][1] + b} }

// checkClosed compares the closing event with the events before it, name by name and method by method.
func checkClosed(t *rapid.T, events events, end tab.Closed) {
	ordered, paid := sums[tab.Sold]{}, sums[tab.Tender]{}
	for _, e := range events {
		switch e := e.(type) {
		case tab.OrderPlaced:
			for _, l := range e.Lines {
				ordered.add(tab.Sold{ProductID: l.ProductID, Name: l.Name, Category: l.Category}, l.Quantity, l.Amount)
			}
		case tab.PaymentCompleted:
			paid.add(tab.Tender{Method: e.Method, CardCompany: e.CardCompany}, e.Amount, e.Fee)
		}
	}
	sold, given := sums[tab.Sold]{}, sums[tab.Tender]{}
	var soldAmount, givenAmount int64
	for _, l := range end.Lines {
		sold.add(tab.Sold{ProductID: l.ProductID, Name: l.Name, Category: l.Category}, l.Quantity, l.Amount)
		soldAmount += l.Amount
	}
	for _, p := range end.Payments {
		given.add(tab.Tender{Method: p.Method, CardCompany: p.CardCompany}, p.Amount, p.Fee)
		givenAmount += p.Amount
	}
	switch {
	case !maps.Equal(sold, ordered) || len(sold) != len(end.Lines):
		t.Fatalf("ordered was %v, the end says %v", ordered, end.Lines)
	case !maps.Equal(given, paid) || len(given) != len(end.Payments):
		t.Fatalf("paid was %v, the end says %v", paid, end.Payments)
	case soldAmount != end.Amount || givenAmount != end.Amount:
		t.Fatalf("the end says %d, its lines %d, its payments %d", end.Amount, soldAmount, givenAmount)
	}
}
