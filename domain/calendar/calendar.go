// Package calendar knows business dates and the periods made of them: days, weeks, months, settlement months.
//
// Not here: the clock (callers bring the time), time zone files (callers bring the location), holidays.
package calendar

import (
	"errors"
	"fmt"
	"time"
)

// Date is a day of the calendar, without a time or zone. The zero value is no date. Dates are ordered by <, and the
// number of days between two is their difference. JSON and text form: yyyy-mm-dd.
type Date int32

// ErrDate: a text or a triple of numbers is not a date between 0001-01-01 and 9999-12-31.
var ErrDate = errors.New("not a date yyyy-mm-dd")

// epoch is the Unix day number of the day before 0001-01-01, which makes that day Date 1.
const epoch = -719163

const secondsPerDay = 24 * 60 * 60

// On returns the date of a year, month and day, or ErrDate if there is no such day.
func On(year int, month time.Month, day int) (Date, error) {
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if y, m, d := t.Date(); y != year || m != month || d != day || y < 1 || y > 9999 {
		return 0, fmt.Errorf("%w: %d-%d-%d", ErrDate, year, month, day)
	}
	return dateOf(t), nil
}

// Parse reads yyyy-mm-dd, or returns ErrDate.
func Parse(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1 {
		return 0, fmt.Errorf("%w: %.32q", ErrDate, text)
	}
	return dateOf(t), nil
}

// MustParse is Parse for constants; it panics.
func MustParse(text string) Date {
	d, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return d
}

// dateOf is the date that t's clock shows, t being UTC.
func dateOf(t time.Time) Date { return Date(floorDiv(t.Unix(), secondsPerDay) - epoch) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// utc is midnight of d in UTC, which the standard library's calendar works on.
func (d Date) utc() time.Time { return time.Unix((int64(d)+epoch)*secondsPerDay, 0).UTC() }

// Civil returns the year, month and day of d.
func (d Date) Civil() (year int, month time.Month, day int) { return d.utc().Date() }

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday { return d.utc().Weekday() }

// String writes yyyy-mm-dd, or "" for no date.
func (d Date) String() string {
	if d == 0 {
		return ""
	}
	return d.utc().Format(time.DateOnly)
}

// MarshalText writes d as String does.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Date) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*d = 0
		return nil
	}
	*d, err = Parse(string(text))
	return err
}
