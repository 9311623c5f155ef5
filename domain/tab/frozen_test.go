package tab_test

import (
	"testing"
	"time"

	"daybook/domain/domaintest"
	"daybook/domain/event"
	"daybook/domain/menu"
	"daybook/domain/tab"
)

func TestFrozenSamples(t *testing.T) {
	seoul := time.FixedZone("", 9*60*60)
	domaintest.Frozen(t, event.Widen(tab.Catalog), map[string]domaintest.Sample{
		"tab.opened.v1": {
			Complete: tab.Opened{
				StoreID: "k3v9qd", TabID: "t1.42", TableID: "t1", Currency: "KRW", At: time.Date(2024, 12, 1, 12, 0, 0, 0, seoul),
			},
			Minimal: tab.Opened{
				StoreID: "k3v9qd", TabID: "t1.1", TableID: "t1", Currency: "USD", At: time.Date(2024, 12, 1, 3, 0, 0, 0, time.UTC),
			},
		},
		"tab.order_placed.v1": {
			Complete: tab.OrderPlaced{
				OrderID: "r5m1",
				Lines: []tab.Line{
					{ProductID: "p8s1", Name: "비빔밥", Category: menu.MainMenu, UnitPrice: 9000, Quantity: 2, Amount: 18000},
					{ProductID: "p8s4", Name: "Cola <zero> & ice", Category: menu.Drink, UnitPrice: 300, Quantity: 10_000_000, Amount: 3_000_000_000},
				},
				Amount: 3_000_018_000, BusinessDate: first, At: time.Date(2024, 12, 2, 1, 30, 0, 0, seoul),
			},
			Minimal: tab.OrderPlaced{
				OrderID: "r5m2", Lines: []tab.Line{{ProductID: "p0", Name: "Tap water", Category: menu.Drink, Quantity: 1}},
				BusinessDate: first, At: time.Date(2024, 12, 1, 3, 0, 0, 0, time.UTC),
			},
		},
		"tab.payment_completed.v1": {
			Complete: tab.PaymentCompleted{
				PaymentID: "m6k2", Method: tab.Card, CardCompany: "H", Amount: 3900, FeeRate: 6000, Fee: 23,
				BusinessDate: first, At: time.Date(2024, 12, 1, 13, 10, 0, 0, seoul),
			},
			Minimal: tab.PaymentCompleted{
				PaymentID: "m6k3", Method: tab.Cash, Amount: 3600,
				BusinessDate: first, At: time.Date(2024, 12, 1, 4, 10, 0, 0, time.UTC),
			},
		},
		"tab.closed.v1": {
			Complete: tab.Closed{
				StoreID: "k3v9qd", BusinessDate: first, SettlementDay: 25, Currency: "KRW", Amount: 7500,
				Lines: []tab.Sold{
					{ProductID: "2", Name: "김치", Category: menu.SubMenu, Quantity: 12, Amount: 6000},
					{ProductID: "4", Name: "Cola", Category: menu.Drink, Quantity: 5, Amount: 1500},
				},
				Payments: []tab.Tender{
					{Method: tab.Cash, Amount: 3600},
					{Method: tab.Card, CardCompany: "H", Amount: 3900, Fee: 23},
				},
				At: time.Date(2024, 12, 1, 13, 10, 0, 0, seoul),
			},
			Minimal: tab.Closed{
				StoreID: "k3v9qd", BusinessDate: first, SettlementDay: 1, Currency: "KRW", Amount: 500,
				Lines: []tab.Sold{
					{ProductID: "2", Name: "김치", Category: menu.SubMenu, Quantity: 1, Amount: 500},
					{ProductID: "0", Name: "Water", Category: menu.Drink, Quantity: 2},
				},
				Payments: []tab.Tender{{Method: tab.Cash, Amount: 500}},
				At:       time.Date(2024, 12, 1, 4, 10, 0, 0, time.UTC),
			},
		},
	})
}
