package calendar_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"daybook/domain/calendar"

	"pgregory.net/rapid"
)

var (
	firstDate = calendar.MustParse("0001-01-01")
	lastDate  = calendar.MustParse("9999-12-31")
)

// anyDate draws one of all dates, often one of this century.
var anyDate = rapid.Map(rapid.OneOf(
	rapid.Int32Range(int32(firstDate), int32(lastDate)),
	rapid.Int32Range(int32(calendar.MustParse("2000-01-01")), int32(calendar.MustParse("2031-01-01"))),
), func(n int32) calendar.Date { return calendar.Date(n) })

// daysOf counts the days of a month by the rule of the Gregorian calendar.
func daysOf(year int, month time.Month) int {
	switch {
	case month == time.February && (year%4 == 0 && year%100 != 0 || year%400 == 0):
		return 29
	case month == time.February:
		return 28
	case month == time.April, month == time.June, month == time.September, month == time.November:
		return 30
	}
	return 31
}

// TestEveryDate walks through all 3.65 million dates, counting as on a wall calendar.
func TestEveryDate(t *testing.T) {
	want, weekday := firstDate, time.Monday // as the Gregorian calendar, carried back, has it
	for year := 1; year <= 9999; year++ {
		for month := time.January; month <= time.December; month++ {
			for day := 1; day <= daysOf(year, month); day++ {
				d, err := calendar.On(year, month, day)
				if err != nil || d != want {
					t.Fatalf("On(%d, %d, %d) = %d, %v, want %d", year, month, day, d, err, want)
				}
				if y, m, n := d.Civil(); y != year || m != month || n != day || d.Weekday() != weekday {
					t.Fatalf("%d-%d-%d, a %s, is %d-%d-%d, a %s", year, month, day, weekday, y, m, n, d.Weekday())
				}
				want, weekday = want+1, (weekday+1)%7
			}
			checkText(t, want-1, year, month, daysOf(year, month))
			checkText(t, want-calendar.Date(daysOf(year, month)), year, month, 1)
		}
	}
	if want-1 != lastDate || firstDate != 1 {
		t.Errorf("the calendar goes from %d to %d, counted to %d", firstDate, lastDate, want-1)
	}
}

// checkText checks a date's text against its numbers, both ways.
func checkText(t *testing.T, d calendar.Date, year int, month time.Month, day int) {
	t.Helper()
	want := fmt.Sprintf("%04d-%02d-%02d", year, month, day)
	if got := d.String(); got != want {
		t.Fatalf("date %d is written %q, want %q", d, got, want)
	}
	if got, err := calendar.Parse(want); err != nil || got != d {
		t.Fatalf("Parse(%s) = %d, %v, want %d", want, got, err, d)
	}
}

func TestTextAndJSONGoRound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDate.Draw(t, "date")
		if got := calendar.MustParse(d.String()); got != d {
			t.Fatalf("%s is read as %s", d, got)
		}
		data, err := json.Marshal(map[string]calendar.Date{"date": d})
		var back map[string]calendar.Date
		if err != nil || json.Unmarshal(data, &back) != nil || back["date"] != d {
			t.Fatalf("%s goes round as %s to %s, %v", d, data, back["date"], err)
		}
		e := anyDate.Draw(t, "other")
		if (d < e) != (d.String() < e.String()) {
			t.Fatalf("%s and %s are ordered otherwise than their texts", d, e)
		}
	})
}

func TestNoDate(t *testing.T) {
	var none calendar.Date
	data, err := json.Marshal(none)
	if err != nil || string(data) != `""` || none.String() != "" {
		t.Errorf("no date is written %s, %q, %v", data, none, err)
	}
	for _, text := range []string{`""`, `null`} {
		d := none
		if err := json.Unmarshal([]byte(text), &d); err != nil || d != none {
			t.Errorf("%s is read as %v, %v", text, d, err)
		}
	}
}

func TestOnRefusesWhatIsNoDate(t *testing.T) {
	for _, c := range []struct {
		year  int
		month time.Month
		day   int
	}{
		{0, 12, 31}, {-1, 1, 1}, {10000, 1, 1}, {2023, 2, 29}, {1900, 2, 29}, {2024, 2, 30}, {2024, 4, 31}, {2024, 0, 1},
		{2024, 13, 1}, {2024, 1, 0}, {2024, 1, 32}, {2024, -1, 1}, {math.MaxInt, 1, 1}, {math.MinInt, 1, 1},
		{2024, math.MaxInt, 1}, {2024, 1, math.MinInt},
	} {
		if d, err := calendar.On(c.year, c.month, c.day); !errors.Is(err, calendar.ErrDate) || d != 0 {
			t.Errorf("On(%d, %d, %d) = %v, %v, want ErrDate", c.year, c.month, c.day, d, err)
		}
	}
}

var notDates = []string{
	"", " ", "2024", "2024-1-1", "2024-01-1", "24-01-01", "2024-01-01 ", " 2024-01-01", "2024/01/01", "20240101",
	"2024-02-30", "2023-02-29", "2024-13-01", "2024-00-01", "2024-01-00", "0000-12-31", "-001-01-01", "10000-01-01",
	"2024-01-01T00:00:00Z", "２０２４-01-01", "2024-01-0x", "2024-01-01\x00",
}

func TestParseRefusesWhatIsNoDate(t *testing.T) {
	for _, text := range notDates {
		if d, err := calendar.Parse(text); !errors.Is(err, calendar.ErrDate) || d != 0 {
			t.Errorf("Parse(%q) = %v, %v, want ErrDate", text, d, err)
		}
		var d calendar.Date
		if err := d.UnmarshalText([]byte(text)); text != "" && !errors.Is(err, calendar.ErrDate) {
			t.Errorf("UnmarshalText(%q) = %v, %v, want ErrDate", text, d, err)
		}
	}
}

func TestMustParsePanics(t *testing.T) {
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, calendar.ErrDate) {
			t.Errorf("panicked with %v, want ErrDate", err)
		}
	}()
	calendar.MustParse("yesterday")
}

func FuzzParse(f *testing.F) {
	for _, text := range append(notDates, "2024-02-29", "0001-01-01", "9999-12-31", "1970-01-01", "2000-02-29") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var year, day int
		var month time.Month
		n, _ := fmt.Sscanf(text, "%4d-%2d-%2d", &year, &month, &day)
		plain := n == 3 && fmt.Sprintf("%04d-%02d-%02d", year, month, day) == text
		want, wantErr := calendar.On(year, month, day)
		got, err := calendar.Parse(text)
		switch {
		case plain && wantErr == nil && (err != nil || got != want || got.String() != text):
			t.Errorf("Parse(%q) = %v, %v, want %v", text, got, err, want)
		case (!plain || wantErr != nil) && (!errors.Is(err, calendar.ErrDate) || got != 0):
			t.Errorf("Parse(%q) = %v, %v, want ErrDate", text, got, err)
		}
	})
}
