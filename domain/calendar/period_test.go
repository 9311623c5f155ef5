package calendar_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"daybook/domain/calendar"

	"pgregory.net/rapid"
)

// tiling is one way to cut the calendar into periods.
type tiling struct {
	term          calendar.Term
	settlementDay int
}

// tilings are all ways: the settlement day counts for settlement months only.
var tilings = func() []tiling {
	var all []tiling
	for _, term := range calendar.Terms {
		if term != calendar.SettlementMonth {
			all = append(all, tiling{term, 1})
		}
	}
	for _, day := range calendar.SettlementDays {
		all = append(all, tiling{calendar.SettlementMonth, day})
	}
	return all
}()

func (c tiling) String() string { return fmt.Sprintf("%s from day %d", c.term, c.settlementDay) }

// length is how many days the period that starts on a date has.
func (c tiling) length(start calendar.Date) int {
	year, month, _ := start.Civil()
	switch c.term {
	case calendar.Day:
		return 1
	case calendar.Week:
		return 7
	}
	return daysOf(year, month)
}

// first reports whether a period starts on a date.
func (c tiling) first(d calendar.Date) bool {
	_, _, day := d.Civil()
	switch c.term {
	case calendar.Day:
		return true
	case calendar.Week:
		return d.Weekday() == time.Monday
	case calendar.Month:
		return day == 1
	}
	return day == c.settlementDay
}

func TestTerms(t *testing.T) {
	want := []calendar.Term{calendar.Day, calendar.Week, calendar.Month, calendar.SettlementMonth}
	if !slices.Equal(calendar.Terms, want) || !slices.Equal(calendar.SettlementDays, []int{1, 5, 10, 15, 20, 25}) {
		t.Errorf("terms %v, settlement days %v", calendar.Terms, calendar.SettlementDays)
	}
}

// TestPeriodsTileTheCalendar asks for the period of every day of a century and a half, with all leap rules in it, and
// finds each day in exactly one period, and the periods adjoining.
func TestPeriodsTileTheCalendar(t *testing.T) {
	for _, c := range tilings {
		var current calendar.Period
		for d := calendar.MustParse("1896-01-01"); d < calendar.MustParse("2051-01-01"); d++ {
			got := calendar.Containing(c.term, d, c.settlementDay)
			switch {
			case current == calendar.Period{}: // the first one may have begun before
			case current.Contains(d) && got != current:
				t.Fatalf("%s: %s is in %v and in %v", c, d, current, got)
			case !current.Contains(d) && (got.Start != d || got != current.Next()):
				t.Fatalf("%s: after %v comes %v, or %v", c, current, got, current.Next())
			}
			if current = got; !got.Contains(d) || !c.first(got.Start) || got.Term != c.term || int(got.End-got.Start) != c.length(got.Start) {
				t.Fatalf("%s: %s is said to be in %v", c, d, got)
			}
		}
	}
}

func TestPeriodsOfAnyDate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, c := anyDate.Draw(t, "date"), rapid.SampledFrom(tilings).Draw(t, "tiling")
		p := calendar.Containing(c.term, d, c.settlementDay)
		if !p.Contains(d) || !p.Contains(p.Start) || p.Contains(p.End) || p.Contains(p.Start-1) || !p.Contains(p.End-1) {
			t.Fatalf("%s: %s in %v, which is not half-open", c, d, p)
		}
		if !c.first(p.Start) || !c.first(p.End) || int(p.End-p.Start) != c.length(p.Start) {
			t.Fatalf("%s: %v", c, p)
		}
		for inside := p.Start; inside < p.End; inside++ {
			if got := calendar.Containing(c.term, inside, c.settlementDay); got != p {
				t.Fatalf("%s: %s is in %v, its neighbour %s in %v", c, d, p, inside, got)
			}
		}
		next := p.Next()
		if next != calendar.Containing(c.term, p.End, c.settlementDay) || next.Start != p.End {
			t.Fatalf("%s: after %v comes %v", c, p, next)
		}
	})
}

func TestStartingTakesFirstDaysOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, c := anyDate.Draw(t, "date"), rapid.SampledFrom(tilings).Draw(t, "tiling")
		checkStarting(t, c, d)
		checkStarting(t, c, calendar.Containing(c.term, d, c.settlementDay).End)
	})
}

func checkStarting(t *rapid.T, c tiling, d calendar.Date) {
	p, err := calendar.Starting(c.term, d, c.settlementDay)
	switch {
	case c.first(d) && (err != nil || p != calendar.Containing(c.term, d, c.settlementDay) || p.Start != d):
		t.Fatalf("%s: starting on %s is %v, %v", c, d, p, err)
	case !c.first(d) && (!errors.Is(err, calendar.ErrMisaligned) || p != calendar.Period{}):
		t.Fatalf("%s: starting on %s is %v, %v, want ErrMisaligned", c, d, p, err)
	}
}

func TestNoPeriod(t *testing.T) {
	d := calendar.MustParse("2024-12-01")
	for _, term := range []calendar.Term{"", "day", "YEAR"} {
		if p := calendar.Containing(term, d, 1); p != (calendar.Period{}) {
			t.Errorf("Containing(%q) = %v", term, p)
		}
		if p, err := calendar.Starting(term, d, 1); !errors.Is(err, calendar.ErrMisaligned) {
			t.Errorf("Starting(%q) = %v, %v, want ErrMisaligned", term, p, err)
		}
	}
	for _, term := range calendar.Terms {
		if p, err := calendar.Starting(term, 0, 1); !errors.Is(err, calendar.ErrMisaligned) {
			t.Errorf("%s: no date starts %v, %v, want ErrMisaligned", term, p, err)
		}
	}
	if (calendar.Period{}).Contains(0) || (calendar.Period{}).Contains(d) {
		t.Error("no period contains a date")
	}
}

func TestPeriodsByHand(t *testing.T) {
	for _, c := range []struct {
		term          calendar.Term
		settlementDay int
		date          string
		start, end    string
	}{
		{calendar.Day, 1, "2024-02-29", "2024-02-29", "2024-03-01"},
		{calendar.Day, 1, "2024-12-31", "2024-12-31", "2025-01-01"},
		{calendar.Week, 1, "2024-12-01", "2024-11-25", "2024-12-02"}, // a Sunday
		{calendar.Week, 1, "2024-12-02", "2024-12-02", "2024-12-09"}, // a Monday
		{calendar.Week, 1, "2025-01-01", "2024-12-30", "2025-01-06"},
		{calendar.Month, 25, "2024-02-10", "2024-02-01", "2024-03-01"}, // statistics know no settlement day
		{calendar.Month, 1, "2024-12-31", "2024-12-01", "2025-01-01"},
		{calendar.SettlementMonth, 1, "2024-12-31", "2024-12-01", "2025-01-01"},
		{calendar.SettlementMonth, 5, "2024-03-04", "2024-02-05", "2024-03-05"},
		{calendar.SettlementMonth, 5, "2024-03-05", "2024-03-05", "2024-04-05"},
		{calendar.SettlementMonth, 10, "2025-01-01", "2024-12-10", "2025-01-10"},
		{calendar.SettlementMonth, 15, "2023-02-28", "2023-02-15", "2023-03-15"},
		{calendar.SettlementMonth, 20, "2024-12-20", "2024-12-20", "2025-01-20"},
		{calendar.SettlementMonth, 25, "2024-01-24", "2023-12-25", "2024-01-25"},
		{calendar.SettlementMonth, 25, "2024-02-29", "2024-02-25", "2024-03-25"},
		{calendar.SettlementMonth, 25, "2024-01-31", "2024-01-25", "2024-02-25"},
	} {
		got := calendar.Containing(c.term, calendar.MustParse(c.date), c.settlementDay)
		want := calendar.Period{Term: c.term, Start: calendar.MustParse(c.start), End: calendar.MustParse(c.end)}
		if got != want {
			t.Errorf("%s from day %d of %s is %v, want %v", c.term, c.settlementDay, c.date, got, want)
		}
	}
}
