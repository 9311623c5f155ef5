package httptests

import (
	"net/http"
	"testing"
)

// freeTab is a restaurant at a table of its own, and its tab of two glasses of water.
func (r *restaurant) freeTab(t *testing.T) (at *restaurant, tab string) {
	t.Helper()
	there := *r
	there.table = r.addTable(t, "Terrace")
	there.tablet = r.pair(t, there.table).DeviceToken
	return &there, there.order(t, 2, r.product(t, "Water", "DRINK", 0))
}

// A tab that is worth nothing cannot be paid, but closed: it counts, and the next guests begin a tab of their own.
func TestFreeTabIsClosed(t *testing.T) {
	t.Parallel()
	r, free := newRestaurant(t).freeTab(t)
	r.send(t, r.paying(free, `{"method":"CASH"}`)).want(t, http.StatusConflict, "nothing_due")
	type status struct{ TabID, TabStatus string }
	if got := made[status](t, r.world, r.of("closeTab", free)); got != (status{free, "CLOSED"}) {
		t.Errorf("closed: %+v", got)
	}
	r.do(t, r.of("closeTab", free)).want(t, http.StatusConflict, "tab_closed")
	r.send(t, r.paying(free, `{"method":"CASH"}`)).want(t, http.StatusConflict, "tab_closed")
	sameJSON(t, r.do(t, r.of("getSalesStatistics").asking("term=DAY&from=2024-12-01&to=2024-12-02")), `{"term":"DAY","currency":"KRW","items":[
		{"start":"2024-12-01","end":"2024-12-02","grossSales":0,"refunds":0,"netSales":0,"tabs":1,"saleCount":2}]}`, nil)
	sameJSON(t, r.do(t, r.of("getSettlement").asking("term=DAY&start=2024-12-01")), `{"term":"DAY","start":"2024-12-01","end":"2024-12-02",
		"currency":"KRW","revenue":0,"fee":0,"posFee":0,"operatingProfit":0,"status":"OPEN","version":0}`, nil)
	bill := get[struct {
		Status, BusinessDate string
		Amount, Due          int64
		Payments             []struct{}
	}](t, r.world, r.of("getTab", free))
	if bill.Status != "CLOSED" || bill.BusinessDate != "2024-12-01" || bill.Amount != 0 || bill.Due != 0 || len(bill.Payments) != 0 {
		t.Errorf("the bill is %+v", bill)
	}
	next := r.order(t, 1, r.coffee)
	if next == free {
		t.Error("the next guests' order is on the closed tab")
	}
	r.nothingHappens(t, func() {
		r.do(t, r.of("closeTab", next)).want(t, http.StatusConflict, "amount_due")
		r.do(t, r.of("closeTab", r.table+".99")).want(t, http.StatusNotFound, "tab_not_found")
	})
	if paid := r.pay(t, next, `{"method":"CASH"}`); paid.TabStatus != "CLOSED" {
		t.Errorf("paid: %+v", paid)
	}
}
