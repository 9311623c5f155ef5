// Package settlement holds the money rules of the installation, and says what a period earned by them.
//
// Rules are data: a fee policy has a version, and a business date from which it holds. What was charged by one that
// holds no more stays as it was charged, and names its version.
//
// Not here: what was sold and taken (tab), the sums of a period (read models), who may change a rule.
package settlement

import (
	"slices"

	"daybook/domain/calendar"
	"daybook/domain/money"
	"daybook/domain/store"
)

// Version is the number of a fee policy, from 1. In an event, the zero Version is First: there was no other when the
// event was stored.
type Version int

// First is the version of the first policy.
const First Version = 1

// OrFirst is the version, or First for zero.
func (v Version) OrFirst() Version { return max(v, First) }

// Policy says what is charged.
type Policy struct {
	Version Version
	From    calendar.Date // the first business date that it holds for; it holds until the next policy's
	Cards   []CardRate    // the card companies that can be paid with
	Grades  []GradeFee
}

// CardRate is what a card company takes of each payment.
type CardRate struct {
	Company string
	Rate    money.Rate
}

// GradeFee is what a store of a grade pays for each settlement month that begins while the policy holds.
type GradeFee struct {
	Grade store.Grade
	Fee   money.Money
}

// CardRate returns what a card company takes, and whether it can be paid with.
func (p Policy) CardRate(company string) (money.Rate, bool) {
	i := slices.IndexFunc(p.Cards, func(c CardRate) bool { return c.Company == company })
	if i < 0 {
		return 0, false
	}
	return p.Cards[i].Rate, true
}

// MonthlyFee is what a grade costs for a settlement month, in a store's currency. The fee is known in one currency: a
// store of another is charged none.
func (p Policy) MonthlyFee(grade store.Grade, currency money.Currency) money.Money {
	for _, g := range p.Grades {
		if g.Grade == grade && g.Fee.Currency == currency {
			return g.Fee
		}
	}
	return money.Zero(currency)
}

// Policies are all that ever held, in the order of their versions. A policy that holds no more stays in the list, as do
// the card companies of it: there are figures of theirs.
type Policies []Policy

// On returns the policy that holds for a business date.
func (all Policies) On(date calendar.Date) Policy {
	holds := all[0]
	for _, p := range all[1:] {
		if p.From <= date {
			holds = p
		}
	}
	return holds
}

// Of returns the policy of a version, and whether there is one: a newer program may know more.
func (all Policies) Of(v Version) (Policy, bool) {
	if v = v.OrFirst(); int(v) > len(all) {
		return Policy{}, false
	}
	return all[v-1], true
}

// Companies are all card companies that could ever be paid with, in the order in which they came.
func (all Policies) Companies() (companies []string) {
	for _, p := range all {
		for _, c := range p.Cards {
			if !slices.Contains(companies, c.Company) {
				companies = append(companies, c.Company)
			}
		}
	}
	return companies
}

// feePolicies are those of the installation. A change is one more, from a date on; what stands here is never changed.
var feePolicies = Policies{
	{ // the reference system's: CardCompany.feeRate, PosGrade.monthlyFee
		Version: First,
		Cards:   []CardRate{{"K", 4000}, {"H", 6000}, {"S", 8000}},
		Grades: []GradeFee{
			{store.Bronze, money.Money{Minor: 15000, Currency: "KRW"}},
			{store.Silver, money.Money{Minor: 20000, Currency: "KRW"}},
			{store.Gold, money.Money{Minor: 30000, Currency: "KRW"}},
		},
	},
}

// FeePolicies are the fee policies of the installation. They are not to be changed.
func FeePolicies() Policies { return feePolicies }
