package settlement

import (
	"daybook/domain/calendar"
	"daybook/domain/money"
	"daybook/domain/store"
)

// Taking is what a period took by one method and card company, and what the company kept of it, in minor units.
type Taking struct{ Amount, Fee int64 }

// Earned is what a period earned, in minor units. OperatingProfit = Revenue - Fee - PosFee.
type Earned struct {
	Revenue         int64 // all that was taken
	Fee             int64 // what card companies kept of it
	PosFee          int64 // of the store's grade; in a settlement month only
	OperatingProfit int64
}

// Settle sums up what a store's period earned, by the policy that holds at its beginning. Error: money.ErrOverflow.
func (all Policies) Settle(
	p calendar.Period, grade store.Grade, currency money.Currency, takings []Taking,
) (e Earned, err error) {
	if p.Term == calendar.SettlementMonth {
		e.PosFee = all.On(p.Start).MonthlyFee(grade, currency).Minor
	}
	revenue, fees := money.Zero(currency), money.Money{Minor: e.PosFee, Currency: currency}
	for _, t := range takings {
		if revenue, err = revenue.Plus(money.Money{Minor: t.Amount, Currency: currency}); err != nil {
			return Earned{}, err
		}
		if fees, err = fees.Plus(money.Money{Minor: t.Fee, Currency: currency}); err != nil {
			return Earned{}, err
		}
	}
	profit, err := revenue.Minus(fees)
	if err != nil {
		return Earned{}, err
	}
	e.Revenue, e.Fee, e.OperatingProfit = revenue.Minor, fees.Minor-e.PosFee, profit.Minor
	return e, nil
}
