// Package tab decides what happens to one bill: orders go on it, payments are taken against it, and it closes when it
// is paid, or when somebody closes it while nothing is due.
//
// Not here: which tab of a table is the open one, what a product costs (the menu said so), what a day sold in all.
package tab

import (
	"strconv"
	"strings"
	"time"

	"daybook/domain/calendar"
	"daybook/domain/event"
	"daybook/domain/money"
)

// Limits of what a tab takes. An int64 holds the sum of nine million of the largest tabs, so no figure overflows. A tab
// from before a limit may be beyond it: it still folds and can be paid, and takes no more.
const (
	QuantityMax   = 10_000_000        // of one line
	OrderLinesMax = 200               // of one order
	TabLinesMax   = 1000              // of all orders of one tab
	AmountMax     = 1_000_000_000_000 // of one tab, minor units
	PaymentsMax   = 200               // of one tab; the last of them pays all that is due
)

// Method is how money was given.
type Method string

const (
	Cash Method = "CASH"
	Card Method = "CARD"
)

// Line is one line of an order: what was ordered, as it was called and priced at that moment.
type Line struct {
	ProductID string `json:"productId"`
	Name      string `json:"name"`
	Category  string `json:"category"`
	UnitPrice int64  `json:"unitPrice"`
	Quantity  int64  `json:"quantity"`
	Amount    int64  `json:"amount"` // UnitPrice x Quantity
}

// Order is what was ordered at one time.
type Order struct {
	OrderID  string
	Lines    []Line
	Amount   int64
	PlacedAt time.Time
}

// Payment is money that was taken.
type Payment struct {
	PaymentID   string
	Method      Method
	CardCompany string // "" for cash
	Amount      int64
	Fee         int64 // what the card company keeps of Amount
}

// State is a tab as its events tell it. The zero State is a tab that was never opened.
type State struct {
	TabID    string // "" if never opened
	TableID  string
	Currency money.Currency
	OpenedAt time.Time
	Orders   []Order
	Payments []Payment
	Amount   int64 // of all orders
	Paid     int64 // of all payments; never above Amount
	Closed   bool  // always once it has orders worth something and all is paid; never while something is due
}

// Due is what is still to be paid.
func (s State) Due() int64 { return s.Amount - s.Paid }

// lines counts the lines of all orders.
func (s State) lines() int {
	n := 0
	for _, o := range s.Orders {
		n += len(o.Lines)
	}
	return n
}

// sold sums the tab's lines by what they are called, in the order in which they were first ordered.
func (s State) sold() []Sold {
	type name struct{ id, name, category string }
	var sold []Sold
	place := map[name]int{}
	for _, o := range s.Orders {
		for _, l := range o.Lines {
			key := name{l.ProductID, l.Name, l.Category}
			i, known := place[key]
			if !known {
				i = len(sold)
				place[key] = i
				sold = append(sold, Sold{ProductID: l.ProductID, Name: l.Name, Category: l.Category})
			}
			sold[i].Quantity += l.Quantity // bounded by TabLinesMax x QuantityMax
			sold[i].Amount += l.Amount     // bounded by AmountMax
		}
	}
	return sold
}

// tenders sums the tab's payments by method and card company, in the order in which they were first used.
func (s State) tenders() []Tender {
	tenders := []Tender{} // without any, a list of none is written, not null
next:
	for _, p := range s.Payments {
		for i := range tenders {
			if t := &tenders[i]; t.Method == p.Method && t.CardCompany == p.CardCompany {
				t.Amount += p.Amount // bounded by AmountMax
				t.Fee += p.Fee
				continue next
			}
		}
		tenders = append(tenders, Tender{Method: p.Method, CardCompany: p.CardCompany, Amount: p.Amount, Fee: p.Fee})
	}
	return tenders
}

// When says when something happens: the moment, and the business date that the store's hours make of it.
type When struct {
	At           time.Time
	BusinessDate calendar.Date
}

// Decider is the tab's behaviour.
var Decider = event.Decider[State, Command, Event]{
	Initial: func() State { return State{} },
	Decide:  Decide,
	Evolve:  Evolve,
	Catalog: Catalog,
}

// ID is the id of a table's n-th tab, counted from 1. Of two tablets that open it at once, one wins, and the other
// orders on the tab that now exists: no lock is needed.
func ID(tableID string, n int) string { return tableID + "." + strconv.Itoa(n) }

// TableOf is the table of a tab id.
func TableOf(tabID string) string {
	tableID, _, _ := strings.Cut(tabID, ".")
	return tableID
}
