package tab_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"daybook/domain/menu"
	"daybook/domain/tab"
)

var closed = slices.Concat(lunch, events{paidCash("m1", 1000), tab.Closed{
	StoreID: "s1", BusinessDate: first, SettlementDay: 5, Currency: "KRW", Amount: 1000,
	Lines:    []tab.Sold{{ProductID: "2", Name: "Kimchi", Category: menu.SubMenu, Quantity: 2, Amount: 1000}},
	Payments: []tab.Tender{{Method: tab.Cash, Amount: 1000}}, At: night,
}})

var orders = []tabCase{
	{
		Name: "the first order opens the tab",
		When: order("o1", item(side, 4), item(drink, 2)),
		Then: events{opened, placed("o1", 2600, line(side, 4, 2000), line(drink, 2, 600))},
	},
	{
		Name: "the next order goes on it", Given: lunch,
		When: order("o2", item(drink, 1)), Then: events{placed("o2", 300, line(drink, 1, 300))},
	},
	{
		Name: "an order after a part was paid", Given: slices.Concat(lunch, events{paidCash("m1", 999)}),
		When: order("o2", item(drink, 1)), Then: events{placed("o2", 300, line(drink, 1, 300))},
	},
	{
		Name: "a product twice in one order stays two lines",
		When: order("o1", item(drink, 1), item(side, 1), item(drink, 2)),
		Then: events{opened, placed("o1", 1400, line(drink, 1, 300), line(side, 1, 500), line(drink, 2, 600))},
	},
	{
		Name: "what costs nothing is ordered too",
		When: order("o1", item(water, 3)), Then: events{opened, placed("o1", 0, line(water, 3, 0))},
	},
	{Name: "an order on a closed tab", Given: closed, When: order("o2", item(drink, 1)), Refused: tab.ErrClosed},
	{Name: "an order without lines", When: order("o1"), Refused: tab.ErrNoLines},
	{Name: "an order without lines on an open tab", Given: lunch, When: order("o2"), Refused: tab.ErrNoLines},
	{Name: "an order in another currency", Given: lunch, When: inDollars(order("o2", item(drink, 1))), Refused: tab.ErrCurrency},
}

func inDollars(c tab.PlaceOrder) tab.PlaceOrder {
	c.Currency = "USD"
	return c
}

// many is an order of n glasses of water, each on a line of its own.
func many(id string, n int) tab.PlaceOrder {
	return order(id, slices.Repeat([]tab.Item{item(water, 1)}, n)...)
}

func manyPlaced(id string, n int) tab.OrderPlaced {
	return placed(id, 0, slices.Repeat([]tab.Line{line(water, 1, 0)}, n)...)
}

// withLines is a tab of n orders of 100 lines each.
func withLines(n int) events {
	return append(events{opened}, slices.Repeat(events{manyPlaced("o", 100)}, n)...)
}

// dear costs so much that ten lines of it, each of the largest quantity, are the largest tab.
var dear = menu.Product{ProductID: "7", Name: "Gold leaf", Category: menu.MainMenu, Price: 10_000}

const dearest = 10_000 * tab.QuantityMax // a line of it

// beyond costs what no menu offers.
var beyond = menu.Product{ProductID: "8", Name: "The Moon", Category: menu.MainMenu, Price: math.MaxInt64}

var orderLimits = []tabCase{
	{Name: "200 lines", When: many("o1", 200), Then: events{opened, manyPlaced("o1", 200)}},
	{Name: "201 lines", When: many("o1", 201), Refused: tab.ErrLines},
	{Name: "1000 lines in all", Given: withLines(9), When: many("o10", 100), Then: events{manyPlaced("o10", 100)}},
	{Name: "1001 lines in all", Given: withLines(9), When: many("o10", 101), Refused: tab.ErrLines},
	{Name: "one more than 1000 lines", Given: withLines(10), When: many("o11", 1), Refused: tab.ErrLines},
	{Name: "none of a product", When: order("o1", item(side, 1), item(drink, 0)), Refused: tab.ErrQuantity},
	{Name: "less than none", When: order("o1", item(drink, -1)), Refused: tab.ErrQuantity},
	{
		Name: "the largest quantity",
		When: order("o1", item(drink, 10_000_000)),
		Then: events{opened, placed("o1", 3_000_000_000, line(drink, 10_000_000, 3_000_000_000))},
	},
	{Name: "one more than the largest quantity", When: order("o1", item(drink, 10_000_001)), Refused: tab.ErrQuantity},
	{
		Name: "the largest amount",
		When: order("o1", slices.Repeat([]tab.Item{item(dear, tab.QuantityMax)}, 10)...),
		Then: events{opened, placed("o1", 1_000_000_000_000, slices.Repeat([]tab.Line{line(dear, tab.QuantityMax, dearest)}, 10)...)},
	},
	{
		Name: "more than the largest amount in one order",
		When: order("o1", append(slices.Repeat([]tab.Item{item(dear, tab.QuantityMax)}, 10), item(drink, 1))...), Refused: tab.ErrTooLarge,
	},
	{
		Name:  "more than the largest amount in two orders",
		Given: events{opened, placed("o1", 9*dearest, slices.Repeat([]tab.Line{line(dear, tab.QuantityMax, dearest)}, 9)...)},
		When:  order("o2", item(dear, tab.QuantityMax), item(drink, 1)), Refused: tab.ErrTooLarge,
	},
	{Name: "a line that no number holds", When: order("o1", item(beyond, 2)), Refused: tab.ErrTooLarge},
	{Name: "lines whose sum no number holds", When: order("o1", item(beyond, 1), item(beyond, 1)), Refused: tab.ErrTooLarge},
}

// TestTabFromBeforeTheLimit: what the log holds beyond the limit still folds; the tab can be paid, and takes no more.
func TestTabFromBeforeTheLimit(t *testing.T) {
	const amount = 1_000_000_000_000_000
	s := tab.Decider.Fold(tab.State{}, opened, placed("o1", amount, line(dear, tab.QuantityMax, amount)))
	if s.Due() != amount {
		t.Errorf("%d are due", s.Due())
	}
	for _, p := range []menu.Product{drink, water} {
		if _, err := tab.Decide(s, order("o2", item(p, 1))); !errors.Is(err, tab.ErrTooLarge) {
			t.Errorf("an order of %s: %v", p.Name, err)
		}
	}
	events, err := tab.Decide(s, card("m1", "K", 0))
	if s = tab.Decider.Fold(s, events...); err != nil || !s.Closed || s.Paid != amount {
		t.Errorf("paid %d: %+v, %v", s.Paid, events, err)
	}
}
