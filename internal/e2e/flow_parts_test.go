package e2e

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// replaceTablet revokes a tablet in the middle of a tab: its token is dead at once, and another one takes over.
func (f *floor) replaceTablet() {
	f.t.Helper()
	old := f.r.tablets[1]
	if f.open[old] == nil {
		f.order(old)
	}
	f.r.owner.send(f.t, http.MethodDelete, f.r.path("/devices/%s", old.DeviceID), "", nil, http.StatusNoContent, nil)
	body := orderBody{[]orderLine{{f.r.products[0].ProductID, 1}}}
	old.send(f.t, http.MethodPost, "/v1/orders", f.key(), body, http.StatusUnauthorized, nil)
	old.send(f.t, http.MethodGet, "/v1/menu", "", nil, http.StatusUnauthorized, nil)
	young := f.r.pair(f.t, old.TableID, old.table)
	f.r.tablets[1] = young
	f.open[young], f.tabIDs[young] = f.open[old], f.tabIDs[old]
	delete(f.open, old)
	delete(f.tabIDs, old)
	f.order(young)
}

// removeProduct takes a product off the menu: it cannot be ordered any more, and what was sold of it stays.
func (f *floor) removeProduct() {
	f.t.Helper()
	gone := f.r.products[len(f.r.products)-1]
	f.r.products = f.r.products[:len(f.r.products)-1]
	f.last = f.r.owner.send(f.t, http.MethodDelete, f.r.path("/products/%s", gone.ProductID), "", nil, http.StatusNoContent, nil).position
	body := orderBody{[]orderLine{{gone.ProductID, 1}}}
	f.r.tablets[0].send(f.t, http.MethodPost, "/v1/orders", f.key(), body, http.StatusNotFound, nil)
}

// hideFrom makes sure that to another owner the store does not exist.
func (f *floor) hideFrom(other caller) {
	f.t.Helper()
	for _, path := range []string{"", "/products", "/tabs", "/settlements?term=DAY&start=" + today(f.t).Format(dateForm)} {
		other.send(f.t, http.MethodGet, f.r.path("%s", path), "", nil, http.StatusNotFound, nil)
	}
	other.send(f.t, http.MethodPost, f.r.path("/tables"), "", map[string]string{"name": "Mine"}, http.StatusNotFound, nil)
}

// checkTabs compares the bills and the menu, as owner and tablets see them, with the model.
func (f *floor) checkTabs() {
	f.t.Helper()
	type tab struct {
		TabID, TableID, Status string
		Amount, Due            int64
	}
	var open, closed struct{ Tabs []tab }
	f.r.owner.get(f.t, f.r.path("/tabs?status=OPEN"), f.last, &open)
	f.r.owner.get(f.t, f.r.path("/tabs?status=CLOSED&limit=1000"), f.last, &closed)
	if len(open.Tabs) != len(f.open) || len(closed.Tabs) != len(f.closed) {
		f.t.Fatalf("%d open and %d closed tabs, want %d and %d", len(open.Tabs), len(closed.Tabs), len(f.open), len(f.closed))
	}
	for _, at := range f.r.tablets {
		b := f.open[at]
		if b == nil {
			at.send(f.t, http.MethodGet, "/v1/tab", "", nil, http.StatusNotFound, nil)
			continue
		}
		want := tab{f.tabIDs[at], at.TableID, "OPEN", b.amount(), b.due()}
		ask(f.t, f.r.owner, f.r.path("/tabs/%s", want.TabID), f.last, want)
		ask(f.t, f.r.owner, f.r.path("/tables/%s/tab", at.TableID), f.last, want)
		if !slices.Contains(open.Tabs, want) {
			f.t.Fatalf("open tabs %v have no %v", open.Tabs, want)
		}
		want.Status = "" // a guest's open tab does not say so
		ask(f.t, at.caller, "/v1/tab", f.last, want)
	}
	var menu struct{ Products []product }
	f.r.tablets[0].get(f.t, "/v1/menu", f.last, &menu)
	if len(menu.Products) != len(f.r.products) {
		f.t.Fatalf("the menu has %v, want %d products", menu.Products, len(f.r.products))
	}
	for _, p := range f.r.products {
		if !slices.Contains(menu.Products, *p) {
			f.t.Fatalf("the menu has %v, and not %v", menu.Products, *p)
		}
	}
}

// snapshot is every answer about a restaurant, without what differs from run to run.
func (r *restaurant) snapshot(t testing.TB, position string) string {
	t.Helper()
	day := today(t)
	paths := []string{"", "/products", "/tables", "/devices", "/tabs?limit=1000", "/tabs?status=OPEN"}
	for _, term := range []string{"DAY", "WEEK", "MONTH"} {
		start := statisticsSpan(term, day).start()
		paths = append(paths, "/statistics/products?limit=50&term="+term+"&start="+start)
	}
	for _, route := range []string{"/settlements", "/settlements/detail"} {
		paths = append(paths, route+"?term=DAY&start="+day.Format(dateForm))
	}
	var shot strings.Builder
	for _, path := range paths {
		shot.WriteString(path + " " + r.nameless(t, r.owner.get(t, r.path("%s", path), position, nil).body) + "\n")
	}
	for _, at := range r.tablets {
		shot.WriteString(r.nameless(t, at.get(t, "/v1/menu", position, nil).body) + "\n")
	}
	return shot.String()
}

var (
	times = regexp.MustCompile(`"(\w+At)":"[^"]*"`)
	ids   = regexp.MustCompile(`"(orderId|paymentId|deviceId)":"[^"]*"`)
)

// nameless replaces ids by names, and sorts the lists whose order is that of the ids.
func (r *restaurant) nameless(t testing.TB, body []byte) string {
	t.Helper()
	text := strings.NewReplacer(append(r.names, r.storeID, "the store")...).Replace(string(body))
	text = ids.ReplaceAllString(times.ReplaceAllString(text, `"$1":"then"`), `"$1":"an id"`)
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for _, list := range []string{"products", "tabs", "tables", "devices"} {
		if rows, is := v[list].([]any); is {
			slices.SortFunc(rows, func(a, b any) int { return strings.Compare(plain(a), plain(b)) })
		}
	}
	return plain(v)
}
