package salescsv_test

import (
	stdcmp "cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"daybook/commands"
	"daybook/domain/calendar"
	"daybook/domain/money"
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

// read reads a file as one of a store in New York. The error is a *commands.FileError if the file has faults.
func read(t testing.TB, file string, currency money.Currency) ([]commands.Sale, error) {
	t.Helper()
	dir := t.TempDir()
	var faults commands.Faults
	f, err := salescsv.Read(strings.NewReader(file), salescsv.Options{Dir: dir, Currency: currency, Hours: newYork(t)}, &faults, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files can be seen: %v, %v", left, err)
	}
	var sales [2][]commands.Sale
	for i := range sales {
		for sale, err := range f.Sales() {
			if err != nil {
				t.Fatal(err)
			}
			sales[i] = append(sales[i], sale)
		}
	}
	if !reflect.DeepEqual(sales[0], sales[1]) {
		t.Error("the second time it is another file")
	}
	return sales[0], faults.Err()
}

func TestOrdersAreGathered(t *testing.T) {
	file := "\ufeff\"unit_price\",note,category,order_id,quantity,product_name,product_code,ordered_at\r\n" +
		"13.25,x,Classic,1,1,\"The \"\"Hawaiian\"\" Pizza, (M)\",haw_m,2015-07-01T11:38:36\r\n" +
		"16,,Classic,2,10000000,Deluxe,dlx,2015-01-01 23:59:59\r\n" +
		"10000000,,Drink,1,2,Wine,wine,2015-07-01T11:38:36\r\n"
	got, err := read(t, file, "USD")
	if err != nil {
		t.Fatal(err)
	}
	zone := newYork(t).Zone
	want := []commands.Sale{
		{OrderID: "2", At: time.Date(2015, 1, 1, 23, 59, 59, 0, zone), Line: 3, Lines: []commands.SaleLine{
			{Code: "dlx", Name: "Deluxe", Category: "Classic", Quantity: 10_000_000, UnitPrice: 1600},
		}},
		{OrderID: "1", At: time.Date(2015, 7, 1, 11, 38, 36, 0, zone), Line: 2, Lines: []commands.SaleLine{
			{Code: "haw_m", Name: "The \"Hawaiian\" Pizza, (M)", Category: "Classic", Quantity: 1, UnitPrice: 1325},
			{Code: "wine", Name: "Wine", Category: "Drink", Quantity: 2, UnitPrice: 1_000_000_000},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRowsInAnyOrder: a file that is larger than what is sorted in memory says the same however its rows are ordered.
func TestRowsInAnyOrder(t *testing.T) {
	const orders = 20_000
	long := strings.Repeat("long ", 16)
	random := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2015, 1, 1, 10, 0, 0, 0, time.UTC)
	var rows []string
	for n := range 3 * orders {
		id := n % orders // so that the rows of an order are far from each other
		rows = append(rows, fmt.Sprintf("order %d,%s,code %d,A %sname %d,Classic,%d,%d.%02d\n",
			id, at.Add(time.Duration(id%5000)*time.Hour).Format("2006-01-02T15:04:05"), n%50, long, n%50, n%7+1, n%30, n%100))
	}
	// Clocks that were put forward swallow an hour; no sale is in it.
	rows = slices.DeleteFunc(rows, func(row string) bool { return strings.Contains(row, "T02:") || strings.Contains(row, "2015-03-08") })
	sorted := func() []commands.Sale {
		sales, err := read(t, header+strings.Join(rows, ""), "USD")
		if err != nil {
			t.Fatal(err)
		}
		for i := range sales {
			slices.SortFunc(sales[i].Lines, func(a, b commands.SaleLine) int {
				return stdcmp.Or(strings.Compare(a.Code, b.Code), int(a.Quantity-b.Quantity), int(a.UnitPrice-b.UnitPrice))
			})
			sales[i].Line = 0
		}
		return sales
	}
	first := sorted()
	if len(first) < orders/2 || len(first[0].Lines) != 3 {
		t.Fatalf("%d orders", len(first))
	}
	if !slices.IsSortedFunc(first, func(a, b commands.Sale) int { return a.At.Compare(b.At) }) {
		t.Error("sales are not in the order of time")
	}
	random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	if !reflect.DeepEqual(first, sorted()) {
		t.Error("shuffled, the file says something else")
	}
}

// TestBadRowsAreNamed: each of these is the fourth line of a file whose other lines are good.
func TestBadRowsAreNamed(t *testing.T) {
	good := func(n int) string { return fmt.Sprintf("%d,2015-01-01T11:38:36,haw,Hawaiian,Classic,1,13.25\n", n) }
	for name, c := range map[string]struct{ row, column string }{
		"date":               {"9,2015-02-30T10:00:00,haw,Hawaiian,Classic,1,13.25", "ordered_at"},
		"time":               {"9,2015-01-01T25:00:00,haw,Hawaiian,Classic,1,13.25", "ordered_at"},
		"zone":               {"9,2015-01-01T10:00:00Z,haw,Hawaiian,Classic,1,13.25", "ordered_at"},
		"year 1":             {"9,0001-01-01T10:00:00,haw,Hawaiian,Classic,1,13.25", "ordered_at"},
		"year 1900":          {"9,1900-01-01T10:00:00,haw,Hawaiian,Classic,1,13.25", "ordered_at"},
		"the day before":     {"9,1969-12-31T23:59:59,haw,Hawaiian,Classic,1,13.25", "ordered_at"},
		"no time":            {"9,,haw,Hawaiian,Classic,1,13.25", "ordered_at"},
		"clocks put forward": {"9,2015-03-08T02:30:00,haw,Hawaiian,Classic,1,13.25", "ordered_at"},
		"too many decimals":  {"9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,13.255", "unit_price"},
		"negative price":     {"9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,-13.25", "unit_price"},
		"no price":           {"9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,", "unit_price"},
		"price too high":     {"9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,10000000.01", "unit_price"},
		"price in words":     {"9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,1e3", "unit_price"},
		"price overflows":    {"9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,99999999999999999999", "unit_price"},
		"quantity 0":         {"9,2015-01-01T10:00:00,haw,Hawaiian,Classic,0,13.25", "quantity"},
		"quantity -1":        {"9,2015-01-01T10:00:00,haw,Hawaiian,Classic,-1,13.25", "quantity"},
		"quantity 1.5":       {"9,2015-01-01T10:00:00,haw,Hawaiian,Classic,1.5,13.25", "quantity"},
		"quantity 10000001":  {"9,2015-01-01T10:00:00,haw,Hawaiian,Classic,10000001,13.25", "quantity"},
		"no name":            {"9,2015-01-01T10:00:00,haw,,Classic,1,13.25", "product_name"},
		"no code":            {"9,2015-01-01T10:00:00,,Hawaiian,Classic,1,13.25", "product_code"},
		"no category":        {"9,2015-01-01T10:00:00,haw,Hawaiian,,1,13.25", "category"},
		"no order":           {",2015-01-01T10:00:00,haw,Hawaiian,Classic,1,13.25", "order_id"},
		"fewer fields":       {"9,2015-01-01T10:00:00,haw,Hawaiian", ""},
		"a stray quote":      {"9,2015-01-01T10:00:00,ha\"w,Hawaiian,Classic,1,13.25", ""},
		"order at two times": {"1,2015-01-01T10:00:00,haw,Hawaiian,Classic,1,13.25", "ordered_at"},
		"name no UTF-8":      {"9,2015-01-01T10:00:00,haw,\xff,Classic,1,13.25", "product_name"},
		"name of two lines":  {"9,2015-01-01T10:00:00,haw,\"a\nb\",Classic,1,13.25", "product_name"},
		"name too long":      {"9,2015-01-01T10:00:00,haw," + strings.Repeat("n", 101) + ",Classic,1,13.25", "product_name"},
		"order id too long":  {strings.Repeat("9", 101) + ",2015-01-01T10:00:00,haw,Hawaiian,Classic,1,13.25", "order_id"},
	} {
		t.Run(name, func(t *testing.T) {
			file := header + good(1) + good(2) + c.row + "\n" + good(3)
			_, err := read(t, file, "USD")
			var bad *commands.FileError
			if !errors.As(err, &bad) || bad.Count != 1 || bad.First[0].Line != 4 || bad.First[0].Column != c.column {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestAllFaultsAreNamed: every bad row, and in a row every bad column; a hundred are listed.
func TestAllFaultsAreNamed(t *testing.T) {
	file := header + "1,2015-01-01T11:38:36,haw,Hawaiian,Classic,0,x\n" + // two
		"2,2015-01-01T11:38:36,haw,Hawaiian\n" + // one
		"3,2015-01-01T11:38:36,haw,Hawaiian,Classic,1,13.25\n" +
		"4,never,ha\"w,Hawaiian,Classic,1,13.25\n" + // one: it cannot be told where columns begin
		"3,2015-01-02T11:38:36,haw,Hawaiian,Classic,1,13.25\n" // one
	_, err := read(t, file, "USD")
	var bad *commands.FileError
	if !errors.As(err, &bad) {
		t.Fatal(err)
	}
	var got []string
	for _, f := range bad.First {
		got = append(got, fmt.Sprint(f.Line, " ", f.Column))
	}
	if want := []string{"2 quantity", "2 unit_price", "3 ", "5 ", "6 ordered_at"}; !slices.Equal(got, want) {
		t.Errorf("%q: %v", got, err)
	}
	_, err = read(t, file+strings.Repeat("7,2015-01-01T11:38:36,haw,Hawaiian,Classic,0,1\n", 1000), "USD")
	if !errors.As(err, &bad) || bad.Count != 1005 || len(bad.First) != 100 || bad.First[99].Line != 101 {
		t.Errorf("%v", err)
	}
}

func TestBadHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		file   string
		faults int
	}{
		"empty":             {"", 1},
		"a column missing":  {strings.Replace(header, "quantity,", "", 1), 1},
		"a column twice":    {strings.Replace(header, "quantity,", "quantity,quantity,", 1), 1},
		"another file":      {"date;time;ticket\n1;2;3\n", 7},
		"a quote in a word": {"order\"_id,ordered_at\n", 1},
	} {
		sales, err := read(t, c.file, "USD")
		var bad *commands.FileError
		if !errors.As(err, &bad) || bad.Count != c.faults || bad.First[0].Line != 1 || len(sales) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	sales, err := read(t, header, "USD")
	var bad *commands.FileError
	if !errors.As(err, &bad) || bad.Count != 1 || bad.First[0].Line != 2 || len(sales) > 0 {
		t.Errorf("no rows: %v", err)
	}
}

func TestTooManyLinesOfOneOrder(t *testing.T) {
	row := "1,2015-01-01T11:38:36,haw,Hawaiian,Classic,1,13.25\n"
	if _, err := read(t, header+strings.Repeat(row, 200), "USD"); err != nil {
		t.Error(err)
	}
	_, err := read(t, header+strings.Repeat(row, 300), "USD")
	var bad *commands.FileError
	if !errors.As(err, &bad) || bad.Count != 1 || bad.First[0].Line != 202 || bad.First[0].Column != "order_id" {
		t.Error(err)
	}
}

// TestQuoteThatIsNotClosed: it does not take the rest of a long file into memory.
func TestQuoteThatIsNotClosed(t *testing.T) {
	row := "1,2015-01-01T11:38:36,haw,Hawaiian,Classic,1,13.25\n"
	_, err := read(t, header+row+"\"2"+strings.Repeat(row, 100_000), "USD")
	var bad *commands.FileError
	if !errors.As(err, &bad) || bad.Count != 1 || bad.First[0].Line != 3 {
		t.Error(err)
	}
	_, err = read(t, header+row+"\"2"+row, "USD")
	if !errors.As(err, &bad) || bad.Count != 1 || bad.First[0].Line != 3 {
		t.Error(err)
	}
}

// TestPricesOfACurrency: the highest price is in main units.
func TestPricesOfACurrency(t *testing.T) {
	row := func(price string) string { return header + "1,2015-01-01T11:38:36,steak,Steak,Main,1," + price + "\n" }
	for currency, minor := range map[money.Currency]int64{"KRW": 10_000_000, "IDR": 1_000_000_000, "KWD": 10_000_000_000} {
		sales, err := read(t, row("10000000"), currency)
		if err != nil || sales[0].Lines[0].UnitPrice != minor {
			t.Errorf("%s: %v, %v", currency, sales, err)
		}
		if _, err := read(t, row("10000001"), currency); err == nil {
			t.Errorf("%s: one more was taken", currency)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(header + "1,2015-01-01T11:38:36,haw,Hawaiian,Classic,1,13.25\n")
	f.Add("\"\n,")
	f.Fuzz(func(t *testing.T, file string) {
		sales, _ := read(t, file, "USD")
		for _, s := range sales {
			if len(s.Lines) == 0 || s.OrderID == "" {
				t.Errorf("%+v", s)
			}
		}
	})
}

// TestProgressIsTold: how many rows were read grows, and then how many of them are in order, up to all.
func TestProgressIsTold(t *testing.T) {
	const rows = 3500
	var file strings.Builder
	file.WriteString(header)
	for n := range rows {
		fmt.Fprintf(&file, "%d,1970-01-01T00:00:00,haw,Hawaiian,Classic,1,13.25\n", n/2)
	}
	var faults commands.Faults
	var told [][2]int
	options := salescsv.Options{Dir: t.TempDir(), Currency: "USD", Hours: newYork(t)}
	f, err := salescsv.Read(strings.NewReader(file.String()), options, &faults, func(read, sorted int) { told = append(told, [2]int{read, sorted}) })
	if err := errors.Join(err, faults.Err()); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := [][2]int{{1000, 0}, {2000, 0}, {3000, 0}, {rows, 0}, {rows, 1000}, {rows, 2000}, {rows, 3000}, {rows, rows}}
	if diff := cmp.Diff(want, told); diff != "" || f.Orders() != rows/2 {
		t.Errorf("%d orders, %s", f.Orders(), diff)
	}
}
