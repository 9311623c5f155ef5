package e2e

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
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
