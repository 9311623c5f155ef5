package tab_test

import (
	"maps"
	"testing"

	"daybook/domain/menu"
	"daybook/domain/tab"
)

// TestADayKnownByHand: two tables eat on one day; the closing events alone make the day's figures.
func TestADayKnownByHand(t *testing.T) {
	window := serve(t, order("o1", item(side, 4), item(drink, 2)), order("o2", item(side, 2)), cash("m1", 0))
	bar := serve(t, order("o3", item(side, 6), item(drink, 3)), card("m2", "H", 0))
	if window.Amount != 3600 || bar.Amount != 3900 {
		t.Errorf("the tabs amount to %d and %d, want 3600 and 3900", window.Amount, bar.Amount)
	}

	var revenue, fee int64
	counts, amounts := map[string]int64{}, map[string]int64{}
	categories, fees := map[string]int64{}, map[string]int64{}
	for _, closed := range []tab.Closed{window, bar} {
		if closed.BusinessDate != first || closed.Currency != "KRW" {
			t.Errorf("%+v is of another day or currency", closed)
		}
		revenue += closed.Amount
		for _, sold := range closed.Lines {
			counts[sold.ProductID] += sold.Quantity
			amounts[sold.ProductID] += sold.Amount
			categories[sold.Category] += sold.Amount
		}
		for _, tender := range closed.Payments {
			fee += tender.Fee
			fees[string(tender.Method)+tender.CardCompany] += tender.Fee
		}
	}
	if revenue != 7500 || fee != 23 || revenue-fee != 7477 {
		t.Errorf("revenue %d, fee %d, profit %d, want 7500, 23, 7477", revenue, fee, revenue-fee)
	}
	for _, c := range []struct {
		what      string
		got, want map[string]int64
	}{
		{"counts", counts, map[string]int64{"2": 12, "4": 5}},
		{"amounts", amounts, map[string]int64{"2": 6000, "4": 1500}},
		{"categories", categories, map[string]int64{menu.SubMenu: 6000, menu.Drink: 1500}},
		{"fees", fees, map[string]int64{"CASH": 0, "CARDH": 23}},
	} {
		if !maps.Equal(c.got, c.want) {
			t.Errorf("%s %v, want %v", c.what, c.got, c.want)
		}
	}
}

// serve puts commands to a new tab until it is closed, and returns its last event.
func serve(t *testing.T, commands ...tab.Command) tab.Closed {
	t.Helper()
	s, last := tab.Decider.Initial(), tab.Event(nil)
	for _, c := range commands {
		decided, err := tab.Decide(s, c)
		if err != nil {
			t.Fatal(err)
		}
		s, last = tab.Decider.Fold(s, decided...), decided[len(decided)-1]
	}
	closed, ok := last.(tab.Closed)
	if !ok || !s.Closed {
		t.Fatalf("the tab is not closed but %+v", s)
	}
	return closed
}
