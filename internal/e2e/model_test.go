package e2e

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// bill is a paid tab as the model knows it. Nothing here shares code with the product.
type bill struct {
	date     time.Time // business date on which it was closed, at midnight UTC
	lines    []sale
	payments []paid
}

// sale is one line of an order, with the product as it was at that moment.
type sale struct {
	product  product
	quantity int64
}

func (s sale) amount() int64 { return s.product.Price * s.quantity }

// paid is one payment; company is "" for cash.
type paid struct {
	company string
	amount  int64
}

// permille is what a card company keeps of a thousand.
var permille = map[string]int64{"": 0, "K": 4, "H": 6, "S": 8}

func (p paid) fee() int64 { return p.amount * permille[p.company] / 1000 }

func (b *bill) amount() (sum int64) {
	for _, s := range b.lines {
		sum += s.amount()
	}
	return sum
}

func (b *bill) due() int64 {
	due := b.amount()
	for _, p := range b.payments {
		due -= p.amount
	}
	return due
}

// span is a half-open range of dates.
type span struct{ from, to time.Time }

const dateForm = "2006-01-02"

func (s span) start() string { return s.from.Format(dateForm) }
func (s span) end() string   { return s.to.Format(dateForm) }

func dayOf(d time.Time) span { return span{d, d.AddDate(0, 0, 1)} }

func weekOf(d time.Time) span {
	for d.Weekday() != time.Monday {
		d = d.AddDate(0, 0, -1)
	}
	return span{d, d.AddDate(0, 0, 7)}
}

// monthOf is the month that begins on a day of the month and holds d.
func monthOf(d time.Time, day int) span {
	for d.Day() != day {
		d = d.AddDate(0, 0, -1)
	}
	return span{d, d.AddDate(0, 1, 0)}
}

// statisticsSpan is the period of a term that holds d.
func statisticsSpan(term string, d time.Time) span {
	switch term {
	case "WEEK":
		return weekOf(d)
	case "MONTH":
		return monthOf(d, 1)
	}
	return dayOf(d)
}

// book is all that a store has sold, in the order in which the tabs closed.
type book []*bill

func (b book) within(s span) book {
	var in book
	for _, bill := range b {
		if !bill.date.Before(s.from) && bill.date.Before(s.to) {
			in = append(in, bill)
		}
	}
	return in
}

func (b book) revenue() (sum int64) {
	for _, bill := range b {
		sum += bill.amount()
	}
	return sum
}

func (b book) items() (sum int64) {
	for _, bill := range b {
		for _, s := range bill.lines {
			sum += s.quantity
		}
	}
	return sum
}

// fees are by card company, those that were paid with.
func (b book) fees() map[string]int64 {
	fees := map[string]int64{}
	for _, bill := range b {
		for _, p := range bill.payments {
			if p.company != "" {
				fees[p.company] += p.fee()
			}
		}
	}
	return fees
}

// sold lists what was sold of each product and category, under the name that it was sold under last: the highest
// amount (or count) first, equal ones by name.
func (b book) sold(sort string) []statisticsItem {
	type key struct{ id, category string }
	sums := map[key]*statisticsItem{}
	for _, bill := range b {
		for _, s := range bill.lines {
			k := key{s.product.ProductID, s.product.Category}
			if sums[k] == nil {
				sums[k] = &statisticsItem{ProductID: k.id, Category: k.category}
			}
			sums[k].Name = s.product.Name
			sums[k].SaleCount += s.quantity
			sums[k].SaleAmount += s.amount()
		}
	}
	return slices.SortedFunc(func(yield func(statisticsItem) bool) {
		for item := range maps.Values(sums) {
			if !yield(*item) {
				return
			}
		}
	}, func(x, y statisticsItem) int {
		if sort == "COUNT" {
			return cmp.Or(cmp.Compare(y.SaleCount, x.SaleCount), cmp.Compare(x.Name, y.Name))
		}
		return cmp.Or(cmp.Compare(y.SaleAmount, x.SaleAmount), cmp.Compare(x.Name, y.Name))
	})
}
