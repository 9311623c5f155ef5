package projections

import (
	"slices"
	"time"

	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/projections/closings"
)

// Tabs holds every bill. Partition: store id; field: tab id. And partition OpenTabs(store id) tells which bill of each
// table is open; field: table id. Partitions OpenedTabs(store id) and ClosedTabs(store id) list bills in order
// (tab_lists.go).
var Tabs = joinedModel("tabs", 3, bills, openTabs, openedTabs, closedTabs)

var bills = rowModel("", 0, map[string]route[TabRow]{
	"tab.opened.v1": on(closings.Catalog, func(e tab.Opened, stored eventstore.Event) []rowStep[TabRow] {
		opened := bill(stored, func(*TabRow) *TabRow {
			return &TabRow{
				TabID: e.TabID, TableID: e.TableID, Status: "OPEN", Currency: string(e.Currency),
				Orders: []OrderRow{}, Payments: []PaymentRow{}, OpenedAt: e.At,
			}
		})
		opened[0].anew = true
		return opened
	}),
	"tab.order_placed.v1": on(closings.Catalog, func(e tab.OrderPlaced, stored eventstore.Event) []rowStep[TabRow] {
		return bill(stored, func(row *TabRow) *TabRow { return row.ordered(e) })
	}),
	"tab.payment_completed.v1": on(closings.Catalog, func(e tab.PaymentCompleted, stored eventstore.Event) []rowStep[TabRow] {
		return bill(stored, func(row *TabRow) *TabRow { return row.paid(e) })
	}),
	tab.ClosedType: on(closings.Catalog, func(e tab.Closed, stored eventstore.Event) []rowStep[TabRow] {
		return bill(stored, func(row *TabRow) *TabRow { return row.closed(e) })
	}),
})

var openTabs = rowModel("", 0, map[string]route[OpenTabRow]{
	"tab.opened.v1": on(closings.Catalog, func(e tab.Opened, stored eventstore.Event) []rowStep[OpenTabRow] {
		opened := ofTable(stored, func(_ *OpenTabRow, tabID string) *OpenTabRow { return &OpenTabRow{TabID: tabID, OpenedAt: e.At} })
		opened[0].anew = true
		return opened
	}),
	tab.ClosedType: func(stored eventstore.Event) ([]rowStep[OpenTabRow], error) {
		return ofTable(stored, func(row *OpenTabRow, tabID string) *OpenTabRow {
			if row != nil && row.TabID != tabID {
				return row // of a tab that was parked, the end may come after its table has the next one
			}
			return nil
		}), nil
	},
})

// OpenTabs is the partition of a store's open tabs.
func OpenTabs(storeID string) string { return storeID + "/open" }

// OpenTabRow names the open bill of a table.
type OpenTabRow struct {
	TabID    string    `json:"tabId"`
	OpenedAt time.Time `json:"openedAt"`
}

// ofTable leads an event of a tab to the row of its table.
func ofTable(stored eventstore.Event, next func(row *OpenTabRow, tabID string) *OpenTabRow) []rowStep[OpenTabRow] {
	_, storeID, tabID := stream.Parse(stored.Stream)
	return []rowStep[OpenTabRow]{{
		key:  rowKey{OpenTabs(storeID), tab.TableOf(tabID)},
		step: func(row *OpenTabRow) *OpenTabRow { return next(row, tabID) },
	}}
}

// TabRow is a bill.
type TabRow struct {
	TabID        string       `json:"tabId"`
	TableID      string       `json:"tableId"`
	Status       string       `json:"status"` // OPEN or CLOSED
	Currency     string       `json:"currency"`
	Amount       int64        `json:"amount"`
	Paid         int64        `json:"paid"`
	Due          int64        `json:"due"`
	Orders       []OrderRow   `json:"orders"`
	Payments     []PaymentRow `json:"payments"`
	OpenedAt     time.Time    `json:"openedAt"`
	ClosedAt     *time.Time   `json:"closedAt,omitempty"`
	BusinessDate string       `json:"businessDate,omitempty"` // that a closed tab counts for
}

// OrderRow is an order of a bill.
type OrderRow struct {
	OrderID  string    `json:"orderId"`
	Status   string    `json:"status"` // ACCEPTED
	Amount   int64     `json:"amount"`
	Lines    []LineRow `json:"lines"`
	PlacedAt time.Time `json:"placedAt"`
}

// LineRow is a line of an order.
type LineRow = tab.Line

// PaymentRow is a payment of a bill.
type PaymentRow struct {
	PaymentID   string    `json:"paymentId"`
	Method      string    `json:"method"`
	CardCompany string    `json:"cardCompany,omitempty"`
	Amount      int64     `json:"amount"`
	Fee         int64     `json:"fee"`
	PaidAt      time.Time `json:"paidAt"`
}

// bill leads an event of a tab to the tab's row.
func bill(stored eventstore.Event, s step[TabRow]) []rowStep[TabRow] {
	_, storeID, tabID := stream.Parse(stored.Stream)
	return []rowStep[TabRow]{{key: rowKey{storeID, tabID}, step: s}}
}

func (r *TabRow) ordered(e tab.OrderPlaced) *TabRow {
	if r == nil {
		return nil
	}
	next := *r
	next.Orders = append(slices.Clip(r.Orders), OrderRow{
		OrderID: e.OrderID, Status: "ACCEPTED", Amount: e.Amount, Lines: e.Lines, PlacedAt: e.At,
	})
	next.Amount += e.Amount
	next.Due += e.Amount
	return &next
}

func (r *TabRow) paid(e tab.PaymentCompleted) *TabRow {
	if r == nil {
		return nil
	}
	next := *r
	next.Payments = append(slices.Clip(r.Payments), PaymentRow{
		PaymentID: e.PaymentID, Method: string(e.Method), CardCompany: e.CardCompany,
		Amount: e.Amount, Fee: e.Fee, PaidAt: e.At,
	})
	next.Paid += e.Amount
	next.Due -= e.Amount
	return &next
}

func (r *TabRow) closed(e tab.Closed) *TabRow {
	if r == nil {
		return nil
	}
	next := *r
	next.Status, next.ClosedAt, next.BusinessDate = "CLOSED", &e.At, e.BusinessDate.String()
	return &next
}
