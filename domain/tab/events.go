package tab

import (
	"slices"
	"time"

	"daybook/domain/calendar"
	"daybook/domain/event"
	"daybook/domain/money"
	"daybook/domain/settlement"
)

// Event is one of this file's events. These types are the storage format: a field may be added if its zero value is
// usable, nothing else may change.
//
//sumtype:decl
type Event interface {
	event.Stored
	tabEvent()
}

// Opened: the first order came; the table has a bill.
type Opened struct {
	StoreID  string         `json:"storeId"`
	TabID    string         `json:"tabId"`
	TableID  string         `json:"tableId"`
	Currency money.Currency `json:"currency"` // of every amount of this tab
	At       time.Time      `json:"at"`
}

// OrderPlaced: an order is on the bill. It is accepted by this very event, because nothing of it has a tracked stock
// that would have to be asked.
type OrderPlaced struct {
	OrderID      string        `json:"orderId"`
	Lines        []Line        `json:"lines"`
	Amount       int64         `json:"amount"`
	BusinessDate calendar.Date `json:"businessDate"`
	At           time.Time     `json:"at"`
}

// PaymentCompleted: money was taken. The fee and its rate are fixed here, whatever rates become later.
type PaymentCompleted struct {
	PaymentID    string             `json:"paymentId"`
	Method       Method             `json:"method"`
	CardCompany  string             `json:"cardCompany,omitempty"`
	Amount       int64              `json:"amount"`
	FeeRate      money.Rate         `json:"feeRatePpm"`
	Fee          int64              `json:"fee"`
	FeePolicy    settlement.Version `json:"feePolicy,omitempty"` // that the rate is of; 0: the first (OrFirst)
	BusinessDate calendar.Date      `json:"businessDate"`
	At           time.Time          `json:"at"`
}

// Closed: the bill is paid, or was worth nothing and is over. It repeats, summed up, what was sold and how it was paid, so
// that whoever counts sales needs this event and no other.
type Closed struct {
	StoreID       string         `json:"storeId"`
	BusinessDate  calendar.Date  `json:"businessDate"`  // that the tab counts for, whole
	SettlementDay int            `json:"settlementDay"` // of the store
	Currency      money.Currency `json:"currency"`
	Amount        int64          `json:"amount"`
	Lines         []Sold         `json:"lines"`
	Payments      []Tender       `json:"payments"` // none if Amount is 0
	At            time.Time      `json:"at"`
}

// Sold is what a tab sold of one product.
type Sold struct {
	ProductID string `json:"productId"`
	Name      string `json:"name"`
	Category  string `json:"category"`
	Quantity  int64  `json:"quantity"`
	Amount    int64  `json:"amount"`
}

// Tender is what was given by one method and card company.
type Tender struct {
	Method      Method `json:"method"`
	CardCompany string `json:"cardCompany,omitempty"`
	Amount      int64  `json:"amount"`
	Fee         int64  `json:"fee"`
}

func (Opened) EventType() string           { return "tab.opened.v1" }
func (OrderPlaced) EventType() string      { return "tab.order_placed.v1" }
func (PaymentCompleted) EventType() string { return "tab.payment_completed.v1" }
func (Closed) EventType() string           { return ClosedType }

// ClosedType is the stored name of Closed, the event that figures are made of.
const ClosedType = "tab.closed.v1"

func (Opened) tabEvent()           {}
func (OrderPlaced) tabEvent()      {}
func (PaymentCompleted) tabEvent() {}
func (Closed) tabEvent()           {}

// Catalog reads every event name that was ever stored in a tab's stream.
var Catalog = event.Catalog[Event]{
	"tab.opened.v1":            event.As[Opened, Event],
	"tab.order_placed.v1":      event.As[OrderPlaced, Event],
	"tab.payment_completed.v1": event.As[PaymentCompleted, Event],
	ClosedType:                 event.As[Closed, Event],
}

// Evolve folds one event into a tab.
func Evolve(s State, e Event) State {
	switch e := e.(type) {
	case Opened:
		return State{TabID: e.TabID, TableID: e.TableID, Currency: e.Currency, OpenedAt: e.At}
	case OrderPlaced:
		s.Orders = append(slices.Clip(s.Orders), Order{e.OrderID, e.Lines, e.Amount, e.At})
		s.Amount += e.Amount
	case PaymentCompleted:
		s.Payments = append(slices.Clip(s.Payments), Payment{e.PaymentID, e.Method, e.CardCompany, e.Amount, e.Fee})
		s.Paid += e.Amount
	case Closed:
		s.Closed = true
	}
	return s
}
