package calendar_test

import (
	"errors"
	"sort"
	"sync"
	"testing"
	"time"

	"daybook/domain/calendar"

	"pgregory.net/rapid"
)

// zones have, together, every kind of clock change there is: by an hour, half an hour, two hours and a whole day, at
// midnight, on the hour and off it, with and against the sun, in the week and around Ramadan, and none.
var zones = []string{
	"UTC", "Asia/Seoul", "America/Adak", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Pyongyang", "Asia/Tehran", "Asia/Amman",
	"Asia/Gaza", "Asia/Hovd", "America/New_York", "America/Los_Angeles", "America/St_Johns", "America/Caracas",
	"America/Havana", "America/Sao_Paulo", "America/Asuncion", "America/Nuuk", "America/Scoresbysund",
	"Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Istanbul", "Europe/Volgograd", "Africa/Casablanca",
	"Africa/Cairo", "Africa/Juba", "Australia/Lord_Howe", "Australia/Sydney", "Antarctica/Troll", "Antarctica/Casey",
	"Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Norfolk",
}

// changes returns the moments between two at which the clocks of a zone are changed. It asks for the offset day by day,
// and does not use ZoneBounds, on which the code relies.
func changes(z *time.Location, from, to time.Time) (all []time.Time) {
	offset := func(t time.Time) int {
		_, offset := t.In(z).Zone()
		return offset
	}
	const day = 24 * 60 * 60
	for t := from; t.Before(to); t = t.Add(day * time.Second) {
		at := func(second int) time.Time { return t.Add(time.Duration(second) * time.Second) }
		if offset(t) != offset(at(day)) {
			all = append(all, at(sort.Search(day, func(second int) bool { return offset(at(second)) != offset(t) })))
		}
	}
	return all
}

// stretch is a time during which the clocks of a zone were not changed.
type stretch struct {
	from, to time.Time // half-open
	offset   time.Duration
}

// stretches returns those from three days before a moment to three days after.
func stretches(z *time.Location, t time.Time) (all []stretch) {
	from, to := t.Add(-72*time.Hour), t.Add(72*time.Hour)
	for _, end := range append(changes(z, from, to), to) {
		_, offset := from.In(z).Zone()
		all = append(all, stretch{from, end, time.Duration(offset) * time.Second})
		from = end
	}
	return all
}

// opening is the first moment at which the wall shows a time or a later one: Opening in other words.
func opening(z *time.Location, wall time.Time) time.Time {
	for _, s := range stretches(z, wall) {
		t := wall.Add(-s.offset)
		if t.Before(s.from) {
			t = s.from
		}
		if t.Before(s.to) {
			return t
		}
	}
	panic("the wall never gets there")
}

// shown is the first moment at which the wall shows exactly a time: At in other words.
func shown(z *time.Location, wall time.Time) (time.Time, bool) {
	for _, s := range stretches(z, wall) {
		if t := wall.Add(-s.offset); !t.Before(s.from) && t.Before(s.to) {
			return t, true
		}
	}
	return time.Time{}, false
}

// wallTime is a time of a date, as if the wall hung in Greenwich.
func wallTime(d calendar.Date, since time.Duration) time.Time {
	year, month, day := d.Civil()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Add(since)
}

// changesOf are the changes of each zone from 2000 to 2030.
var changesOf = sync.OnceValue(func() map[string][]time.Time {
	all := map[string][]time.Time{}
	for _, name := range zones {
		if z, err := time.LoadLocation(name); err == nil { // a test that uses the zone fails of it
			all[name] = changes(z, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC))
		}
	}
	return all
})

// fatal is what the checks need of a test, be it rapid's.
type fatal interface {
	Helper()
	Fatalf(string, ...any)
}

// checkDate checks the Opening of one date.
func checkDate(t fatal, h calendar.Hours, d calendar.Date) {
	t.Helper()
	got, want := h.Opening(d), opening(h.Zone, wallTime(d, time.Duration(h.Closeout)*time.Hour))
	if !got.Equal(want) {
		t.Fatalf("%s, close-out %d: %s opens at %s, want %s", h.Zone, h.Closeout, d, got.UTC(), want.UTC())
	}
	if next := h.Opening(d + 1); next.Before(got) {
		t.Fatalf("%s, close-out %d: %s opens after the next day does", h.Zone, h.Closeout, d)
	}
}

// checkMoment checks that a moment is in its business day, and returns that.
func checkMoment(t fatal, h calendar.Hours, at time.Time) calendar.Date {
	t.Helper()
	d := h.BusinessDate(at)
	if from, to := h.Opening(d), h.Opening(d+1); at.Before(from) || !at.Before(to) {
		t.Fatalf("%s, close-out %d: %s is said to belong to %s, from %s to %s", h.Zone, h.Closeout, at.UTC(), d, from.UTC(), to.UTC())
	}
	return d
}

// TestBusinessDaysAroundEveryClockChange looks at every change of thirty years in every zone, with every close-out hour.
func TestBusinessDaysAroundEveryClockChange(t *testing.T) {
	for _, name := range zones {
		z := zone(t, name)
		for _, change := range changesOf()[name] {
			for closeout := range 12 {
				h := calendar.Hours{Zone: z, Closeout: closeout}
				around := h.BusinessDate(change)
				for d := around - 2; d <= around+2; d++ {
					checkDate(t, h, d)
				}
				checkMoments(t, h, change)
			}
		}
	}
}

// checkMoments checks the time around a change, moment after moment: business dates never go back.
func checkMoments(t *testing.T, h calendar.Hours, change time.Time) {
	t.Helper()
	const step = 30 * time.Minute
	var before calendar.Date
	for at := change.Add(-2 * time.Hour); at.Before(change.Add(2 * time.Hour)); at = at.Add(step) {
		for _, at := range []time.Time{at.Add(-1), at} {
			d := checkMoment(t, h, at)
			if d < before {
				t.Fatalf("%s, close-out %d: at %s the business date goes back from %s to %s", h.Zone, h.Closeout, at, before, d)
			}
			before = d
		}
	}
}

// hours draws the hours of a restaurant somewhere.
func hours(t *rapid.T) calendar.Hours {
	name := rapid.SampledFrom(zones).Draw(t, "zone")
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return calendar.Hours{Zone: z, Closeout: rapid.IntRange(0, 11).Draw(t, "closeout")}
}

// someTime draws a moment from 1970 to 2100, often one near a change of the clocks or near an opening.
func someTime(t *rapid.T, h calendar.Hours, label string) time.Time {
	at := time.Unix(rapid.Int64Range(0, 4102444800).Draw(t, label), 0)
	if near := changesOf()[h.Zone.String()]; len(near) > 0 && rapid.Bool().Draw(t, label+" near a change") {
		at = rapid.SampledFrom(near).Draw(t, label+" change")
	}
	if rapid.Bool().Draw(t, label+" near an opening") {
		at = h.Opening(h.BusinessDate(at) + 1)
	}
	return at.Add(time.Duration(rapid.Int64Range(-5, 5).Draw(t, label+" off")) * 15 * time.Minute).
		Add(time.Duration(rapid.Int64Range(-1, 1).Draw(t, label+" ns")))
}

func TestBusinessDatesNeverGoBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := hours(t)
		a := someTime(t, h, "a")
		b := a.Add(time.Duration(rapid.Int64Range(0, int64(72*time.Hour)).Draw(t, "later")))
		dateA, dateB := checkMoment(t, h, a), checkMoment(t, h, b)
		if dateA > dateB {
			t.Fatalf("%s, close-out %d: %s belongs to %s, the later %s to %s", h.Zone, h.Closeout, a, dateA, b, dateB)
		}
		if elsewhere := a.In(time.FixedZone("", -7*60*60)); h.BusinessDate(elsewhere) != dateA {
			t.Fatalf("%s belongs to %s, told with another offset to %s", a, dateA, h.BusinessDate(elsewhere))
		}
	})
}

func TestOpeningIsWhenTheWallGetsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := hours(t)
		checkDate(t, h, h.BusinessDate(someTime(t, h, "t")))
	})
}

func TestAtIsTheFirstTimeTheWallShowsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := hours(t)
		wall := someTime(t, h, "t").In(h.Zone)
		year, month, day := wall.Date()
		d, err := calendar.On(year, month, day)
		if err != nil {
			t.Fatal(err)
		}
		since := rapid.OneOf(
			rapid.Int64Range(0, int64(24*time.Hour)-1),
			rapid.Map(rapid.Int64Range(0, 95), func(n int64) int64 { return n * int64(15*time.Minute) }),
		).Draw(t, "since midnight")
		want, known := shown(h.Zone, wallTime(d, time.Duration(since)))
		got, err := h.At(d, time.Duration(since))
		if known && (err != nil || !got.Equal(want)) || !known && !errors.Is(err, calendar.ErrNoSuchTime) {
			t.Fatalf("%s %s %s is %s, %v, want %s, %v", h.Zone, d, time.Duration(since), got, err, want, known)
		}
	})
}
