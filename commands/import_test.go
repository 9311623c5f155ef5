package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daybook/commands"
	"daybook/domain/imports"
	"daybook/domain/menu"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
	"daybook/internal/auth"
)

var (
	byCash = commands.Tender{Method: tab.Cash}
	byCard = commands.Tender{Method: tab.Card, CardCompany: "K"}
	unsaid commands.Tender
)

// aWeekAgo is a sale of n soups.
func (r *restaurant) aWeekAgo(id string, n int64) commands.Sale {
	return commands.Sale{OrderID: id, At: r.now.AddDate(0, 0, -7), Line: 2, Lines: []commands.SaleLine{
		{Code: "c1", Name: "Soup", Category: "FOOD", Quantity: n, UnitPrice: 900},
		{Code: "c2", Name: "Tea", Category: "DRINK", Quantity: 1, UnitPrice: 0},
	}}
}

func (r *restaurant) importSales(by commands.Tender, sales ...commands.Sale) (commands.Imported, error) {
	return r.service.ImportSales(r.t.Context(), r.store, commands.Sales(sales), by, func(int, int) {})
}

// TestImportedAgain: a sale that is there already is skipped, however it was paid and however its lines are ordered, and
// refused if something else was sold.
func TestImportedAgain(t *testing.T) {
	r := newRestaurant(t)
	sale := r.aWeekAgo("1", 2)
	reversed := sale
	reversed.Lines = slices.Clone(sale.Lines)
	slices.Reverse(reversed.Lines)
	later := sale
	later.At = later.At.Add(time.Second)
	for name, c := range map[string]struct {
		sale    commands.Sale
		by      commands.Tender
		skipped int
		err     error
	}{
		"the same": {sale, byCash, 1, nil}, "without saying how it was paid": {sale, unsaid, 1, nil}, "by card": {sale, byCard, 1, nil},
		"its lines in another order": {reversed, byCash, 1, nil}, "more": {r.aWeekAgo("1", 3), byCash, 0, commands.ErrImportDiffers},
		"later": {later, byCash, 0, commands.ErrImportDiffers},
	} {
		t.Run(name, func(t *testing.T) {
			if first, err := r.importSales(unsaid, sale); err != nil || first.Orders+first.Skipped != 1 {
				t.Fatalf("%+v, %v", first, err)
			}
			head := r.head()
			is, err := r.importSales(c.by, c.sale)
			if !errors.Is(err, c.err) || is.Orders != 0 || is.Skipped != c.skipped || r.head() != head {
				t.Errorf("%+v, %v, log from %s to %s", is, err, head, r.head())
			}
		})
	}
}

// TestImportsAreKnownForEver: where an imported sale stands, and by what it is known again, never changes.
func TestImportsAreKnownForEver(t *testing.T) {
	r := newRestaurant(t)
	r.store.StoreID = "sgolden"
	sale := commands.Sale{OrderID: "4711", At: time.Date(2024, 2, 3, 18, 30, 0, 0, r.store.Hours.Zone), Lines: r.aWeekAgo("", 2).Lines}
	must(r.importSales(byCard, sale))
	var got []string
	for e, err := range r.log.ReadAll(t.Context(), eventstore.LogRead{Filter: eventstore.Filter{Prefixes: []string{"tab-sgolden-"}}}) {
		var meta struct{ Fingerprint string }
		if err := errors.Join(err, json.Unmarshal(e.Metadata, &meta)); err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Join([]string{e.Stream, e.ID.String(), e.Type, meta.Fingerprint}, " "))
	}
	want := []string{
		"tab-sgolden-import.ikbe76vd6m2xhuy9i ebebaf1e-3430-54cc-a59c-5bc81087bab7 tab.opened.v1 BMWdLdU5/O0Ea4SEnFSqhgozfm9AWkQwxLn2x+KZsYc",
		"tab-sgolden-import.ikbe76vd6m2xhuy9i 4fa78e23-d4e8-53f5-b371-aac215b0289f tab.order_placed.v1 ",
		"tab-sgolden-import.ikbe76vd6m2xhuy9i 01fe7bee-50df-5bc1-8433-1e62ebe14367 tab.payment_completed.v1 ",
		"tab-sgolden-import.ikbe76vd6m2xhuy9i b1f017cb-2fa6-5ff6-a550-45ffa6079ede tab.closed.v1 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestImportIsCheckedWhole: whatever is wrong is found before anything is written, all of it.
func TestImportIsCheckedWhole(t *testing.T) {
	r := newRestaurant(t)
	must(r.importSales(byCash, r.aWeekAgo("there", 1)))
	at := func(line int, s commands.Sale) commands.Sale {
		s.Line = line
		return s
	}
	future, dear := r.aWeekAgo("future", 1), r.aWeekAgo("dear", tab.QuantityMax)
	future.At = r.now.Add(time.Second)
	dear.Lines[0].UnitPrice = menu.PriceMax
	head := r.head()
	sales := []commands.Sale{at(2, r.aWeekAgo("good", 1)), at(3, future), at(4, dear), at(5, r.aWeekAgo("there", 2)), at(6, r.aWeekAgo("none", 0))}
	for n := range 200 {
		sales = append(sales, at(1000+n, r.aWeekAgo(fmt.Sprint("more", n), 0)))
	}
	_, err := r.importSales(byCash, sales...)
	var bad *commands.FileError
	if !errors.As(err, &bad) || bad.Count != 204 || len(bad.First) != commands.FaultsListed {
		t.Fatalf("%v", err)
	}
	for i, want := range []struct {
		line   int
		column string
		err    error
	}{{3, "ordered_at", nil}, {4, "order_id", tab.ErrTooLarge}, {5, "order_id", commands.ErrImportDiffers}, {6, "order_id", tab.ErrQuantity}, {1000, "order_id", tab.ErrQuantity}} {
		if got := bad.First[i]; got.Line != want.line || got.Column != want.column || want.err != nil && !errors.Is(got, want.err) {
			t.Errorf("fault %d: %v", i, got)
		}
	}
	if !strings.Contains(err.Error(), "line 3, column ordered_at: ") || !strings.HasSuffix(err.Error(), "\n  and 104 more") {
		t.Errorf("it says %s", err)
	}
	if r.head() != head {
		t.Errorf("the log went from %s to %s", head, r.head())
	}
	for _, by := range []commands.Tender{{Method: "CHEQUE"}, {Method: tab.Cash, CardCompany: "K"}, {Method: tab.Card}} {
		if _, err := r.importSales(by, sales[0]); err == nil || r.head() != head {
			t.Errorf("paid by %+v: %v", by, err)
		}
	}
}

// TestFreeOrderIsImported: a free order is a closed tab without a payment.
func TestFreeOrderIsImported(t *testing.T) {
	r := newRestaurant(t)
	free := r.aWeekAgo("free", 1)
	free.Lines = free.Lines[1:]
	if is, err := r.importSales(byCard, free); err != nil || is.Orders != 1 || is.Lines != 1 || is.Amount != 0 {
		t.Fatalf("%+v, %v", is, err)
	}
	var types []string
	for e, err := range r.log.ReadAll(t.Context(), eventstore.LogRead{Filter: eventstore.Filter{Prefixes: []string{"tab-"}}}) {
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, e.Type)
	}
	if want := []string{"tab.opened.v1", "tab.order_placed.v1", "tab.closed.v1"}; !slices.Equal(types, want) {
		t.Errorf("the log has %v", types)
	}
}

// failing is a log that takes a number of tabs and no more.
type failing struct {
	eventstore.Store
	takes atomic.Int64
}

var errFull = errors.New("disk is full")

func (f *failing) Append(ctx context.Context, name string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	if category, _, _ := stream.Parse(name); category == stream.TabCategory && f.takes.Add(-1) < 0 {
		return eventstore.Appended{}, errFull
	}
	return f.Store.Append(ctx, name, expected, events)
}

// TestUnfinishedImport: an import that broke off is told as unfinished until the same sales are imported again, however
// often that breaks off, too. How they were paid stays what was said first.
func TestUnfinishedImport(t *testing.T) {
	r := newRestaurant(t)
	log := &failing{Store: r.log}
	r.log = log
	r.restart()
	var sales []commands.Sale
	for n := range 300 {
		sales = append(sales, r.aWeekAgo(fmt.Sprint(n), int64(n%7)+1))
	}
	statuses := func() []imports.State { return must(commands.Imports(t.Context(), r.log, r.store.StoreID)) }
	for _, by := range []commands.Tender{byCard, unsaid, byCard} {
		log.takes.Store(70)
		r.restart()
		if _, err := r.importSales(by, sales...); !errors.Is(err, errFull) {
			t.Fatalf("%v", err)
		}
		if all := statuses(); len(all) != 1 || !all[0].Running() || all[0].Began.Orders != 300 {
			t.Fatalf("imports: %+v", all)
		}
	}
	if _, err := r.importSales(byCash, sales...); !errors.Is(err, imports.ErrTender) {
		t.Errorf("in cash now: %v", err)
	}
	log.takes.Store(1000)
	if is, err := r.importSales(unsaid, sales...); err != nil || is.Skipped == 0 || is.Orders == 0 || is.Skipped+is.Orders != 300 {
		t.Errorf("the rest: %+v, %v", is, err)
	}
	if all := statuses(); len(all) != 1 || !all[0].Ended || all[0].Began.BatchID == "" {
		t.Errorf("imports: %+v", all)
	}
	head := r.head()
	if is, err := r.importSales(byCash, sales...); err != nil || is.Skipped != 300 || r.head() != head {
		t.Errorf("again: %+v, %v, from %s to %s", is, err, head, r.head())
	}
	paid := r.paymentsByCompany()
	if want := map[string]int{"K": 300}; !cmp.Equal(paid, want) {
		t.Errorf("paid by %v", paid)
	}
}

func (r *restaurant) paymentsByCompany() map[string]int {
	r.t.Helper()
	paid := map[string]int{}
	for e, err := range r.log.ReadAll(r.t.Context(), eventstore.LogRead{Filter: eventstore.Filter{Types: []string{"tab.payment_completed.v1"}}}) {
		var payment tab.PaymentCompleted
		if err := errors.Join(err, json.Unmarshal(e.Data, &payment)); err != nil {
			r.t.Fatal(err)
		}
		paid[payment.CardCompany]++
	}
	return paid
}

// TestImportFillsAnEmptyMenu: a store without a menu gets what was sold, as it was sold last by time; a menu that is there
// is left alone.
func TestImportFillsAnEmptyMenu(t *testing.T) {
	r := newRestaurant(t)
	latte := func(name string, at time.Duration, price int64) commands.Sale {
		return commands.Sale{OrderID: name, At: r.now.Add(-at), Lines: []commands.SaleLine{{Code: "latte", Name: name, Category: "DRINK", Quantity: 1, UnitPrice: price}}}
	}
	// In the order of the file, the old name comes last.
	sales := []commands.Sale{latte("Oat latte", time.Hour, 450), latte("Latte", 2*time.Hour, 350)}
	for n := range menu.ProductsMax {
		sale := latte(fmt.Sprint("dish", n), 3*time.Hour, 100)
		sale.Lines[0].Code = sale.OrderID
		sales = append(sales, sale)
	}
	before := r.products(r.store.StoreID)
	must(r.importSales(byCash, sales...))
	if now := r.products(r.store.StoreID); len(now) != len(before) {
		t.Errorf("the menu was %v, and is %v", before, now)
	}
	empty := must(r.service.ImportedStore(t.Context(), "o1", "Empty", commands.StoreWishes{}))
	is, err := r.service.ImportSales(t.Context(), empty, commands.Sales(sales), byCash, func(int, int) {})
	now := r.products(empty.StoreID)
	if err != nil || is.Orders != len(sales) || len(now) != menu.ProductsMax || now["Oat latte"] != 450 {
		t.Errorf("%+v, %v: %d products, the latte is %d", is, err, len(now), now["Oat latte"])
	}
}

// products are a menu's prices by name.
func (r *restaurant) products(storeID string) map[string]int64 {
	r.t.Helper()
	state := menu.State{}
	for e, err := range r.log.ReadStream(r.t.Context(), stream.Menu(storeID), eventstore.StreamRead{}) {
		if err != nil {
			r.t.Fatal(err)
		}
		state = menu.Evolve(state, must(menu.Catalog.Decode(e.Type, e.Data)))
	}
	prices := map[string]int64{}
	for _, p := range state.Products {
		prices[p.Name] = p.Price
	}
	return prices
}

// TestStoreOfAnImport: the same owner and name are the same store, which keeps what it has; whoever says something else is
// told so, and whoever says nothing is not asked.
func TestStoreOfAnImport(t *testing.T) {
	r := newRestaurant(t)
	said := func(currency string, closeout int) commands.StoreWishes {
		return commands.StoreWishes{Currency: &currency, CloseoutHour: &closeout}
	}
	first := must(r.service.ImportedStore(t.Context(), "o1", "Past", said("USD", 4)))
	head := r.head()
	for _, wishes := range []commands.StoreWishes{{}, said("USD", 4)} {
		if again, err := r.service.ImportedStore(t.Context(), "o1", "Past", wishes); err != nil || again.StoreID != first.StoreID || again.Currency != "USD" {
			t.Errorf("again: %+v, %v", again, err)
		}
	}
	for _, wishes := range []commands.StoreWishes{said("EUR", 4), said("USD", 5)} {
		if _, err := r.service.ImportedStore(t.Context(), "o1", "Past", wishes); !errors.Is(err, commands.ErrOtherStore) {
			t.Errorf("another one: %v", err)
		}
	}
	if _, _, err := r.service.ImportToNew(t.Context(), "o1", "", commands.StoreWishes{}); err == nil || r.head() != head {
		t.Errorf("without a name: %v", err)
	}
	if of, _, err := r.service.ImportToNew(t.Context(), "o1", "Other", commands.StoreWishes{}); err != nil || of.StoreID == first.StoreID || r.head() != head {
		t.Errorf("another name: %+v, %v", of, err)
	}
}

// TestImportsOfRandomParts: files that overlap, imported in any order and breaking off anywhere, add each sale once.
func TestImportsOfRandomParts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	r := newRestaurant(t)
	log := &failing{Store: r.log}
	r.log = log
	r.restart()
	sales := make([]commands.Sale, 100)
	for n := range sales {
		sales[n] = r.aWeekAgo(fmt.Sprint(n), random.Int64N(9)+1)
		sales[n].At = sales[n].At.Add(time.Duration(random.IntN(5)) * time.Minute)
	}
	for range 60 {
		from := random.IntN(len(sales))
		log.takes.Store(random.Int64N(40))
		part := slices.Clone(sales[from : from+random.IntN(len(sales)-from+1)])
		random.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
		if _, err := r.importSales(byCash, part...); err != nil && !errors.Is(err, errFull) {
			t.Fatal(err)
		}
	}
	log.takes.Store(1000)
	is, err := r.importSales(byCash, sales...)
	if err != nil || is.Orders+is.Skipped != len(sales) || r.orders() != len(sales) {
		t.Errorf("%+v, %v: %d orders", is, err, r.orders())
	}
}

// TestCallsOfAnImport: over EventStoreDB's protocol, a sale costs one append and nothing else in a store to which nothing was
// imported yet; otherwise one read more, which tells whether it is there. What an import costs beside does not depend on how
// many sales there are.
func TestCallsOfAnImport(t *testing.T) {
	const sales = 200
	var counts callCounts
	r := newRestaurantOn(t, connect(t, serveLog(t, memory(t).(eventstore.Indexed), esdbserver.Options{Called: counts.called})), false)
	type cost struct{ reads, appends int }
	run := func(of auth.Store, open func(context.Context) error, n int) (c cost) {
		t.Helper()
		var list []commands.Sale
		for i := range n {
			list = append(list, r.aWeekAgo(fmt.Sprint(i), 1))
		}
		calls := counts.of(func() {
			var faults commands.Faults
			i := must(r.service.CheckSales(t.Context(), of, commands.Sales(list), byCash, &faults, func(int) {}))
			if err := errors.Join(faults.Err(), open(t.Context())); err != nil {
				t.Fatal(err)
			}
			must(i.Run(t.Context(), func(int, int) {}))
		})
		if _, err := fmt.Sscanf(calls, "%d + %d", &c.reads, &c.appends); err != nil {
			t.Fatal(err)
		}
		return c
	}
	fresh := func(name string, n int) cost {
		of, open, err := r.service.ImportToNew(t.Context(), "o1", name, commands.StoreWishes{})
		if err != nil {
			t.Fatal(err)
		}
		return run(of, open, n)
	}
	// A busy machine may make the adapter ask once whether the server still answers, or repeat a call.
	compare := func(what string, few, many cost, reads, appends int) {
		t.Helper()
		reads, appends = many.reads-few.reads-reads, many.appends-few.appends-appends
		if reads*reads+appends*appends > sales/10 {
			t.Errorf("%s: %d sales more take %d reads and %d appends more than they should", what, sales, reads, appends)
		}
	}
	compare("a new store", fresh("Few", 1), fresh("Many", 1+sales), 0, sales)
	of := must(r.service.ImportedStore(t.Context(), "o1", "Few", commands.StoreWishes{}))
	opened := func(context.Context) error { return nil }
	few := run(of, opened, 2) // one is there, one is added; then two are there
	compare("a store that has sales", few, run(of, opened, 2+sales), sales, sales-1)
}
