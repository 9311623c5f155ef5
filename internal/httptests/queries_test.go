package httptests

import (
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"testing"
	"time"
)

func TestQueryRules(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	at15 := *r
	at15.store = made[storeMade](t, r.world, call{op: "openStore", token: r.owner, body: `{"name":"Fifteenth","posGrade":"GOLD","settlementDay":15}`}).StoreID
	var faults []fault
	add := func(op, code string, told bool, queries ...string) {
		for _, query := range queries {
			faults = append(faults, fault{query, at15.of(op).asking(query), bad, code, told})
		}
	}
	products, sales := "getProductStatistics", "getSalesStatistics"
	add(products, "invalid_term", true, "", "start=2024-12-01", "term=&start=2024-12-01", "term=day&start=2024-12-01", "term=YEAR&start=2024-12-01",
		"term=SETTLEMENT_MONTH&start=2024-12-01")
	add(products, "invalid_date", true, "term=DAY", "term=DAY&start=", "term=DAY&start=2015-2-3", "term=DAY&start=20150203", "term=DAY&start=2015-13-01",
		"term=DAY&start=2015-01-01T00:00:00Z", "term=DAY&start=today", "term=DAY&start=-001-01-01", "term=DAY&start=%EF%BC%92015-01-01", "term=DAY&start=2015-01-01%20")
	add(products, "invalid_date", false, "term=DAY&start=2015-02-30", "term=DAY&start=2015-02-29", "term=DAY&start=0000-01-01",
		"term=DAY&start=9999-12-31", "term=MONTH&start=9999-12-01")
	add(products, "period_misaligned", false, "term=WEEK&start=2024-12-01", "term=WEEK&start=2024-12-03", "term=MONTH&start=2024-12-15", "term=MONTH&start=2024-12-31")
	add(products, "invalid_limit", true, "term=DAY&start=2024-12-01&limit=0", "term=DAY&start=2024-12-01&limit=-1", "term=DAY&start=2024-12-01&limit=2001",
		"term=DAY&start=2024-12-01&limit=99999999999999999999", "term=DAY&start=2024-12-01&limit=x")
	add(products, "invalid_sort", true, "term=DAY&start=2024-12-01&sort=count", "term=DAY&start=2024-12-01&sort=NAME")
	add(sales, "invalid_term", true, "from=2024-12-01&to=2024-12-02", "term=ALL&from=2024-12-01&to=2024-12-02")
	add(sales, "invalid_date", true, "term=DAY", "term=DAY&from=2024-12-01", "term=DAY&to=2024-12-01", "term=DAY&from=2024-12-01&to=x")
	add(sales, "invalid_date", false, "term=MONTH&from=9999-12-01&to=9999-12-31", "term=DAY&from=2024-12-01&to=2024-11-31")
	add(sales, "period_misaligned", false, "term=WEEK&from=2024-12-01&to=2024-12-09", "term=MONTH&from=2024-12-02&to=2025-01-01")
	add(sales, "invalid_range", false, "term=DAY&from=2024-12-01&to=2024-12-01", "term=DAY&from=2024-12-02&to=2024-12-01",
		"term=DAY&from=2020-01-01&to=2023-04-16", "term=DAY&from=0001-01-01&to=9999-12-31")
	for _, op := range []string{"getSettlement", "getSettlementDetail"} {
		add(op, "invalid_term", true, "term=WEEK&start=2024-12-02", "start=2024-12-15")
		add(op, "invalid_date", true, "term=DAY", "term=MONTH&start=15")
		add(op, "period_misaligned", false, "term=MONTH&start=2024-12-01", "term=MONTH&start=2024-12-14")
	}
	add("listTabs", "invalid_status", true, "status=open", "status=PAID")
	add("listTabs", "invalid_after", true, "after="+malformed["very long"])
	add("listTabs", "invalid_after", false, "after=%00", "after=T1.1", "after=2024", "status=OPEN&after=t2.1", "status=CLOSED&after=20241201030000000.t2.1", "after=..%2f", "after="+malformed["Korean"])
	add("listTabs", "invalid_limit", true, "limit=0", "limit=-1", "limit=1001", "limit=1.5", "limit=ten")
	for _, op := range []string{"listProducts", "listTables", "listDevices"} {
		add(op, "invalid_after", true, "after="+malformed["very long"])
		add(op, "invalid_after", false, "after=%00", "after=T1")
		add(op, "invalid_limit", true, "limit=0", "limit=1001", "limit=ten")
		add(op, "repeated_parameter", false, "limit=1&limit=1")
	}
	stores := call{op: "listStores", token: r.owner}
	faults = append(faults, fault{"stores", stores.asking("limit=0"), http.StatusBadRequest, "invalid_limit", true},
		fault{"stores", stores.asking("after=T1"), http.StatusBadRequest, "invalid_after", false},
		fault{"stores", stores.asking("after=a&after=a"), http.StatusBadRequest, "repeated_parameter", false})
	r.checkFaults(t, faults)

	for op, queries := range map[string][]string{
		products:        {"term=WEEK&start=2024-12-02", "term=MONTH&start=2024-02-01&limit=2000", "term=DAY&start=2024-02-29&sort=COUNT&category=%ED%8C%8C", "term=DAY&start=9999-12-30"},
		sales:           {"term=WEEK&from=2024-12-02&to=2024-12-03", "term=MONTH&from=2024-01-01&to=2025-01-01", "term=DAY&from=2020-01-01&to=2023-04-15"},
		"getSettlement": {"term=DAY&start=2024-12-14", "term=MONTH&start=2024-12-15"},
		"listTabs": {"", "status=OPEN", "status=CLOSED&limit=1000", "after=t2.1&limit=1", "after=20241201030000000.t2.1",
			"status=OPEN&after=20241201030000000.t2.1", "status=CLOSED&after=20241201.20241201030000000.t2.1"},
	} {
		for _, query := range queries {
			r.do(t, at15.of(op).asking(query)).want(t, http.StatusOK, "")
		}
	}
}

// Every list comes in pages that hold each row once; without a limit, it comes whole.
func TestPagesOfLists(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	for n := range 4 {
		r.product(t, fmt.Sprint("Cake ", n), "MAIN_MENU", 100)
		r.pair(t, r.addTable(t, fmt.Sprint("Table ", n)))
		made[storeMade](t, r.world, call{op: "openStore", token: r.owner, body: `{"name":"More","posGrade":"GOLD","settlementDay":15}`})
	}
	for name, c := range map[string]call{
		"products": r.of("listProducts"), "tables": r.of("listTables"), "devices": r.of("listDevices"), "stores": {op: "listStores", token: r.owner},
	} {
		whole := get[map[string]any](t, r.world, c)
		var rows []any
		for after, pages := "", 0; pages < 10; pages++ {
			p := get[map[string]any](t, r.world, c.asking("limit=2"+after))
			rows = append(rows, p[name].([]any)...)
			next, more := p["next"].(string)
			if !more {
				break
			}
			after = "&after=" + next
		}
		if want := whole[name].([]any); len(want) < 5 || !reflect.DeepEqual(rows, want) || whole["next"] != nil {
			t.Errorf("%s in pages: %v\nand whole: %v", name, rows, whole)
		}
	}
}

// A sale counts on the business date that the store's zone and close-out hour make of the moment, in the settlement
// month that its settlement day makes of that.
func TestPeriodsOfSales(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.restaurant(t, "Period Owner")
	opened := made[storeMade](t, w, call{op: "openStore", token: r.owner, body: `{"name":"Night","posGrade":"SILVER","settlementDay":25,"timeZone":"America/New_York","currency":"USD","closeoutHour":4}`})
	night := &restaurant{world: w, owner: r.owner, store: opened.StoreID}
	night.table = night.addTable(t, "Bar")
	night.tablet = night.pair(t, night.table).DeviceToken
	whisky := night.product(t, "Whisky", "DRINK", 1250)
	// 24 December, 03:59 and 04:01 in New York: the evening of the 23rd, and the 24th; a day later, the 25th.
	sell := func(at string) {
		t.Helper()
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		w.clock.forward(moment.Sub(w.clock.now()))
		night.owner = w.owner(t, "Period Owner") // the old token is worth nothing by then
		night.pay(t, night.order(t, 1, whisky), `{"method":"CARD","cardCompany":"S"}`)
	}
	sell("2024-12-24T03:59:59-05:00")
	sell("2024-12-24T04:00:00-05:00")
	sell("2024-12-25T04:00:00-05:00")
	type settlement struct {
		End                                   string
		Revenue, Fee, PosFee, OperatingProfit int64
	}
	for query, want := range map[string]settlement{
		"term=DAY&start=2024-12-23":   {"2024-12-24", 1250, 10, 0, 1240},
		"term=DAY&start=2024-12-24":   {"2024-12-25", 1250, 10, 0, 1240},
		"term=DAY&start=2024-12-22":   {"2024-12-23", 0, 0, 0, 0},
		"term=MONTH&start=2024-11-25": {"2024-12-25", 2500, 20, 0, 2480}, // grades have a price in KRW only
		"term=MONTH&start=2024-12-25": {"2025-01-25", 1250, 10, 0, 1240},
	} {
		if got := get[settlement](t, w, night.of("getSettlement").asking(query)); got != want {
			t.Errorf("%s: %+v, want %+v", query, got, want)
		}
	}
	type sales struct {
		Items []struct {
			Start            string
			GrossSales, Tabs int64
		}
	}
	got := get[sales](t, w, night.of("getSalesStatistics").asking("term=WEEK&from=2024-12-16&to=2025-01-01"))
	if text := fmt.Sprint(got.Items); text != "[{2024-12-16 0 0} {2024-12-23 3750 3} {2024-12-30 0 0}]" {
		t.Errorf("weeks: %s", text)
	}
}

// A query that asks for what is not there yet waits, and then says so. (This test takes the five seconds.)
func TestPositionThatIsFarAhead(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	var all sync.WaitGroup
	for _, op := range apiOperations(false) {
		all.Go(func() {
			begin := time.Now()
			a := m.do(t, m.rightful(op).saying("Daybook-Position", "4611686018427387904"))
			took := time.Since(begin)
			if a.status != http.StatusServiceUnavailable || a.fault.Code != "read_model_behind" || took < 4*time.Second || took > 10*time.Second {
				t.Errorf("%s: answer %d %s after %s", op, a.status, a.body, took)
			}
		})
	}
	all.Wait()
	m.do(t, m.mine.of("listTables").saying("Daybook-Position", "0")).want(t, http.StatusOK, "")
}
