package projections_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"daybook/domain/calendar"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/projections"
)

// TestFiguresDoNotDependOnTheOrderOfArrival: in whatever order sales reach the log and however they are cut into batches,
// with restarts, live or in ranges, the counters are the same, byte by byte.
func TestFiguresDoNotDependOnTheOrderOfArrival(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		sales := someSales(random, 60)
		want := ""
		for range 6 {
			random.Shuffle(len(sales), func(i, j int) { sales[i], sales[j] = sales[j], sales[i] })
			log, sink := newLog(t), newSink(t)
			sell(t, log, sales)
			foldInCuts(t, log, sink, random)
			got := contents(t, sink, projections.Counters.Name)
			if want == "" {
				want = got
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d: the order of arrival shows (-one +another)\n%s", seed, diff)
			}
		}
	}
}

// TestAProductIsCalledAsItWasSoldLast: an import of older days does not rename what was sold since, and of one tab the
// line that was ordered last counts.
func TestAProductIsCalledAsItWasSoldLast(t *testing.T) {
	noon := time.Date(2024, 12, 3, 12, 0, 0, 0, time.UTC)
	sale := func(at time.Time, names ...string) tab.Closed {
		c := tab.Closed{StoreID: "s0", BusinessDate: calendar.MustParse(at.Format(time.DateOnly)), SettlementDay: 5, Currency: "KRW", At: at}
		for _, name := range names {
			c.Lines = append(c.Lines, tab.Sold{ProductID: "p", Name: name, Category: "C", Quantity: 1})
		}
		return c
	}
	log, sink := newLog(t), newSink(t)
	for _, c := range []tab.Closed{
		sale(noon, "Zuppa", "Soup"), sale(noon.AddDate(0, 0, -1), "Broth"), sale(noon.AddDate(0, -1, 0), "Water"), sale(noon.Add(-time.Minute), "Stew"),
	} {
		sell(t, log, []tab.Closed{c})
		if err := projections.CatchUp(t.Context(), log, sink, projections.Counters, quiet, noProgress); err != nil {
			t.Fatal(err)
		}
	}
	for partition, want := range map[string]string{
		"s0|DAY|2024-12-03": "Soup", "s0|DAY|2024-12-02": "Broth", "s0|WEEK|2024-12-02": "Soup", "s0|MONTH|2024-12-01": "Soup",
		"s0|SETTLEMENT_MONTH|2024-11-05": "Soup", "s0|MONTH|2024-11-01": "Water",
	} {
		entries, _, err := sink.List(t.Context(), projections.Counters.Target(1), partition, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		p, err := projections.ReadPeriod(entries)
		if err != nil || len(p.Products) != 1 || p.Products[0].Name != want {
			t.Errorf("%s: %+v, %v; want %s", partition, p.Products, err, want)
		}
	}
}

// someSales are of two stores and few products, days and moments, so that many meet. Names need escaping, or do not.
func someSales(random *rand.Rand, n int) []tab.Closed {
	day := calendar.MustParse("2024-12-28")
	names := []string{"Kimchi", `"Old" kimchi`, "김치", "", `a","b`, `\`}
	sales := make([]tab.Closed, n)
	for i := range sales {
		s := tab.Closed{
			StoreID: fmt.Sprint("s", random.IntN(2)), BusinessDate: day + calendar.Date(random.IntN(8)), SettlementDay: 1,
			Currency: "KRW", Lines: []tab.Sold{}, Payments: []tab.Tender{}, At: time.Unix(1_735_000_000+random.Int64N(5), random.Int64N(3)*400_000).UTC(),
		}
		for range 1 + random.IntN(4) {
			s.Lines = append(s.Lines, tab.Sold{
				ProductID: fmt.Sprint("p", random.IntN(2)), Name: names[random.IntN(len(names))],
				Category: fmt.Sprint("C", random.IntN(2)), Quantity: 1, Amount: 100,
			})
			s.Amount += 100
		}
		s.Payments = append(s.Payments, tab.Tender{Method: tab.Cash, Amount: s.Amount})
		sales[i] = s
	}
	return sales
}

// sell appends each sale to a stream of its own.
func sell(t *testing.T, log eventstore.Store, sales []tab.Closed) {
	t.Helper()
	for _, s := range sales {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		raw(t, log, "tab-"+s.StoreID+"-import."+uuid.NewString()[:8], eventstore.NoStream, tab.ClosedType, string(data))
	}
}

// foldInCuts brings the counters to the end of a log, by batches of any size with restarts, or in ranges of any size.
func foldInCuts(t *testing.T, log eventstore.Store, sink projections.Sink, random *rand.Rand) {
	t.Helper()
	if random.IntN(3) == 0 {
		if err := projections.CatchUpBy(t.Context(), log, sink, projections.Counters, quiet, 1+random.Uint64N(70), projections.ChangesMax, noProgress); err != nil {
			t.Fatal(err)
		}
		return
	}
	r := startRunner(t, log, projections.Counters, sink)
	var batch []eventstore.Event
	for e, err := range log.ReadAll(t.Context(), eventstore.LogRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if batch = append(batch, e); random.IntN(8) != 0 && e.Position.Commit < 60 {
			continue
		}
		if err := r.Handle(t.Context(), eventstore.Batch{Events: batch, Position: e.Position}); err != nil {
			t.Fatal(err)
		}
		if batch = nil; random.IntN(3) == 0 {
			r = startRunner(t, log, projections.Counters, sink)
		}
	}
}
