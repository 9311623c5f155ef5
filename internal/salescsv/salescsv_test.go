package salescsv_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"daybook/commands"
	"daybook/domain/calendar"
	"daybook/internal/salescsv"
)

const header = "order_id,ordered_at,product_code,product_name,category,quantity,unit_price\n"

func newYork(t testing.TB) calendar.Hours {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return calendar.Hours{Zone: zone, Closeout: 4}
}

func TestOrdersAreGathered(t *testing.T) {
	file := "\ufeffunit_price,note,category,order_id,quantity,product_name,product_code,ordered_at\r\n" +
		"13.25,x,Classic,1,1,\"The \"\"Hawaiian\"\"\nPizza, (M)\",haw_m,2015-01-01T11:38:36\r\n" +
		"16,,Classic,2,10000000,Deluxe,dlx,2015-07-01 23:59:59\r\n" +
		"10000000,,Drink,1,2,Wine,wine,2015-01-01T11:38:36\r\n"
	if _, err := salescsv.Read(strings.NewReader(file), "USD", newYork(t)); err == nil {
		t.Error("a name with a line break was taken")
	}
	file = strings.Replace(file, "\"\"\nPizza", "\"\" Pizza", 1)
	got, err := salescsv.Read(strings.NewReader(file), "USD", newYork(t))
	if err != nil {
		t.Fatal(err)
	}
	zone := newYork(t).Zone
	want := []commands.Sale{
		{OrderID: "1", At: time.Date(2015, 1, 1, 11, 38, 36, 0, zone), Line: 2, Lines: []commands.SaleLine{
			{Code: "haw_m", Name: "The \"Hawaiian\" Pizza, (M)", Category: "Classic", Quantity: 1, UnitPrice: 1325},
			{Code: "wine", Name: "Wine", Category: "Drink", Quantity: 2, UnitPrice: 1_000_000_000},
		}},
		{OrderID: "2", At: time.Date(2015, 7, 1, 23, 59, 59, 0, zone), Line: 3, Lines: []commands.SaleLine{
			{Code: "dlx", Name: "Deluxe", Category: "Classic", Quantity: 10_000_000, UnitPrice: 1600},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestBadRowsAreNamed: each of these is the fourth line of a file whose other lines are good.
func TestBadRowsAreNamed(t *testing.T) {
	good := func(n int) string { return fmt.Sprintf("%d,2015-01-01T11:38:36,haw,Hawaiian,Classic,1,13.25\n", n) }
	for name, row := range map[string]string{
		"date":               "9,2015-02-30T10:00:00,haw,Hawaiian,Classic,1,13.25",
		"time":               "9,2015-01-01T25:00:00,haw,Hawaiian,Classic,1,13.25",
		"zone":               "9,2015-01-01T10:00:00Z,haw,Hawaiian,Classic,1,13.25",
		"no time":            "9,,haw,Hawaiian,Classic,1,13.25",
		"clocks put forward": "9,2015-03-08T02:30:00,haw,Hawaiian,Classic,1,13.25",
		"too many decimals":  "9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,13.255",
		"negative price":     "9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,-13.25",
		"no price":           "9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,",
		"price too high":     "9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,10000000.01",
		"price in words":     "9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,1e3",
		"quantity 0":         "9,2015-01-01T10:00:00,haw,Hawaiian,Classic,0,13.25",
		"quantity -1":        "9,2015-01-01T10:00:00,haw,Hawaiian,Classic,-1,13.25",
		"quantity 1.5":       "9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1.5,13.25",
		"quantity 10000001":  "9,2015-01-01T10:00:00,haw,Hawaiian,Classic,10000001,13.25",
		"no name":            "9,2015-01-01T10:00:00,haw,,Classic,1,13.25",
		"no code":            "9,2015-01-01T10:00:00,,Hawaiian,Classic,1,13.25",
		"no category":        "9,2015-01-01T10:00:00,haw,Hawaiian,,1,13.25",
		"no order":           ",2015-01-01T10:00:00,haw,Hawaiian,Classic,1,13.25",
		"fewer fields":       "9,2015-01-01T10:00:00,haw,Hawaiian",
		"a stray quote":      "9,2015-01-01T10:00:00,ha\"w,Hawaiian,Classic,1,13.25",
		"order at two times": "1,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,13.25",
		"name no UTF-8":      "9,2015-01-01T10:00:00,haw,\xff,Classic,1,13.25",
		"name too long":      "9,2015-01-01T10:00:00,haw," + strings.Repeat("n", 101) + ",Classic,1,13.25",
		"order id too long":  strings.Repeat("9", 101) + ",2015-01-01T10:00:00,haw,Hawaiian,Classic,1,13.25",
	} {
		t.Run(name, func(t *testing.T) {
			file := header + good(1) + good(2) + row + "\n" + good(3)
			sales, err := salescsv.Read(strings.NewReader(file), "USD", newYork(t))
			var bad *salescsv.LineError
			if !errors.As(err, &bad) || bad.Line != 4 || sales != nil {
				t.Errorf("%v, %d sales", err, len(sales))
			}
		})
	}
	for name, file := range map[string]string{
		"empty":            "",
		"a column missing": strings.Replace(header, "quantity,", "", 1),
		"a column twice":   strings.Replace(header, "quantity,", "quantity,quantity,", 1),
	} {
		var bad *salescsv.LineError
		if _, err := salescsv.Read(strings.NewReader(file), "USD", newYork(t)); !errors.As(err, &bad) || bad.Line != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTooManyLinesOfOneOrder(t *testing.T) {
	row := "1,2015-01-01T11:38:36,haw,Hawaiian,Classic,1,13.25\n"
	if _, err := salescsv.Read(strings.NewReader(header+strings.Repeat(row, 200)), "USD", newYork(t)); err != nil {
		t.Error(err)
	}
	var bad *salescsv.LineError
	if _, err := salescsv.Read(strings.NewReader(header+strings.Repeat(row, 201)), "USD", newYork(t)); !errors.As(err, &bad) || bad.Line != 202 {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	hours := newYork(f)
	f.Add(header + "1,2015-01-01T11:38:36,haw,Hawaiian,Classic,1,13.25\n")
	f.Add("\"\n,")
	f.Fuzz(func(t *testing.T, file string) {
		sales, err := salescsv.Read(strings.NewReader(file), "USD", hours)
		for _, s := range sales {
			if err != nil || len(s.Lines) == 0 || s.OrderID == "" {
				t.Errorf("%+v, %v", s, err)
			}
		}
	})
}
