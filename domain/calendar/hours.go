package calendar

import (
	"errors"
	"fmt"
	"time"
)

// Hours say which business date a moment belongs to: business day d runs from the close-out hour of d, on the clock on
// the wall of the restaurant, to the same hour of the next day. A sale at 01:30 belongs to the evening before if the
// close-out hour is 4.
type Hours struct {
	Zone     *time.Location
	Closeout int // hour of the day, 0 to 11
}

// ErrNoSuchTime: clocks were put forward over a local time.
var ErrNoSuchTime = errors.New("no such local time")

// Opening is the moment at which business day d begins. If clocks are put forward over the close-out hour, it is the
// moment of the change; if they are put back over it, the first of the two.
func (h Hours) Opening(d Date) time.Time {
	t, _ := h.local(d, time.Duration(h.Closeout)*time.Hour)
	return t
}

// BusinessDate is the business date of a moment: the last d whose Opening is not after t.
func (h Hours) BusinessDate(t time.Time) Date {
	wall := t.In(h.Zone)
	_, offset := wall.Zone()
	d := dateOf(time.Unix(wall.Unix()+int64(offset), 0).UTC())
	// The wall's date is right or one off; only a change of the clocks makes more of it.
	for !h.Opening(d + 1).After(t) {
		d++
	}
	for h.Opening(d).After(t) {
		d--
	}
	return d
}

// At is the moment at which the wall showed a time of a calendar date (not business date), given as the time since
// midnight. If the clocks showed it twice it is the first; if never, At returns ErrNoSuchTime.
func (h Hours) At(d Date, sinceMidnight time.Duration) (time.Time, error) {
	t, shown := h.local(d, sinceMidnight)
	if !shown {
		return time.Time{}, fmt.Errorf("%w: %s %s in %s", ErrNoSuchTime, d, sinceMidnight, h.Zone)
	}
	return t, nil
}

// local finds the first moment at which the wall shows a time, and whether it ever does; if it does not, the moment at
// which the clocks jump over it.
func (h Hours) local(d Date, sinceMidnight time.Duration) (t time.Time, shown bool) {
	wall := d.utc().Add(sinceMidnight)
	// Two days apart there is at most one change, so these are the only offsets that can apply; before comes first.
	before := wall.Add(-24 * time.Hour).In(h.Zone)
	after := wall.Add(24 * time.Hour).In(h.Zone)
	for _, near := range []time.Time{before, after} {
		_, offset := near.Zone()
		t := wall.Add(-time.Duration(offset) * time.Second).In(h.Zone)
		if _, now := t.Zone(); now == offset {
			return t, true
		}
	}
	_, change := before.ZoneBounds()
	return change.In(h.Zone), false
}
