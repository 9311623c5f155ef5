package closings_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"daybook/domain/calendar"
	"daybook/domain/event"
	"daybook/domain/money"
	"daybook/domain/tab"
	"daybook/projections/closings"
)

var whole = tab.Closed{
	StoreID: "s1", BusinessDate: calendar.MustParse("2025-01-31"), SettlementDay: 25, Currency: "KRW", Amount: 21500,
	Lines: []tab.Sold{
		{ProductID: "p1", Name: "비빔밥", Category: "MAIN_MENU", Quantity: 2, Amount: 19000},
		{ProductID: "p2", Name: "Cider", Category: "DRINK", Quantity: 1, Amount: 2500},
		{ProductID: "p3", Name: "Water", Category: "DRINK", Quantity: 3},
	},
	Payments: []tab.Tender{{Method: tab.Cash, Amount: 1500}, {Method: tab.Card, CardCompany: "H", Amount: 20000, Fee: 120}},
	At:       time.Date(2025, 1, 31, 21, 30, 15, 123e6, time.FixedZone("", 9*3600)),
}

// agree makes sure that a reader and encoding/json make the same of data: the same event, or both an error.
func agree(t interface {
	Helper()
	Fatalf(string, ...any)
}, r *closings.Reader, data []byte) {
	t.Helper()
	want, wantErr := event.As[tab.Closed, tab.Event](data)
	got, err := r.Read(data)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%s\nthe reader says %v, encoding/json %v", data, err, wantErr)
	}
	if err != nil {
		return
	}
	// Zones have no names in JSON, and a list that was read into kept memory is empty, not nil.
	is, should := *got, want.(tab.Closed)
	if !is.At.Equal(should.At) || is.At.Format(time.RFC3339Nano) != should.At.Format(time.RFC3339Nano) {
		t.Fatalf("%s\nthe reader says %s, encoding/json %s", data, is.At, should.At)
	}
	is.At, should.At = time.Time{}, time.Time{}
	if !reflect.DeepEqual(is, should) {
		t.Fatalf("%s\nthe reader says %+v\nencoding/json  %+v", data, is, should)
	}
}

func TestReader(t *testing.T) {
	var r closings.Reader
	data, err := event.Encode(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{
		string(data), " " + string(data), string(data) + " ", string(data) + "}", string(data[:len(data)-1]), "null", "{}", "[]", "",
		`{"amount":1,"storeId":"s1"}`, `{"STOREID":"s1"}`, `{"storeId":"a","storeId":"b"}`,
	} {
		agree(t, &r, []byte(data))
	}
}

// Lines that name the same have the same number, from event to event, and so have payments; what is not read as encoded
// has none.
func TestReaderNumbers(t *testing.T) {
	var r closings.Reader
	read := func(indent bool, names ...string) (lines, payments []int) {
		t.Helper()
		closed := whole
		closed.Lines, closed.Payments = nil, nil
		for i, name := range names {
			closed.Lines = append(closed.Lines, tab.Sold{ProductID: name[:1], Name: name, Category: "c", Quantity: int64(i)})
			closed.Payments = append(closed.Payments, tab.Tender{Method: tab.Card, CardCompany: name, Amount: int64(i)})
		}
		data, err := event.Encode(closed)
		if err == nil && indent {
			data, err = json.MarshalIndent(closed, "", " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		agree(t, &r, data)
		return r.Numbers()
	}
	for _, c := range []struct {
		indent bool
		names  []string
		want   []int
	}{
		{false, []string{"a", "b", "a"}, []int{0, 1, 0}},
		{false, []string{"c", "b", "a"}, []int{2, 1, 0}},
		{true, []string{"a", "b"}, []int{-1, -1}},
		{false, []string{"a renamed", "b"}, []int{3, 1}},
		{false, []string{"a renamed"}, []int{3}},
	} {
		if lines, payments := read(c.indent, c.names...); !slices.Equal(lines, c.want) || !slices.Equal(payments, c.want) {
			t.Errorf("%q: lines %d, payments %d, want %d", c.names, lines, payments, c.want)
		}
	}
}

// A tab without a payment is read as fast as others: its lines are numbered.
func TestReaderOfAFreeTab(t *testing.T) {
	var r closings.Reader
	free := whole
	free.Amount, free.Lines, free.Payments = 0, free.Lines[2:], []tab.Tender{}
	data, err := event.Encode(free)
	if err != nil {
		t.Fatal(err)
	}
	agree(t, &r, data)
	if lines, payments := r.Numbers(); !slices.Equal(lines, []int{0}) || len(payments) != 0 {
		t.Errorf("lines %d, payments %d", lines, payments)
	}
}

// A reader that met more names than it remembers reads on.
func TestReaderOfManyNames(t *testing.T) {
	var r closings.Reader
	closed, numbered := whole, 0
	for i := range 1500 { // each line with a kilobyte of names, so more than is remembered
		name := fmt.Sprintf("%d%s", i, strings.Repeat("x", 1000))
		closed.Lines = []tab.Sold{{ProductID: name[:8], Name: name, Category: "c", Quantity: 1}}
		data, err := event.Encode(closed)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, &r, data)
		if lines, _ := r.Numbers(); lines[0] >= 0 {
			numbered++
		}
	}
	if numbered < 500 || numbered > 1100 {
		t.Errorf("%d of 1500 names are remembered", numbered)
	}
}

// Times of the same day, in the same zone and in others, with and without fractions.
func TestReaderTimes(t *testing.T) {
	var r closings.Reader
	for _, at := range []string{
		"2025-03-30T00:00:00+01:00", "2025-03-30T23:59:59+01:00", "2025-03-30T12:00:00+02:00", "2025-03-30T12:00:00.5+02:00", "2025-03-30T12:00:00.123456789+02:00",
		"2025-03-30T12:00:00.1234567891+02:00", "2025-03-30T12:00:00Z", "2025-03-30T12:00:00.000Z", "2025-03-30T12:00:00.Z", "2025-03-30T24:00:00Z", "2025-03-30T23:60:00Z",
		"2025-03-30T23:00:60Z", "2025-03-30T23:0:00Z", "2025-03-30T23:00:00", "2025-03-30T2a:00:00Z", "2025-03-30T12.00:00Z", "2025-02-29T12:00:00Z", "2025-03-30 12:00:00Z", "2025-03-31T12:00:00z", "2025-03-31T12:00:00+25:00",
	} {
		data, err := event.Encode(whole)
		if err != nil {
			t.Fatal(err)
		}
		begin := bytes.Index(data, []byte(`"at":`))
		agree(t, &r, append(data[:begin:begin], `"at":"`+at+`"}`...))
	}
}

// Whatever event is encoded, the reader reads it as encoding/json does, and what it read before leaves no trace.
func TestReaderReadsWhatIsEncoded(t *testing.T) {
	texts := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9 &<>"\\]{0,12}`), rapid.Just("비빔밥"), rapid.Just("\xff"))
	amounts := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-10, 1e9))
	sold := rapid.Custom(func(t *rapid.T) tab.Sold {
		return tab.Sold{
			ProductID: texts.Draw(t, "id"), Name: texts.Draw(t, "name"), Category: texts.Draw(t, "category"),
			Quantity: amounts.Draw(t, "quantity"), Amount: amounts.Draw(t, "amount"),
		}
	})
	tender := rapid.Custom(func(t *rapid.T) tab.Tender {
		return tab.Tender{
			Method: tab.Method(texts.Draw(t, "method")), CardCompany: texts.Draw(t, "company"),
			Amount: amounts.Draw(t, "amount"), Fee: amounts.Draw(t, "fee"),
		}
	})
	var r closings.Reader
	rapid.Check(t, func(t *rapid.T) {
		data, err := event.Encode(tab.Closed{
			StoreID: texts.Draw(t, "store"), BusinessDate: calendar.Date(rapid.Int32Range(0, 3_652_059).Draw(t, "date")),
			SettlementDay: rapid.Int().Draw(t, "day"), Currency: money.Currency(texts.Draw(t, "currency")),
			Amount: amounts.Draw(t, "amount"), Lines: rapid.SliceOfN(sold, 0, 4).Draw(t, "lines"),
			Payments: rapid.SliceOfN(tender, 0, 3).Draw(t, "payments"),
			At: time.Unix(rapid.Int64Range(-60e9, 250e9).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).
				In(time.FixedZone("", 60*rapid.IntRange(-23*60, 23*60).Draw(t, "zone"))),
		})
		if err != nil {
			t.Skip("not an event: " + err.Error())
		}
		agree(t, &r, data)
	})
}

// Whatever the bytes, the reader and encoding/json agree.
func FuzzReader(f *testing.F) {
	data, err := json.Marshal(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"storeId":"s","businessDate":"2025-02-30","settlementDay":01,"currency":"","amount":-0,"lines":[],"payments":[],"at":""}`))
	var r closings.Reader
	f.Fuzz(func(t *testing.T, data []byte) { agree(t, &r, data) })
}

func BenchmarkReader(b *testing.B) {
	data, err := event.Encode(whole)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var r closings.Reader
	for b.Loop() {
		if _, err := r.Read(data); err != nil {
			b.Fatal(err)
		}
	}
}

// The catalog reads every name that the tab's catalog reads, to the same event.
func TestCatalogIsTheTabs(t *testing.T) {
	if len(closings.Catalog) != len(tab.Catalog) {
		t.Errorf("%d names, and the tab's catalog has %d", len(closings.Catalog), len(tab.Catalog))
	}
	for name := range tab.Catalog {
		data, err := os.ReadFile(filepath.Join("../../domain/tab/testdata/events", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := closings.Catalog.Decode(name, data)
		want, wantErr := tab.Catalog.Decode(name, data)
		if diff := cmp.Diff(want, got); diff != "" || err != nil || wantErr != nil {
			t.Errorf("%s: %v, %v (-want +got)\n%s", name, err, wantErr, diff)
		}
	}
	data, err := event.Encode(whole)
	if err != nil {
		t.Fatal(err)
	}
	first, err := closings.Catalog.Decode(tab.ClosedType, data)
	if err != nil {
		t.Fatal(err)
	}
	kept := fmt.Sprint(first)
	for n := range 20 { // what was read stays as it was, whatever is read after it
		other := whole
		other.Lines = []tab.Sold{{ProductID: fmt.Sprint(n), Name: "other", Category: "other", Quantity: 7, Amount: 7}}
		other.Payments = []tab.Tender{{Method: tab.Card, CardCompany: "other", Amount: 7, Fee: 7}}
		if data, err = event.Encode(other); err != nil {
			t.Fatal(err)
		}
		if _, err := closings.Catalog.Decode(tab.ClosedType, data); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(first); got != kept {
		t.Errorf("what was read became %s, it was %s", got, kept)
	}
	for _, damaged := range []string{"", "null", "{", "[]"} {
		if e, err := closings.Catalog.Decode(tab.ClosedType, []byte(damaged)); err == nil || e != nil {
			t.Errorf("%q is read as %v", damaged, e)
		}
	}
}
