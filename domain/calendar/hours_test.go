package calendar_test

import (
	"errors"
	"testing"
	"time"
	_ "time/tzdata" // for machines that have no time zone files

	"daybook/domain/calendar"
)

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestOpeningByHand: when the business day of a date begins, computed from the rules that the places published.
func TestOpeningByHand(t *testing.T) {
	for _, c := range []struct {
		zone     string
		date     string
		closeout int
		opening  string // UTC
	}{
		// No changes: Korea is nine hours ahead, Nepal five and three quarters.
		{"Asia/Seoul", "2024-12-01", 0, "2024-11-30T15:00:00Z"},
		{"Asia/Seoul", "2024-12-01", 4, "2024-11-30T19:00:00Z"},
		{"Asia/Seoul", "2024-12-01", 11, "2024-12-01T02:00:00Z"},
		{"Asia/Kathmandu", "2024-01-01", 0, "2023-12-31T18:15:00Z"},
		{"Asia/Kathmandu", "2024-01-01", 6, "2024-01-01T00:15:00Z"},
		// Forward at 02:00 -05 = 07:00Z, back at 02:00 -04 = 06:00Z.
		{"America/New_York", "2024-03-10", 0, "2024-03-10T05:00:00Z"},
		{"America/New_York", "2024-03-10", 1, "2024-03-10T06:00:00Z"},
		{"America/New_York", "2024-03-10", 2, "2024-03-10T07:00:00Z"}, // never shown: the change
		{"America/New_York", "2024-03-10", 3, "2024-03-10T07:00:00Z"},
		{"America/New_York", "2024-03-10", 4, "2024-03-10T08:00:00Z"},
		{"America/New_York", "2024-11-03", 0, "2024-11-03T04:00:00Z"},
		{"America/New_York", "2024-11-03", 1, "2024-11-03T05:00:00Z"}, // shown twice: the first
		{"America/New_York", "2024-11-03", 2, "2024-11-03T07:00:00Z"},
		// Forward and back at 01:00Z.
		{"Europe/Berlin", "2024-03-31", 2, "2024-03-31T01:00:00Z"},
		{"Europe/Berlin", "2024-03-31", 3, "2024-03-31T01:00:00Z"},
		{"Europe/Berlin", "2024-10-27", 2, "2024-10-27T00:00:00Z"},
		{"Europe/Berlin", "2024-10-27", 3, "2024-10-27T02:00:00Z"},
		// Half an hour: forward at 02:00 +10:30 = 15:30Z the day before, back at 02:00 +11 = 15:00Z the day before.
		{"Australia/Lord_Howe", "2024-10-06", 2, "2024-10-05T15:30:00Z"},
		{"Australia/Lord_Howe", "2024-10-06", 3, "2024-10-05T16:00:00Z"},
		{"Australia/Lord_Howe", "2024-04-07", 1, "2024-04-06T14:00:00Z"},
		{"Australia/Lord_Howe", "2024-04-07", 2, "2024-04-06T15:30:00Z"},
		// At midnight: forward at 00:00 -05, back from 01:00 -04 to 00:00, both 05:00Z.
		{"America/Havana", "2024-03-10", 0, "2024-03-10T05:00:00Z"},
		{"America/Havana", "2024-03-10", 1, "2024-03-10T05:00:00Z"},
		{"America/Havana", "2024-11-03", 0, "2024-11-03T04:00:00Z"},
		{"America/Havana", "2024-11-03", 1, "2024-11-03T06:00:00Z"},
		// Forward at 00:00 -03; back from 24:00 -02 to 23:00 of the same day, so that midnight itself comes once.
		{"America/Sao_Paulo", "2018-11-04", 0, "2018-11-04T03:00:00Z"},
		{"America/Sao_Paulo", "2018-02-18", 0, "2018-02-18T03:00:00Z"},
		// Ramadan: back from 03:00 +01 to 02:00 at 02:00Z, forward again at 02:00 +00.
		{"Africa/Casablanca", "2023-03-19", 2, "2023-03-19T01:00:00Z"},
		{"Africa/Casablanca", "2023-03-19", 3, "2023-03-19T03:00:00Z"},
		{"Africa/Casablanca", "2023-04-23", 2, "2023-04-23T02:00:00Z"},
		{"Africa/Casablanca", "2023-04-23", 3, "2023-04-23T02:00:00Z"},
		// From -10 to +14 at the end of 29 December: the 30th was never.
		{"Pacific/Apia", "2011-12-29", 4, "2011-12-29T14:00:00Z"},
		{"Pacific/Apia", "2011-12-30", 0, "2011-12-30T10:00:00Z"},
		{"Pacific/Apia", "2011-12-31", 0, "2011-12-30T10:00:00Z"},
		{"Pacific/Apia", "2011-12-30", 4, "2011-12-30T10:00:00Z"},
		{"Pacific/Apia", "2011-12-31", 4, "2011-12-30T14:00:00Z"},
	} {
		hours := calendar.Hours{Zone: zone(t, c.zone), Closeout: c.closeout}
		got := hours.Opening(calendar.MustParse(c.date))
		if !got.Equal(moment(t, c.opening)) {
			t.Errorf("%s, close-out %d: %s opens at %s, want %s", c.zone, c.closeout, c.date, got.UTC(), c.opening)
		}
	}
}

func TestBusinessDateByHand(t *testing.T) {
	for _, c := range []struct {
		zone     string
		closeout int
		at       string
		date     string
	}{
		{"Asia/Seoul", 0, "2024-12-01T23:59:59.999999999+09:00", "2024-12-01"},
		{"Asia/Seoul", 0, "2024-12-02T00:00:00+09:00", "2024-12-02"},
		{"Asia/Seoul", 4, "2024-12-02T01:30:00+09:00", "2024-12-01"}, // the evening before
		{"Asia/Seoul", 4, "2024-12-02T03:59:59.999999999+09:00", "2024-12-01"},
		{"Asia/Seoul", 4, "2024-12-02T04:00:00+09:00", "2024-12-02"},
		{"Asia/Seoul", 4, "2024-12-01T19:00:00Z", "2024-12-02"}, // the caller's offset does not matter
		{"America/New_York", 2, "2024-03-10T01:59:59-05:00", "2024-03-09"},
		{"America/New_York", 2, "2024-03-10T03:00:00-04:00", "2024-03-10"},
		{"America/New_York", 1, "2024-11-03T00:59:59-04:00", "2024-11-02"},
		{"America/New_York", 1, "2024-11-03T01:30:00-04:00", "2024-11-03"},
		{"America/New_York", 1, "2024-11-03T01:00:00-05:00", "2024-11-03"}, // the second time: the day stays open
		{"America/New_York", 2, "2024-11-03T01:30:00-05:00", "2024-11-02"},
		{"Europe/Berlin", 3, "2024-10-27T02:30:00+01:00", "2024-10-26"},
		{"America/Havana", 0, "2024-11-03T00:30:00-05:00", "2024-11-03"},
		{"America/Sao_Paulo", 0, "2018-02-17T23:30:00-03:00", "2018-02-17"},
		{"America/Sao_Paulo", 0, "2018-11-04T01:00:00-02:00", "2018-11-04"},
		{"Pacific/Apia", 0, "2011-12-29T23:59:59-10:00", "2011-12-29"},
		{"Pacific/Apia", 0, "2011-12-31T00:00:00+14:00", "2011-12-31"},
		{"Pacific/Apia", 4, "2011-12-31T03:59:59+14:00", "2011-12-30"}, // what is left of the business day without a date
		{"Pacific/Apia", 4, "2011-12-31T04:00:00+14:00", "2011-12-31"},
		{"UTC", 0, "1969-12-31T23:59:59.5Z", "1969-12-31"},
		{"UTC", 0, "0001-01-01T00:00:00Z", "0001-01-01"},
	} {
		hours := calendar.Hours{Zone: zone(t, c.zone), Closeout: c.closeout}
		if got := hours.BusinessDate(moment(t, c.at)); got != calendar.MustParse(c.date) {
			t.Errorf("%s, close-out %d: %s belongs to %s, want %s", c.zone, c.closeout, c.at, got, c.date)
		}
	}
}

func TestAtByHand(t *testing.T) {
	for _, c := range []struct {
		zone, date, clock string
		at                string // "": the wall never showed it
	}{
		{"Asia/Seoul", "2024-12-01", "18h30m", "2024-12-01T09:30:00Z"},
		{"Asia/Seoul", "2024-12-01", "0s", "2024-11-30T15:00:00Z"},
		{"Asia/Seoul", "2024-12-01", "23h59m59.5s", "2024-12-01T14:59:59.5Z"},
		{"America/New_York", "2024-03-10", "1h59m59s", "2024-03-10T06:59:59Z"},
		{"America/New_York", "2024-03-10", "2h", ""},
		{"America/New_York", "2024-03-10", "2h59m59s", ""},
		{"America/New_York", "2024-03-10", "3h", "2024-03-10T07:00:00Z"},
		{"America/New_York", "2024-11-03", "1h30m", "2024-11-03T05:30:00Z"},
		{"America/New_York", "2024-11-03", "2h", "2024-11-03T07:00:00Z"},
		{"Australia/Lord_Howe", "2024-10-06", "2h15m", ""},
		{"Australia/Lord_Howe", "2024-10-06", "2h30m", "2024-10-05T15:30:00Z"},
		{"Australia/Lord_Howe", "2024-04-07", "1h45m", "2024-04-06T14:45:00Z"},
		{"America/Havana", "2024-03-10", "0s", ""},
		{"America/Havana", "2024-11-03", "30m", "2024-11-03T04:30:00Z"},
		{"America/Sao_Paulo", "2018-02-17", "23h30m", "2018-02-18T01:30:00Z"},
		{"Pacific/Apia", "2011-12-30", "0s", ""},
		{"Pacific/Apia", "2011-12-30", "12h", ""},
		{"Pacific/Apia", "2011-12-30", "23h59m", ""},
		{"Pacific/Apia", "2011-12-31", "0s", "2011-12-30T10:00:00Z"},
	} {
		clock, err := time.ParseDuration(c.clock)
		if err != nil {
			t.Fatal(err)
		}
		// The close-out hour does not matter: At is about calendar dates.
		got, err := calendar.Hours{Zone: zone(t, c.zone), Closeout: 6}.At(calendar.MustParse(c.date), clock)
		switch {
		case c.at == "" && (!errors.Is(err, calendar.ErrNoSuchTime) || !got.IsZero()):
			t.Errorf("%s %s %s is %s, %v, want ErrNoSuchTime", c.zone, c.date, c.clock, got, err)
		case c.at != "" && (err != nil || !got.Equal(moment(t, c.at))):
			t.Errorf("%s %s %s is %s, %v, want %s", c.zone, c.date, c.clock, got.UTC(), err, c.at)
		}
	}
}

// TestMomentsAreToldInTheZone: what is stored and shown carries the restaurant's offset.
func TestMomentsAreToldInTheZone(t *testing.T) {
	hours := calendar.Hours{Zone: zone(t, "America/New_York"), Closeout: 2}
	at, err := hours.At(calendar.MustParse("2024-11-03"), 90*time.Minute)
	if got := at.Format(time.RFC3339); err != nil || got != "2024-11-03T01:30:00-04:00" {
		t.Errorf("At is %s, %v", got, err)
	}
	for date, want := range map[string]string{
		"2024-03-10": "2024-03-10T03:00:00-04:00", // a gap
		"2024-07-01": "2024-07-01T02:00:00-04:00",
		"2024-12-01": "2024-12-01T02:00:00-05:00",
	} {
		if got := hours.Opening(calendar.MustParse(date)).Format(time.RFC3339); got != want {
			t.Errorf("%s opens at %s, want %s", date, got, want)
		}
	}
}
