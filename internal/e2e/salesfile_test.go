package e2e

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// salesFile is a year of sales of a restaurant in New York that closes its books at four in the morning.
type salesFile struct {
	path string
	book book // what it says, one bill for each order
	rows int
}

const (
	salesYear     = 2024 // clocks change on 10 March and on 3 November
	salesCloseout = 4
)

// writeSales generates a file of orders, the same for the same seed: rows and columns in no order, columns that nobody
// asked for, a byte order mark, CRLF, names with commas and quotes, sales after midnight, and more than usual on the
// days on which clocks change.
func writeSales(t testing.TB, seed uint64, orders int) *salesFile {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 2))
	menu := make([]product, 25)
	for i := range menu {
		menu[i] = product{
			ProductID: fmt.Sprintf("code %d", i), Name: fmt.Sprintf(`Pizza "%d", large`, i),
			Category: []string{"Classic", "Veggie", "DRINK"}[i%3],
		}
	}
	f := &salesFile{path: filepath.Join(t.TempDir(), "sales.csv")}
	var rows [][]string
	for n := range orders {
		at := saleTime(random, n)
		b := &bill{date: salesDate(at)}
		for range 1 + random.IntN(4) {
			p := menu[random.IntN(len(menu))]
			p.Price = int64(random.IntN(4000)) // prices come and go; some things are for free
			b.lines = append(b.lines, sale{p, 1 + random.Int64N(5)})
		}
		if b.amount() == 0 {
			b.lines[0].product.Price = 1
		}
		b.payments = []paid{{"K", b.amount()}}
		f.book = append(f.book, b)
		for _, s := range b.lines {
			rows = append(rows, []string{
				fmt.Sprint("order ", n), at.Format("2006-01-02T15:04:05"), s.product.ProductID, s.product.Name, s.product.Category,
				fmt.Sprint(s.quantity), fmt.Sprintf("%d.%02d", s.product.Price/100, s.product.Price%100), "a note, with a comma", "x",
			})
		}
	}
	random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	header := []string{"order_id", "ordered_at", "product_code", "product_name", "category", "quantity", "unit_price", "note", "waiter"}
	f.rows = len(rows)
	f.write(t, append([][]string{header}, rows...), random.Perm(len(header)))
	return f
}

// write writes rows with their columns in another order.
func (f *salesFile) write(t testing.TB, rows [][]string, columns []int) {
	t.Helper()
	var text strings.Builder
	text.WriteString("\ufeff")
	w := csv.NewWriter(&text)
	w.UseCRLF = true
	for _, row := range rows {
		shuffled := make([]string, len(row))
		for i, column := range columns {
			shuffled[i] = row[column]
		}
		if err := w.Write(shuffled); err != nil {
			t.Fatal(err)
		}
	}
	if w.Flush(); w.Error() != nil {
		t.Fatal(w.Error())
	}
	if err := os.WriteFile(f.path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// saleTime is a local time between ten in the morning and close-out, written as if it were UTC. Every tenth sale is in
// the nights on which clocks change.
func saleTime(random *rand.Rand, n int) time.Time {
	day := time.Date(salesYear, 1, 1+random.IntN(366), 0, 0, 0, 0, time.UTC)
	switch n % 20 {
	case 0:
		day = time.Date(salesYear, 3, 9, 0, 0, 0, 0, time.UTC)
	case 10:
		day = time.Date(salesYear, 11, 2, 0, 0, 0, 0, time.UTC)
	}
	for {
		at := day.Add(10*time.Hour + time.Duration(random.IntN(18*3600))*time.Second)
		gap := time.Date(salesYear, 3, 10, 2, 0, 0, 0, time.UTC)
		if at.Before(gap) || !at.Before(gap.Add(time.Hour)) {
			return at
		}
	}
}

// salesDate is the business date of a local time: what is sold before close-out belongs to the day before.
func salesDate(at time.Time) time.Time {
	date := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	if at.Hour() < salesCloseout {
		date = date.AddDate(0, 0, -1)
	}
	return date
}

// importArgs is the command line that imports the file into a new store of anna's.
func (f *salesFile) importArgs() []string {
	return []string{
		"import", "sales", f.path, "--new-store", "Little Italy", "--owner", "anna", "--time-zone", "America/New_York", "--currency", "USD",
		"--closeout-hour", fmt.Sprint(salesCloseout), "--settlement-day", "5", "--payment-method", "CARD", "--card-company", "K",
	}
}
