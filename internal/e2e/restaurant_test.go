package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// middayZone is a time zone in which it is about noon now, so that no test meets the end of a day.
var middayZone = func() string {
	switch ahead := 12 - time.Now().UTC().Hour(); {
	case ahead > 0:
		return fmt.Sprintf("Etc/GMT-%d", ahead) // POSIX: minus is east
	case ahead < 0:
		return fmt.Sprintf("Etc/GMT+%d", -ahead)
	}
	return "Etc/GMT"
}()

// today is the date in middayZone.
func today(t testing.TB) time.Time {
	t.Helper()
	zone, err := time.LoadLocation(middayZone)
	if err != nil {
		t.Fatal(err)
	}
	year, month, day := time.Now().In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// restaurant is a store, as its owner and its tablets see it.
type restaurant struct {
	owner    caller
	storeID  string
	products []*product
	tablets  []*tablet
	names    []string // pairs of an id and what it was called at first
}

// product is a product as it stands on the menu now.
type product struct {
	ProductID string `json:"productId"`
	Name      string `json:"name"`
	Category  string `json:"category"`
	Price     int64  `json:"price"`
}

// tablet is a paired tablet on a table.
type tablet struct {
	caller
	DeviceID string `json:"deviceId"`
	Token    string `json:"deviceToken"`
	TableID  string `json:"tableId"`
	table    string // its name
}

// open opens a store.
func (c caller) open(t testing.TB, settings map[string]any) *restaurant {
	t.Helper()
	wanted := map[string]any{"name": "Corner Cafe", "posGrade": "BRONZE", "settlementDay": 1, "timeZone": middayZone}
	for name, value := range settings {
		wanted[name] = value
	}
	var opened struct{ StoreID string }
	c.send(t, http.MethodPost, "/v1/stores", "", wanted, http.StatusCreated, &opened)
	return &restaurant{owner: c, storeID: opened.StoreID}
}

func (r *restaurant) path(format string, args ...any) string {
	return "/v1/stores/" + r.storeID + fmt.Sprintf(format, args...)
}

// offer puts a product on the menu.
func (r *restaurant) offer(t testing.TB, name, category string, price int64) *product {
	t.Helper()
	p := &product{}
	body := map[string]any{"name": name, "category": category, "price": price}
	r.owner.send(t, http.MethodPost, r.path("/products"), "", body, http.StatusCreated, p)
	r.products, r.names = append(r.products, p), append(r.names, p.ProductID, name)
	return p
}

// change changes what a product is called, where it belongs or what it costs.
func (r *restaurant) change(t testing.TB, p *product, changes map[string]any) {
	t.Helper()
	r.owner.send(t, http.MethodPatch, r.path("/products/%s", p.ProductID), "", changes, http.StatusOK, p)
}

// seat adds a table and pairs a tablet with it.
func (r *restaurant) seat(t testing.TB, name string) *tablet {
	t.Helper()
	var table struct{ TableID string }
	r.owner.send(t, http.MethodPost, r.path("/tables"), "", map[string]string{"name": name}, http.StatusCreated, &table)
	tab := r.pair(t, table.TableID, name)
	r.tablets, r.names = append(r.tablets, tab), append(r.names, table.TableID, name)
	return tab
}

// pair pairs a tablet with a table.
func (r *restaurant) pair(t testing.TB, tableID, name string) *tablet {
	t.Helper()
	var code struct{ PairingCode string }
	r.owner.send(t, http.MethodPost, r.path("/tables/%s/pairing-codes", tableID), "", struct{}{}, http.StatusCreated, &code)
	tab := &tablet{table: name}
	anybody := caller{in: r.owner.in}
	anybody.send(t, http.MethodPost, "/v1/devices/pair", "", map[string]string{"pairingCode": code.PairingCode}, http.StatusCreated, tab)
	tab.caller = caller{in: r.owner.in, token: tab.Token}
	return tab
}

// cafe opens a store with three products and some tables.
func (c caller) cafe(t testing.TB, tables int) *restaurant {
	t.Helper()
	r := c.open(t, nil)
	r.offer(t, "Coffee", "DRINK", 3500)
	r.offer(t, "Cake", "SUB_MENU", 4700)
	r.offer(t, "Bibimbap", "MAIN_MENU", 9501)
	for n := range tables {
		r.seat(t, fmt.Sprintf("Table %d", n+1))
	}
	return r
}

// Bodies and answers of the API.
type (
	orderBody struct {
		Lines []orderLine `json:"lines"`
	}
	orderLine struct {
		ProductID string `json:"productId"`
		Quantity  int64  `json:"quantity"`
	}
	orderAnswer struct {
		OrderID, TabID, Status string
	}
	paymentBody struct {
		Method      string `json:"method"`
		CardCompany string `json:"cardCompany,omitempty"`
		Amount      int64  `json:"amount,omitempty"`
	}
	paymentAnswer struct {
		PaymentID        string
		Amount, Fee, Due int64
		TabStatus        string
	}
)
