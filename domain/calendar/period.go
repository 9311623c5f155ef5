package calendar

import (
	"errors"
	"fmt"
	"time"
)

// Term is a kind of period.
type Term string

const (
	Day             Term = "DAY"              // one business day
	Week            Term = "WEEK"             // Monday to Sunday
	Month           Term = "MONTH"            // a calendar month
	SettlementMonth Term = "SETTLEMENT_MONTH" // from a store's settlement day to the day before the next one
)

// Terms are all kinds of period.
var Terms = []Term{Day, Week, Month, SettlementMonth}

// SettlementDays are the days of the month on which a store may begin its settlement months. All exist in every month.
var SettlementDays = []int{1, 5, 10, 15, 20, 25}

// ErrMisaligned: a date is not the first day of a period of its term.
var ErrMisaligned = errors.New("not the first day of its period")

// Period is a half-open range of business dates: Start belongs to it, End is the first day after it.
type Period struct {
	Term       Term
	Start, End Date
}

// Containing returns the period of a term that contains a date. The settlement day matters to SettlementMonth only.
// An unknown term gives the zero Period.
func Containing(term Term, d Date, settlementDay int) Period {
	switch term {
	case Day:
		return Period{Day, d, d + 1}
	case Week:
		monday := d - Date((d.Weekday()+6)%7)
		return Period{Week, monday, monday + 7}
	case Month:
		return monthFrom(Month, d, 1)
	case SettlementMonth:
		return monthFrom(SettlementMonth, d, settlementDay)
	}
	return Period{}
}

// monthFrom returns the month that begins on a day of the month (1 to 28) and contains d.
func monthFrom(term Term, d Date, day int) Period {
	year, month, today := d.Civil()
	if today < day {
		month--
	}
	start := dateOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
	end := dateOf(time.Date(year, month+1, day, 0, 0, 0, 0, time.UTC))
	return Period{term, start, end}
}

// Starting returns the period of a term that begins on a date, or ErrMisaligned if none does.
func Starting(term Term, start Date, settlementDay int) (Period, error) {
	p := Containing(term, start, settlementDay)
	if p.Start != start || start == 0 {
		return Period{}, fmt.Errorf("%w: %s is not the first day of a %s", ErrMisaligned, start, term)
	}
	return p, nil
}

// Next returns the period right after p.
func (p Period) Next() Period {
	_, _, day := p.Start.Civil()
	return Containing(p.Term, p.End, day)
}

// Contains reports whether a date belongs to p.
func (p Period) Contains(d Date) bool { return p.Start <= d && d < p.End }
