package httptests

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sameJSON compares an answer with JSON in which names in braces stand for ids.
func sameJSON(t *testing.T, a answer, want string, ids map[string]string) {
	t.Helper()
	a.want(t, http.StatusOK, "")
	for name, id := range ids {
		want = strings.ReplaceAll(want, "{"+name+"}", id)
	}
	if diff := cmp.Diff(decode(t, want), decode(t, string(a.body))); diff != "" {
		t.Errorf("%s %s %s (-want +got):\n%s", a.call.op, a.call.path, a.call.query, diff)
	}
}

// A day of the reference system's example: two tabs, one paid in cash, one by card.
func TestReferenceExample(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.restaurant(t, "Reference Owner")
	one, two := r.product(t, "one", "MAIN_MENU", 1000), r.product(t, "two", "SUB_MENU", 500)
	three, four := r.product(t, "three", "SUB_MENU", 700), r.product(t, "four", "DRINK", 300)
	w.do(t, r.of("removeProduct", three)).want(t, http.StatusNoContent, "")
	other := *r
	other.table = r.addTable(t, "Bar")
	other.tablet = r.pair(t, other.table).DeviceToken

	first := r.order(t, 4, two, 2, four)
	if again := r.order(t, 2, two); again != first {
		t.Errorf("one table has two open tabs: %s, %s", first, again)
	}
	second := other.order(t, 6, two, 3, four)
	if cash := r.pay(t, first, `{"method":"CASH"}`); cash.Amount != 3600 || cash.Fee != 0 || cash.Due != 0 || cash.TabStatus != "CLOSED" {
		t.Errorf("cash: %+v", cash)
	}
	if card := r.pay(t, second, `{"method":"CARD","cardCompany":"H"}`); card.Amount != 3900 || card.Fee != 23 || card.TabStatus != "CLOSED" {
		t.Errorf("card: %+v", card)
	}
	ids := map[string]string{"one": one, "two": two, "four": four}
	for _, c := range []struct {
		op, query, want string
	}{
		{"getSettlement", "term=DAY&start=2024-12-01", `{"term":"DAY","start":"2024-12-01","end":"2024-12-02","currency":"KRW",
			"revenue":7500,"fee":23,"posFee":0,"operatingProfit":7477,"status":"OPEN","version":0}`},
		{"getSettlement", "term=MONTH&start=2024-12-01", `{"term":"MONTH","start":"2024-12-01","end":"2025-01-01","currency":"KRW",
			"revenue":7500,"fee":23,"posFee":15000,"operatingProfit":-7523,"status":"OPEN","version":0}`},
		{"getSettlement", "term=DAY&start=2024-12-02", `{"term":"DAY","start":"2024-12-02","end":"2024-12-03","currency":"KRW",
			"revenue":0,"fee":0,"posFee":0,"operatingProfit":0,"status":"OPEN","version":0}`},
		{"getSettlementDetail", "term=DAY&start=2024-12-01", `{"term":"DAY","start":"2024-12-01","end":"2024-12-02","currency":"KRW",
			"revenue":{"amount":7500,"categories":[
				{"category":"SUB_MENU","amount":6000,"products":[{"productId":"{two}","name":"two","count":12,"amount":6000}]},
				{"category":"DRINK","amount":1500,"products":[{"productId":"{four}","name":"four","count":5,"amount":1500}]}]},
			"fee":{"amount":23,"cardCompanies":[{"cardCompany":"H","amount":23}]},"posFee":0,"operatingProfit":7477}`},
		{"getSettlementDetail", "term=DAY&start=2024-11-30", `{"term":"DAY","start":"2024-11-30","end":"2024-12-01","currency":"KRW",
			"revenue":{"amount":0,"categories":[]},"fee":{"amount":0,"cardCompanies":[]},"posFee":0,"operatingProfit":0}`},
		{"getProductStatistics", "term=DAY&start=2024-12-01", `{"term":"DAY","start":"2024-12-01","end":"2024-12-02","currency":"KRW","items":[
			{"rank":1,"productId":"{two}","name":"two","category":"SUB_MENU","saleCount":12,"saleAmount":6000},
			{"rank":2,"productId":"{four}","name":"four","category":"DRINK","saleCount":5,"saleAmount":1500}],
			"total":{"saleCount":17,"saleAmount":7500}}`},
		{"getProductStatistics", "term=WEEK&start=2024-11-25&category=DRINK&sort=COUNT&limit=1", `{"term":"WEEK","start":"2024-11-25","end":"2024-12-02","currency":"KRW","items":[
			{"rank":1,"productId":"{four}","name":"four","category":"DRINK","saleCount":5,"saleAmount":1500}],
			"total":{"saleCount":5,"saleAmount":1500}}`},
		{"getProductStatistics", "term=MONTH&start=2024-12-01&category=MAIN_MENU", `{"term":"MONTH","start":"2024-12-01","end":"2025-01-01","currency":"KRW",
			"items":[],"total":{"saleCount":0,"saleAmount":0}}`},
		{"getSalesStatistics", "term=DAY&from=2024-11-30&to=2024-12-03", `{"term":"DAY","currency":"KRW","items":[
			{"start":"2024-11-30","end":"2024-12-01","grossSales":0,"refunds":0,"netSales":0,"tabs":0,"saleCount":0},
			{"start":"2024-12-01","end":"2024-12-02","grossSales":7500,"refunds":0,"netSales":7500,"tabs":2,"saleCount":17},
			{"start":"2024-12-02","end":"2024-12-03","grossSales":0,"refunds":0,"netSales":0,"tabs":0,"saleCount":0}]}`},
	} {
		sameJSON(t, w.do(t, r.of(c.op).asking(c.query)), c.want, ids)
	}
}

// A bill of two coffees and a tea, as JSON in which names in braces stand for ids.
const (
	noonInSeoul = `"2024-12-01T12:00:00+09:00"`
	billOrders  = `[{"orderId":"{order}","status":"ACCEPTED","amount":2700,"placedAt":` + noonInSeoul + `,"lines":[
		{"productId":"{coffee}","name":"Coffee","category":"DRINK","unitPrice":1000,"quantity":2,"amount":2000},
		{"productId":"{tea}","name":"Tea","category":"DRINK","unitPrice":700,"quantity":1,"amount":700}]}]`
	openBill = `{"tabId":"{tab}","tableId":"{table}","status":"OPEN","currency":"KRW","amount":2700,"paid":0,"due":2700,
		"orders":` + billOrders + `,"payments":[],"openedAt":` + noonInSeoul + `}`
	closedBill = `{"tabId":"{tab}","tableId":"{table}","status":"CLOSED","currency":"KRW","amount":2700,"paid":2700,"due":0,
		"orders":` + billOrders + `,"payments":[
		{"paymentId":"{part}","method":"CARD","cardCompany":"S","amount":1000,"fee":8,"paidAt":` + noonInSeoul + `},
		{"paymentId":"{rest}","method":"CASH","amount":1700,"fee":0,"paidAt":` + noonInSeoul + `}],
		"openedAt":` + noonInSeoul + `,"closedAt":` + noonInSeoul + `,"businessDate":"2024-12-01"}`
	guestBill = `{"tabId":"{tab}","tableId":"{table}","currency":"KRW","amount":2700,"due":2700,"orders":` + billOrders + `,"openedAt":` + noonInSeoul + `}`
)

// served opens a restaurant with that bill. Then the coffee is changed, and the tea is taken off the menu.
func served(t *testing.T) (*restaurant, map[string]string) {
	t.Helper()
	r := newRestaurant(t)
	tea := r.product(t, "Tea", "DRINK", 700)
	tab := r.order(t, 2, r.coffee, 1, tea)
	r.do(t, r.of("changeProduct", r.coffee).with(`{"name":"Kaffee","price":1200}`)).want(t, http.StatusOK, "")
	r.do(t, r.of("removeProduct", tea)).want(t, http.StatusNoContent, "")
	own := get[struct{ Orders []struct{ OrderID string } }](t, r.world, call{op: "getOwnTab", token: r.tablet})
	return r, map[string]string{
		"store": r.store, "coffee": r.coffee, "tea": tea, "table": r.table, "tab": tab, "device": r.device, "order": own.Orders[0].OrderID,
	}
}

// What the owner and the guests see of a store, its menu, tables, tablets and bills.
func TestRestaurantIsSeen(t *testing.T) {
	t.Parallel()
	r, ids := served(t)
	const store = `{"storeId":"{store}","name":"Corner Cafe","posGrade":"BRONZE","settlementDay":1,"timeZone":"Asia/Seoul","currency":"KRW",
		"closeoutHour":0,"openedAt":"2024-12-01T03:00:00Z"}`
	guest := call{token: r.tablet}
	for _, c := range []struct {
		call call
		want string
	}{
		{call{op: "listStores", token: r.owner}, `{"stores":[` + store + `]}`},
		{r.of("getStore"), store},
		{r.of("getProduct", r.coffee), `{"productId":"{coffee}","name":"Kaffee","category":"DRINK","price":1200}`},
		{r.of("listProducts"), `{"currency":"KRW","products":[{"productId":"{coffee}","name":"Kaffee","category":"DRINK","price":1200}]}`},
		{guest.to("getMenu"), `{"currency":"KRW","products":[
			{"productId":"{coffee}","name":"Kaffee","category":"DRINK","price":1200,"available":true}]}`},
		{r.of("listTables"), `{"tables":[{"tableId":"{table}","name":"Window","addedAt":"2024-12-01T03:00:00Z"}]}`},
		{r.of("listDevices"), `{"devices":[{"deviceId":"{device}","tableId":"{table}","pairedAt":"2024-12-01T03:00:00Z"}]}`},
		{guest.to("getOwnTab"), guestBill},
		{r.of("getTableTab", r.table), openBill},
		{r.of("getTab", ids["tab"]), openBill},
		{r.of("listTabs").asking("status=OPEN"), `{"tabs":[` + openBill + `]}`},
		{r.of("listTabs").asking("status=CLOSED"), `{"tabs":[]}`},
	} {
		sameJSON(t, r.do(t, c.call), c.want, ids)
	}
	r.do(t, r.of("getProduct", ids["tea"])).want(t, http.StatusNotFound, "product_not_found")
	r.do(t, r.of("revokeDevice", r.device)).want(t, http.StatusNoContent, "")
	sameJSON(t, r.do(t, r.of("listDevices")), `{"devices":[{"deviceId":"{device}","tableId":"{table}","pairedAt":"2024-12-01T03:00:00Z",
		"revokedAt":"2024-12-01T03:00:00Z"}]}`, ids)
	r.do(t, guest.to("getMenu")).want(t, http.StatusUnauthorized, "unauthorized")
}

// A bill is paid in two parts; with the second it closes, and the next order opens the next one.
func TestBillIsPaidInParts(t *testing.T) {
	t.Parallel()
	r, ids := served(t)
	tab := ids["tab"]
	part := r.pay(t, tab, `{"method":"CARD","cardCompany":"S","amount":1000}`)
	rest := r.pay(t, tab, `{"method":"CASH"}`)
	if part.Fee != 8 || part.Due != 1700 || part.TabStatus != "OPEN" || rest.Amount != 1700 || rest.Due != 0 || rest.TabStatus != "CLOSED" {
		t.Errorf("payments %+v, %+v", part, rest)
	}
	ids["part"], ids["rest"] = part.PaymentID, rest.PaymentID
	sameJSON(t, r.do(t, r.of("getTab", tab)), closedBill, ids)
	sameJSON(t, r.do(t, r.of("listTabs").asking("status=CLOSED&limit=1")), `{"tabs":[`+closedBill+`]}`, ids)
	r.do(t, call{op: "getOwnTab", token: r.tablet}).want(t, http.StatusNotFound, "no_open_tab")
	r.do(t, r.of("getTableTab", r.table)).want(t, http.StatusNotFound, "no_open_tab")
	if next := r.order(t, 1, r.coffee); next == tab {
		t.Error("an order went on a tab that is closed")
	}
}

// Pages of tabs hold each tab once, in the order in which they were opened, or, of the closed ones, closed; and each page but
// the last is full.
func TestPagesOfTabs(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	bar := *r
	bar.table = r.addTable(t, "Bar")
	bar.tablet = r.pair(t, bar.table).DeviceToken
	want := map[string][]string{}
	opened := func(at *restaurant) string {
		r.clock.forward(time.Minute)
		tab := at.order(t, 1, r.coffee)
		want[""] = append(want[""], tab)
		return tab
	}
	closed := func(tab string) {
		r.clock.forward(time.Minute)
		r.pay(t, tab, `{"method":"CASH"}`)
		want["status=CLOSED&"] = append(want["status=CLOSED&"], tab)
	}
	for range 3 { // on either table, and closed the other way round
		window, counter := opened(r), opened(&bar)
		closed(counter)
		closed(window)
	}
	want["status=OPEN&"] = []string{opened(&bar), opened(r)}
	type page struct {
		Tabs []struct{ TabID string }
		Next string
	}
	for _, status := range []string{"", "status=CLOSED&", "status=OPEN&"} {
		var got []string
		for after := ""; ; {
			p := get[page](t, r.world, r.of("listTabs").asking(status+"limit=2"+after))
			for _, tab := range p.Tabs {
				got = append(got, tab.TabID)
			}
			if p.Next == "" {
				break
			}
			if after = "&after=" + p.Next; len(p.Tabs) != 2 {
				t.Errorf("%q: a page has %d tabs", status, len(p.Tabs))
			}
		}
		if !slices.Equal(got, want[status]) {
			t.Errorf("%q: %v, want %v", status, got, want[status])
		}
	}
}
