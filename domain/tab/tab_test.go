package tab_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"daybook/domain/calendar"
	"daybook/domain/domaintest"
	"daybook/domain/menu"
	"daybook/domain/settlement"
	"daybook/domain/tab"
)

type (
	tabCase = domaintest.Case[tab.Command, tab.Event]
	events  = []tab.Event
)

// declared are all refusals of the package.
var declared = domaintest.Refusals{
	"ErrNoLines": tab.ErrNoLines, "ErrLines": tab.ErrLines, "ErrQuantity": tab.ErrQuantity, "ErrTooLarge": tab.ErrTooLarge,
	"ErrUnknown": tab.ErrUnknown, "ErrClosed": tab.ErrClosed, "ErrMethod": tab.ErrMethod,
	"ErrCardCompany": tab.ErrCardCompany, "ErrAmount": tab.ErrAmount, "ErrNothingDue": tab.ErrNothingDue,
	"ErrOverpayment": tab.ErrOverpayment, "ErrCurrency": tab.ErrCurrency, "ErrAmountDue": tab.ErrAmountDue, "ErrPayments": tab.ErrPayments,
}

func TestDecider(t *testing.T) {
	met := domaintest.Run(t, domaintest.Table[tab.State, tab.Command, tab.Event]{
		Decider: tab.Decider, Refusals: declared, Holds: holds,
		Cases: slices.Concat(orders, orderLimits, payments, closings, paymentLimits, badPayments, freeClosings),
	})
	domaintest.RefusedAll(t, declared, met)
}

// holds says what is wrong with a tab.
func holds(s tab.State) error {
	var ordered, paid int64
	lines := 0
	for _, o := range s.Orders {
		var amount int64
		for _, l := range o.Lines {
			if l.Amount != l.UnitPrice*l.Quantity || l.Quantity < 1 {
				return fmt.Errorf("line %+v", l)
			}
			amount += l.Amount
		}
		if amount != o.Amount || len(o.Lines) == 0 {
			return fmt.Errorf("order %+v", o)
		}
		ordered += amount
		lines += len(o.Lines)
	}
	for _, p := range s.Payments {
		if p.Amount < 1 || p.Fee < 0 || p.Fee > p.Amount {
			return fmt.Errorf("payment %+v", p)
		}
		paid += p.Amount
	}
	switch {
	case s.Amount != ordered || s.Amount > tab.AmountMax || lines > tab.TabLinesMax:
		return fmt.Errorf("amount %d, ordered %d in %d lines", s.Amount, ordered, lines)
	case s.Paid != paid || s.Paid > s.Amount || s.Due() != s.Amount-s.Paid:
		return fmt.Errorf("paid %d of %d, due %d, payments %d", s.Paid, s.Amount, s.Due(), paid)
	case s.Closed && s.Due() > 0, !s.Closed && s.Amount > 0 && s.Due() == 0:
		return fmt.Errorf("closed %v with %d of %d paid", s.Closed, s.Paid, s.Amount)
	case s.TabID == "" && (lines > 0 || paid > 0):
		return errors.New("a tab that was never opened has a bill")
	}
	return nil
}

var (
	noon  = time.Date(2024, 12, 1, 12, 0, 0, 0, time.FixedZone("", 9*60*60))
	night = noon.Add(13*time.Hour + 30*time.Minute) // half past one, and still the first of December
	first = calendar.MustParse("2024-12-01")

	atNoon  = tab.When{At: noon, BusinessDate: first}
	atNight = tab.When{At: night, BusinessDate: first}

	side  = menu.Product{ProductID: "2", Name: "Kimchi", Category: menu.SubMenu, Price: 500}
	drink = menu.Product{ProductID: "4", Name: "Cola", Category: menu.Drink, Price: 300}
	water = menu.Product{ProductID: "9", Name: "Water", Category: menu.Drink, Price: 0}
)

// order is a command that puts items on the tab at noon.
func order(id string, items ...tab.Item) tab.PlaceOrder {
	return tab.PlaceOrder{
		StoreID: "s1", TabID: "t1.1", TableID: "t1", OrderID: id, Currency: "KRW", Items: items, When: atNoon,
	}
}

func item(p menu.Product, quantity int64) tab.Item { return tab.Item{Product: p, Quantity: quantity} }

// placed is what follows from order, with the amount computed by whoever writes the case.
func placed(id string, amount int64, lines ...tab.Line) tab.OrderPlaced {
	return tab.OrderPlaced{OrderID: id, Lines: lines, Amount: amount, BusinessDate: first, At: noon}
}

func line(p menu.Product, quantity, amount int64) tab.Line {
	return tab.Line{
		ProductID: p.ProductID, Name: p.Name, Category: p.Category, UnitPrice: p.Price, Quantity: quantity, Amount: amount,
	}
}

var (
	opened = tab.Opened{StoreID: "s1", TabID: "t1.1", TableID: "t1", Currency: "KRW", At: noon}
	// lunch is 1000 to pay.
	lunch = events{opened, placed("o1", 1000, line(side, 2, 1000))}
)

// fees is the policy that holds.
var fees = settlement.FeePolicies().On(first)

// cash is a command to pay an amount; 0: what is due.
func cash(id string, amount int64) tab.TakePayment {
	c := tab.TakePayment{StoreID: "s1", PaymentID: id, Method: tab.Cash, Fees: fees, SettlementDay: 5, When: atNight}
	if amount != 0 {
		c.Amount = &amount
	}
	return c
}

func card(id, company string, amount int64) tab.TakePayment {
	c := cash(id, amount)
	c.Method, c.CardCompany = tab.Card, company
	return c
}

func paidCash(id string, amount int64) tab.PaymentCompleted {
	return tab.PaymentCompleted{PaymentID: id, Method: tab.Cash, Amount: amount, FeePolicy: 1, BusinessDate: first, At: night}
}

func TestEvolveTellsWhatHappened(t *testing.T) {
	got := tab.Decider.Fold(tab.Decider.Initial(), slices.Concat(lunch, events{
		placed("o2", 300, line(drink, 1, 300)), paidCash("m1", 800),
	})...)
	switch {
	case got.TabID != "t1.1" || got.TableID != "t1" || got.Currency != "KRW" || !got.OpenedAt.Equal(noon):
		t.Errorf("the tab is %+v", got)
	case got.Amount != 1300 || got.Paid != 800 || got.Due() != 500 || got.Closed:
		t.Errorf("the bill is %+v", got)
	case len(got.Orders) != 2 || got.Orders[1].OrderID != "o2" || !got.Orders[1].PlacedAt.Equal(noon) ||
		!slices.Equal(got.Orders[1].Lines, []tab.Line{line(drink, 1, 300)}):
		t.Errorf("orders are %+v", got.Orders)
	case !slices.Equal(got.Payments, []tab.Payment{{PaymentID: "m1", Method: tab.Cash, Amount: 800}}):
		t.Errorf("payments are %+v", got.Payments)
	}
}
