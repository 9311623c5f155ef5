package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// imported is the last line that an import prints.
type imported struct {
	StoreID                string
	Orders, Lines, Skipped int
	Amount                 int64
	Currency               string
}

func readImported(t testing.TB, stdout string) imported {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var is imported
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &is); err != nil {
		t.Fatalf("the last line is not an object: %v\n%s", err, stdout)
	}
	return is
}

// TestImport imports a year of sales, offline and into a running server. The sums of every day, week and month are
// those of the rows, and a second run adds nothing.
func TestImport(t *testing.T) {
	file := writeSales(t, 1, 5000)
	t.Run("offline", func(t *testing.T) {
		in := install(t)
		first := in.importWhole(t, file)
		in.importNothing(t, file, first)
		in.serve()
		file.check(t, in, first.StoreID)
	})
	t.Run("served", func(t *testing.T) {
		in := install(t)
		in.serve()
		first := in.importWhole(t, file)
		in.importNothing(t, file, first)
		file.check(t, in, first.StoreID)
	})
	t.Run("event store", func(t *testing.T) {
		small := writeSales(t, 3, 300)
		in := install(t, eventStore(t)...)
		first := in.importWhole(t, small)
		in.importNothing(t, small, first)
		in.serve()
		small.check(t, in, first.StoreID)
	})
}

// TestSecondImportWithOtherFlags: what was imported is there, whatever is said of how it was paid, or if nothing is said.
func TestSecondImportWithOtherFlags(t *testing.T) {
	file := writeSales(t, 4, 50)
	in := install(t)
	first := in.importWhole(t, file)
	before := in.logEntries()
	again := []string{"import", "sales", file.path, "--new-store", "Little Italy", "--owner", "anna"}
	for _, flags := range [][]string{nil, {"--payment-method", "CASH"}, {"--payment-method", "CARD", "--card-company", "S"}} {
		is := readImported(t, in.succeed(append(again, flags...)...))
		if want := (imported{first.StoreID, 0, 0, first.Orders, 0, "USD"}); is != want {
			t.Errorf("with %v: %+v, want %+v", flags, is, want)
		}
	}
	in.refused(append(again, "--currency", "EUR"), "the store has another currency")
	if now := in.logEntries(); now != before {
		t.Errorf("%s entries, before %s", now, before)
	}
}

// importMemoryMax is what an import may take, in KiB, however many orders it has.
const importMemoryMax = 300 << 10

// TestImportTakesLittleMemory imports a hundred thousand orders, whose rows are far from each other.
func TestImportTakesLittleMemory(t *testing.T) {
	const orders = 100_000
	path := filepath.Join(t.TempDir(), "sales.csv")
	var text strings.Builder
	text.WriteString("order_id,ordered_at,product_code,product_name,category,quantity,unit_price\n")
	first := time.Date(2020, 1, 1, 8, 0, 0, 0, time.UTC)
	for n := range 2 * orders {
		id := n % orders
		at := first.Add(time.Duration(id*7919%orders) * 10 * time.Minute)
		fmt.Fprintf(&text, "%d,%s,p%d,Product %d,Category %d,1,%d.25\n", id, at.Format("2006-01-02T15:04:05"), n%50, n%50, n%5, n%40)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := install(t).command(t.Context(), "import", "sales", path, "--new-store", "Large", "--owner", "anna", "--currency", "USD")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if is := readImported(t, string(out)); is.Orders != orders || is.Lines != 2*orders {
		t.Errorf("imported %+v", is)
	}
	took := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	t.Logf("%d MiB", took>>10)
	if took > importMemoryMax {
		t.Errorf("it took %d MiB", took>>10)
	}
}

// importWhole imports a file that was not imported before.
func (in *installation) importWhole(t testing.TB, f *salesFile) imported {
	t.Helper()
	is := readImported(t, in.succeed(f.importArgs()...))
	want := imported{is.StoreID, len(f.book), f.rows, 0, f.book.revenue(), "USD"}
	if is != want || is.StoreID == "" {
		t.Fatalf("imported %+v, want %+v", is, want)
	}
	return is
}

// importNothing imports a file again: nothing is added to the log.
func (in *installation) importNothing(t testing.TB, f *salesFile, first imported) {
	t.Helper()
	before := in.logEntries()
	is := readImported(t, in.succeed(f.importArgs()...))
	if want := (imported{first.StoreID, 0, 0, first.Orders, 0, "USD"}); is != want {
		t.Fatalf("imported again %+v, want %+v", is, want)
	}
	if now := in.logEntries(); now != before {
		t.Fatalf("%q after the second import, before it %q", now, before)
	}
}

var entriesLine = regexp.MustCompile(`log +(\d+) entries`)

// logEntries is how many entries the log has, as verify says.
func (in *installation) logEntries() string {
	in.t.Helper()
	out := in.succeed("verify")
	found := entriesLine.FindStringSubmatch(out)
	if found == nil {
		in.t.Fatalf("verify does not say how many entries there are:\n%s", out)
	}
	return found[1]
}

// check compares the figures of the whole year with the file.
func (f *salesFile) check(t testing.TB, in *installation, storeID string) {
	t.Helper()
	r := &restaurant{owner: in.owner("anna"), storeID: storeID}
	w := wanted{f.withIDs(t, r), "USD", 0, 5}
	first := time.Date(salesYear, 1, 1, 0, 0, 0, 0, time.UTC)
	end := first.AddDate(1, 0, 0)
	for _, term := range []string{"DAY", "WEEK", "MONTH"} {
		s := statisticsSpan(term, first)
		want := salesRows{Term: term, Currency: "USD"}
		path := r.path("/statistics/sales?term=%s&from=%s&to=%s", term, s.start(), end.Format(dateForm))
		for ; s.from.Before(end); s = statisticsSpan(term, s.to) {
			want.Items = append(want.Items, w.row(s))
		}
		ask(t, r.owner, path, "", want)
	}
	for month := first; month.Before(end); month = month.AddDate(0, 1, 0) {
		r.checkFigures(t, w, month.AddDate(0, 0, int(month.Month())))
		s := monthOf(month, 5)
		ask(t, r.owner, r.path("/settlements?term=MONTH&start=%s", s.start()), "", w.settlement("MONTH", s))
		ask(t, r.owner, r.path("/settlements/detail?term=MONTH&start=%s", s.start()), "", w.detail("MONTH", s))
	}
	for _, clocks := range []time.Time{time.Date(salesYear, 3, 9, 0, 0, 0, 0, time.UTC), time.Date(salesYear, 11, 2, 0, 0, 0, 0, time.UTC)} {
		r.checkFigures(t, w, clocks)
		r.checkFigures(t, w, clocks.AddDate(0, 0, 1))
	}
}

// withIDs is what the file says, with the ids that the store gave to its products.
func (f *salesFile) withIDs(t testing.TB, r *restaurant) book {
	t.Helper()
	var menu struct{ Products []product }
	r.owner.get(t, r.path("/products"), "", &menu)
	ids := map[string]string{}
	for _, p := range menu.Products {
		ids[p.Name] = p.ProductID
	}
	known := make(book, len(f.book))
	for i, b := range f.book {
		with := *b
		with.lines = slices.Clone(b.lines)
		for j := range with.lines {
			with.lines[j].product.ProductID = ids[with.lines[j].product.Name]
		}
		known[i] = &with
	}
	return known
}
