package settlement_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"daybook/domain/calendar"
	"daybook/domain/money"
	"daybook/domain/settlement"
	"daybook/domain/store"
)

// TestFeePolicies: what the list promises, whatever is added to it.
func TestFeePolicies(t *testing.T) {
	all := settlement.FeePolicies()
	for i, p := range all {
		if p.Version != settlement.Version(i+1) || i == 0 && p.From != 0 || i > 0 && p.From <= all[i-1].From {
			t.Errorf("policy %d is of version %d, from %s", i+1, p.Version, p.From)
		}
		companies := map[string]bool{}
		for _, c := range p.Cards {
			if companies[c.Company] || c.Company == "" || c.Rate < 0 || c.Rate > money.RateWhole {
				t.Errorf("version %d: %+v", p.Version, c)
			}
			companies[c.Company] = true
		}
		for _, grade := range store.Grades {
			if p.MonthlyFee(grade, "KRW").Minor <= 0 {
				t.Errorf("version %d: grade %s costs nothing", p.Version, grade)
			}
		}
	}
}

// TestFirstPolicyNeverChanges: payments that record no version were charged by it.
func TestFirstPolicyNeverChanges(t *testing.T) {
	first, known := settlement.FeePolicies().Of(0)
	if !known || first.Version != settlement.First || first.From != 0 || len(first.Cards) != 3 {
		t.Fatalf("the first policy is %+v, %t", first, known)
	}
	for company, want := range map[string]money.Rate{"K": 4000, "H": 6000, "S": 8000} {
		if rate, known := first.CardRate(company); rate != want || !known {
			t.Errorf("%s takes %d, %t, want %d", company, rate, known, want)
		}
	}
	for _, unknown := range []string{"", "k", "X"} {
		if rate, known := first.CardRate(unknown); rate != 0 || known {
			t.Errorf("%q takes %d, %t", unknown, rate, known)
		}
	}
	for grade, want := range map[store.Grade]int64{store.Bronze: 15000, store.Silver: 20000, store.Gold: 30000, "": 0, "bronze": 0} {
		for currency, want := range map[money.Currency]int64{"KRW": want, "USD": 0, "": 0} {
			if got := first.MonthlyFee(grade, currency); got != (money.Money{Minor: want, Currency: currency}) {
				t.Errorf("%s costs %v, want %d %s", grade, got, want, currency)
			}
		}
	}
}

// changed are policies of which the second takes less by K, no S, and more for a grade.
var changed = settlement.Policies{
	settlement.FeePolicies()[0],
	{
		Version: 2, From: calendar.MustParse("2025-03-01"),
		Cards:  []settlement.CardRate{{Company: "K", Rate: 3000}, {Company: "Z", Rate: 1}},
		Grades: []settlement.GradeFee{{Grade: store.Bronze, Fee: money.Money{Minor: 16000, Currency: "KRW"}}},
	},
}

func TestPoliciesHoldFromTheirDate(t *testing.T) {
	for date, want := range map[string]settlement.Version{"0001-01-01": 1, "2025-02-28": 1, "2025-03-01": 2, "9999-12-31": 2} {
		if got := changed.On(calendar.MustParse(date)).Version; got != want {
			t.Errorf("on %s policy %d holds, want %d", date, got, want)
		}
	}
	for v, want := range map[settlement.Version]settlement.Version{0: 1, 1: 1, 2: 2} {
		if got, known := changed.Of(v); !known || got.Version != want {
			t.Errorf("version %d is %+v, %t", v, got, known)
		}
	}
	if got, known := changed.Of(3); known {
		t.Errorf("version 3 is %+v", got)
	}
}

// TestRetiredCompaniesAreKnown: a company that cannot be paid with any more has figures.
func TestRetiredCompaniesAreKnown(t *testing.T) {
	if got := changed.Companies(); !slices.Equal(got, []string{"K", "H", "S", "Z"}) {
		t.Errorf("the companies are %v", got)
	}
}

func TestSettle(t *testing.T) {
	period := func(term calendar.Term, start string) calendar.Period {
		return calendar.Containing(term, calendar.MustParse(start), 5)
	}
	takings := []settlement.Taking{{Amount: 3600}, {Amount: 3900, Fee: 23}}
	for name, c := range map[string]struct {
		period   calendar.Period
		currency money.Currency
		takings  []settlement.Taking
		want     settlement.Earned
	}{
		"a day": {period(calendar.Day, "2025-03-01"), "KRW", takings, settlement.Earned{Revenue: 7500, Fee: 23, OperatingProfit: 7477}},
		"a month that began under the first policy": {
			period(calendar.SettlementMonth, "2025-03-04"), "KRW", takings,
			settlement.Earned{Revenue: 7500, Fee: 23, PosFee: 15000, OperatingProfit: -7523},
		},
		"a month under the second": {
			period(calendar.SettlementMonth, "2025-03-05"), "KRW", takings,
			settlement.Earned{Revenue: 7500, Fee: 23, PosFee: 16000, OperatingProfit: -8523},
		},
		"a month in dollars": {
			period(calendar.SettlementMonth, "2025-03-05"), "USD", takings, settlement.Earned{Revenue: 7500, Fee: 23, OperatingProfit: 7477},
		},
		"nothing": {period(calendar.Day, "2025-03-01"), "KRW", nil, settlement.Earned{}},
	} {
		if got, err := changed.Settle(c.period, store.Bronze, c.currency, c.takings); got != c.want || err != nil {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
	month := period(calendar.SettlementMonth, "2025-03-05")
	for name, takings := range map[string][]settlement.Taking{
		"revenue": {{Amount: math.MaxInt64}, {Amount: 1}}, "fees": {{Fee: math.MaxInt64 - 15999}},
		"profit": {{Amount: math.MinInt64, Fee: 1}},
	} {
		if got, err := changed.Settle(month, store.Bronze, "KRW", takings); !errors.Is(err, money.ErrOverflow) || got != (settlement.Earned{}) {
			t.Errorf("%s beyond what an int64 holds: %+v, %v", name, got, err)
		}
	}
}
