package projections_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daybook/domain/calendar"
	"daybook/domain/money"
	"daybook/domain/settlement"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/projections"
)

// TestARetiredCardCompanyKeepsItsFigures: one that can no longer be paid with, and one that only a newer program knows,
// are asked for all the same.
func TestARetiredCardCompanyKeepsItsFigures(t *testing.T) {
	first := settlement.FeePolicies()[0]
	retired := settlement.Policies{first, {Version: 2, From: 1, Cards: first.Cards[:1]}}
	fields := projections.TenderFields(retired)
	for _, company := range []string{"K", "H", "S"} {
		if !slices.Contains(fields, projections.TenderField(tab.Card, company)) || !slices.Contains(fields, projections.FeeField(tab.Card, company)) {
			t.Errorf("the figures of %s are not among %v", company, fields)
		}
	}

	log, sink := newLog(t), newSink(t)
	paid := map[string]int64{"": 100, "K": 200, "S": 300, "Z": 400} // nobody here knows Z
	for _, company := range []string{"", "K", "S", "Z"} {
		sale := tab.Closed{
			StoreID: "s0", BusinessDate: calendar.MustParse("2024-12-03"), SettlementDay: 5, Currency: "KRW", Amount: paid[company],
			Lines: []tab.Sold{{ProductID: "p", Name: "Tea", Category: "C", Quantity: 1, Amount: paid[company]}}, At: time.Unix(1_733_200_000, 0),
		}
		sale.Payments = []tab.Tender{{Method: tab.Card, CardCompany: company, Amount: paid[company], Fee: 1}}
		if company == "" {
			sale.Payments[0].Method, sale.Payments[0].Fee = tab.Cash, 0
		}
		sell(t, log, []tab.Closed{sale})
		if err := projections.CatchUp(t.Context(), log, sink, projections.Counters, quiet, noProgress); err != nil {
			t.Fatal(err)
		}
		reader := projections.NewPeriodReader(projections.NewRemoteReader(projections.Counters, sink, log, time.Now), projections.PeriodsBytes)
		for _, term := range []string{"s0|DAY|2024-12-03", "s0|SETTLEMENT_MONTH|2024-11-05"} {
			tenders, err := reader.Tenders(t.Context(), eventstore.Position{}, term)
			whole, errWhole := reader.Period(t.Context(), eventstore.Position{}, term)
			if diff := cmp.Diff(whole.Tenders, tenders); diff != "" || err != nil || errWhole != nil {
				t.Errorf("after a payment by %q, %s: %v, %v (-period +tenders)\n%s", company, term, err, errWhole, diff)
			}
		}
	}
	nothing, err := projections.NewPeriodReader(projections.NewRemoteReader(projections.Counters, sink, log, time.Now), 0).
		Tenders(t.Context(), eventstore.Position{}, "s0|DAY|2024-12-04")
	if len(nothing) != 0 || err != nil {
		t.Errorf("a day without sales: %v, %v", nothing, err)
	}
}

func TestSumsOfAPeriodAreChecked(t *testing.T) {
	products := []projections.ProductFigures{
		{ProductID: "1", Category: "A", Quantity: 1, Amount: 10}, {ProductID: "2", Category: "B", Quantity: 2, Amount: 20},
		{ProductID: "3", Category: "A", Quantity: 4, Amount: 40},
	}
	if amounts, err := projections.CategoryAmounts(products); !cmp.Equal(amounts, map[string]int64{"A": 50, "B": 20}) || err != nil {
		t.Errorf("by category: %v, %v", amounts, err)
	}
	for category, want := range map[string][2]int64{"": {7, 70}, "A": {5, 50}, "B": {2, 20}, "C": {}} {
		if quantity, amount, err := projections.SoldIn(products, category); [2]int64{quantity, amount} != want || err != nil {
			t.Errorf("of category %q: %d, %d, %v, want %v", category, quantity, amount, err, want)
		}
	}
	products[0].Amount, products[1].Quantity = math.MaxInt64, math.MaxInt64
	if amounts, err := projections.CategoryAmounts(products); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("by category: %v, %v", amounts, err)
	}
	for _, category := range []string{"", "A"} {
		if quantity, amount, err := projections.SoldIn(products, category); !errors.Is(err, money.ErrOverflow) {
			t.Errorf("of category %q: %d, %d, %v", category, quantity, amount, err)
		}
	}
	day := calendar.Containing(calendar.Day, calendar.MustParse("2024-12-03"), 5)
	tenders := []projections.TenderFigures{{Amount: math.MaxInt64}, {Amount: 1}}
	if earned, err := projections.Settled(day, "GOLD", "KRW", tenders); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("settled: %+v, %v", earned, err)
	}
}
