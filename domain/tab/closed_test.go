package tab_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daybook/domain/calendar"
	"daybook/domain/event"
	"daybook/domain/money"
	"daybook/domain/tab"
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
}, r *tab.ClosedReader, data []byte) {
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

func TestClosedReader(t *testing.T) {
	var r tab.ClosedReader
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

// Whatever event is encoded, the reader reads it as encoding/json does, and what it read before leaves no trace.
func TestClosedReaderReadsWhatIsEncoded(t *testing.T) {
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
	var r tab.ClosedReader
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
func FuzzClosed(f *testing.F) {
	data, err := json.Marshal(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"storeId":"s","businessDate":"2025-02-30","settlementDay":01,"currency":"","amount":-0,"lines":[],"payments":[],"at":""}`))
	var r tab.ClosedReader
	f.Fuzz(func(t *testing.T, data []byte) { agree(t, &r, data) })
}

func BenchmarkClosedReader(b *testing.B) {
	data, err := event.Encode(whole)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var r tab.ClosedReader
	for b.Loop() {
		if _, err := r.Read(data); err != nil {
			b.Fatal(err)
		}
	}
}
