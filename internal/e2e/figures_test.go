package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"
)

// The figures as the API gives them. The model makes the same values, and they are compared whole.
type (
	statistics struct {
		Term, Start, End, Currency string
		Items                      []statisticsItem
		Total                      struct{ SaleCount, SaleAmount int64 }
	}
	statisticsItem struct {
		Rank                      int
		ProductID, Name, Category string
		SaleCount, SaleAmount     int64
	}
	salesRows struct {
		Term, Currency string
		Items          []salesRow
	}
	salesRow struct {
		Start, End                                     string
		GrossSales, Refunds, NetSales, Tabs, SaleCount int64
	}
	settlement struct {
		Term, Start, End, Currency, Status    string
		Revenue, Fee, PosFee, OperatingProfit int64
		Version                               int
	}
	settlementDetail struct {
		Term, Start, End, Currency string
		Revenue                    struct {
			Amount     int64
			Categories []categoryRow
		}
		Fee struct {
			Amount        int64
			CardCompanies []feeRow
		}
		PosFee, OperatingProfit int64
	}
	categoryRow struct {
		Category string
		Amount   int64
		Products []productRow
	}
	productRow struct {
		ProductID, Name string
		Count, Amount   int64
	}
	feeRow struct {
		CardCompany string
		Amount      int64
	}
)

// wanted is what the figures of a store must be.
type wanted struct {
	book          book
	currency      string
	posFee        int64
	settlementDay int
}

func (w wanted) statistics(term string, s span, sort, category string, limit int) statistics {
	want := statistics{Term: term, Start: s.start(), End: s.end(), Currency: w.currency, Items: []statisticsItem{}}
	for _, item := range w.book.within(s).sold(sort) {
		if category != "" && item.Category != category {
			continue
		}
		want.Total.SaleCount += item.SaleCount
		want.Total.SaleAmount += item.SaleAmount
		if item.Rank = len(want.Items) + 1; item.Rank <= limit {
			want.Items = append(want.Items, item)
		}
	}
	return want
}

func (w wanted) row(s span) salesRow {
	in := w.book.within(s)
	return salesRow{
		Start: s.start(), End: s.end(), GrossSales: in.revenue(), NetSales: in.revenue(), Tabs: int64(len(in)), SaleCount: in.items(),
	}
}

func (w wanted) settlement(term string, s span) settlement {
	in := w.book.within(s)
	want := settlement{Term: term, Start: s.start(), End: s.end(), Currency: w.currency, Status: "OPEN", Revenue: in.revenue()}
	for _, fee := range in.fees() {
		want.Fee += fee
	}
	if term == "MONTH" {
		want.PosFee = w.posFee
	}
	want.OperatingProfit = want.Revenue - want.Fee - want.PosFee
	return want
}

func (w wanted) detail(term string, s span) settlementDetail {
	sums, in := w.settlement(term, s), w.book.within(s)
	d := settlementDetail{Term: term, Start: s.start(), End: s.end(), Currency: w.currency, PosFee: sums.PosFee, OperatingProfit: sums.OperatingProfit}
	d.Revenue.Amount, d.Fee.Amount = sums.Revenue, sums.Fee
	d.Revenue.Categories, d.Fee.CardCompanies = []categoryRow{}, []feeRow{}
	groups := map[string]*categoryRow{}
	for _, item := range in.sold("AMOUNT") {
		if groups[item.Category] == nil {
			groups[item.Category] = &categoryRow{Category: item.Category}
		}
		g := groups[item.Category]
		g.Amount += item.SaleAmount
		g.Products = append(g.Products, productRow{item.ProductID, item.Name, item.SaleCount, item.SaleAmount})
	}
	for _, g := range groups {
		d.Revenue.Categories = append(d.Revenue.Categories, *g)
	}
	slices.SortFunc(d.Revenue.Categories, func(a, b categoryRow) int {
		return cmp.Or(cmp.Compare(b.Amount, a.Amount), cmp.Compare(a.Category, b.Category))
	})
	fees := in.fees()
	for _, company := range slices.Sorted(maps.Keys(fees)) {
		d.Fee.CardCompanies = append(d.Fee.CardCompanies, feeRow{company, fees[company]})
	}
	return d
}

// checkAll compares every figure of the periods around a date, which must include a position, with the model.
func (r *restaurant) checkAll(t testing.TB, position string, w wanted, date time.Time) {
	t.Helper()
	for _, term := range []string{"DAY", "WEEK", "MONTH"} {
		s := statisticsSpan(term, date)
		for _, sort := range []string{"", "AMOUNT", "COUNT"} {
			for _, category := range []string{"", "DRINK"} {
				path := r.path("/statistics/products?term=%s&start=%s&sort=%s&category=%s&limit=50", term, s.start(), sort, category)
				ask(t, r.owner, path, position, w.statistics(term, s, sort, category, 50))
			}
		}
		ask(t, r.owner, r.path("/statistics/products?term=%s&start=%s", term, s.start()), position, w.statistics(term, s, "", "", 5))
		before := statisticsSpan(term, s.from.AddDate(0, 0, -1))
		want := salesRows{Term: term, Currency: w.currency, Items: []salesRow{w.row(before), w.row(s)}}
		ask(t, r.owner, r.path("/statistics/sales?term=%s&from=%s&to=%s", term, before.start(), s.end()), position, want)
	}
	for term, s := range map[string]span{"DAY": dayOf(date), "MONTH": monthOf(date, w.settlementDay)} {
		ask(t, r.owner, r.path("/settlements?term=%s&start=%s", term, s.start()), position, w.settlement(term, s))
		ask(t, r.owner, r.path("/settlements/detail?term=%s&start=%s", term, s.start()), position, w.detail(term, s))
	}
}

// ask asks a question and compares the answer, whole.
func ask[T any](t testing.TB, c caller, path, position string, want T) {
	t.Helper()
	var got T
	c.get(t, path, position, &got)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("GET %s\n got %s\nwant %s", path, plain(got), plain(want))
	}
}

func plain(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(text)
}
