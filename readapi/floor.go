package readapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"daybook/internal/auth"
	"daybook/internal/httpapi"
	"daybook/projections"
)

var (
	errNoStore   = httpapi.NewProblem(http.StatusNotFound, "store_not_found", "there is no such store")
	errNoProduct = httpapi.NewProblem(http.StatusNotFound, "product_not_found", "there is no such product")
	errNoTable   = httpapi.NewProblem(http.StatusNotFound, "table_not_found", "there is no such table")
	errNoTab     = httpapi.NewProblem(http.StatusNotFound, "tab_not_found", "there is no such tab")
	errNoOpenTab = httpapi.NewProblem(http.StatusNotFound, "no_open_tab", "the table has no open tab")
)

func (a *API) listStores(c echo.Context) error {
	ownerID, err := a.owner(c)
	if err != nil {
		return err
	}
	return answer(c, query{store: auth.Store{OwnerID: ownerID}}, pageParams, func(q query) (any, error) {
		return listed[projections.StoreRow](q, a.Stores, ownerID, "stores")
	})
}

func (a *API) store(q query) (any, error) {
	return one[projections.StoreRow](q, a.Stores, q.store.OwnerID, q.store.StoreID, errNoStore)
}

func (a *API) products(q query) (any, error) {
	body, err := listed[projections.ProductRow](q, a.Menus, q.store.StoreID, "products")
	if err != nil {
		return nil, err
	}
	body["currency"] = q.store.Currency
	return body, nil
}

func (a *API) product(q query) (any, error) {
	return one[projections.ProductRow](q, a.Menus, q.store.StoreID, q.param("productId"), errNoProduct)
}

// menuItem is a product as a guest sees it.
type menuItem struct {
	projections.ProductRow
	Available bool `json:"available"`
}

// menu answers with the whole menu, by category and name. It has no pages: menu.ProductsMax bounds it.
func (a *API) menu(q query) (any, error) {
	entries, err := a.Menus.List(q.ctx, q.at, q.store.StoreID, "", 0)
	if err != nil {
		return nil, err
	}
	items := make([]menuItem, len(entries))
	for i, e := range entries {
		items[i].Available = true // no stock is tracked: what is on the menu can be had
		if err := json.Unmarshal(e.Row, &items[i].ProductRow); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(items, func(a, b menuItem) int {
		return cmp.Or(cmp.Compare(a.Category, b.Category), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ProductID, b.ProductID))
	})
	return map[string]any{"currency": q.store.Currency, "products": items}, nil
}

func (a *API) tables(q query) (any, error) {
	return listed[projections.TableRow](q, a.Tables, q.store.StoreID, "tables")
}

func (a *API) devices(q query) (any, error) {
	return listed[projections.DeviceRow](q, a.Devices, q.store.StoreID, "devices")
}

// guestTab is a bill as a guest sees it: without fees.
type guestTab struct {
	TabID    string                 `json:"tabId"`
	TableID  string                 `json:"tableId"`
	Currency string                 `json:"currency"`
	Amount   int64                  `json:"amount"`
	Due      int64                  `json:"due"`
	Orders   []projections.OrderRow `json:"orders"`
	OpenedAt time.Time              `json:"openedAt"`
}

// openTab reads the open bill of a table. It is looked up first, and may be paid in between.
func (a *API) openTab(q query, tableID string) (*projections.TabRow, error) {
	open, err := one[projections.OpenTabRow](q, a.Tabs, projections.OpenTabs(q.store.StoreID), tableID, errNoOpenTab)
	if err != nil {
		return nil, err
	}
	t, err := one[projections.TabRow](q, a.Tabs, q.store.StoreID, open.TabID, errNoOpenTab)
	if err == nil && t.Status != tabOpen {
		err = errNoOpenTab
	}
	return t, err
}

func (a *API) tabletTab(q query) (any, error) {
	t, err := a.openTab(q, q.table)
	if err != nil {
		return nil, err
	}
	return guestTab{t.TabID, t.TableID, t.Currency, t.Amount, t.Due, t.Orders, t.OpenedAt}, nil
}

func (a *API) tableTab(q query) (any, error) {
	if _, err := one[projections.TableRow](q, a.Tables, q.store.StoreID, q.param("tableId"), errNoTable); err != nil {
		return nil, err
	}
	return a.openTab(q, q.param("tableId"))
}

func (a *API) tab(q query) (any, error) {
	return one[projections.TabRow](q, a.Tabs, q.store.StoreID, q.param("tabId"), errNoTab)
}

// What a tab's status says.
const tabOpen, tabClosed = "OPEN", "CLOSED"

// tabsLimitDefault is how many bills a page has at most if nobody says.
const tabsLimitDefault = 100

var errTabStatus = httpapi.NewProblem(http.StatusBadRequest, "invalid_status", "status is OPEN or CLOSED")

// listTabs pages through a store's bills by tab id, or, of the open ones, by table id.
func (a *API) listTabs(q query) (any, error) {
	p, err := pageOf(q, tabsLimitDefault)
	if err != nil {
		return nil, err
	}
	status := q.value("status")
	read := a.pageOfTabs
	switch status {
	case tabOpen:
		read = a.pageOfOpenTabs
	case tabClosed, "":
	default:
		return nil, errTabStatus
	}
	tabs, next, err := read(q, p)
	if err != nil {
		return nil, err
	}
	tabs = slices.DeleteFunc(tabs, func(t projections.TabRow) bool { return status != "" && t.Status != status })
	return answerPage("tabs", tabs, next), nil
}

func (a *API) pageOfTabs(q query, p page) ([]projections.TabRow, string, error) {
	return list[projections.TabRow](q, a.Tabs, q.store.StoreID, p)
}

// pageOfOpenTabs reads which tab each table has open, and then the tabs. One may be paid in between.
func (a *API) pageOfOpenTabs(q query, p page) ([]projections.TabRow, string, error) {
	return collect[projections.TabRow](p, func(after string, n int) ([]projections.Entry, error) {
		entries, err := a.Tabs.List(q.ctx, q.at, projections.OpenTabs(q.store.StoreID), after, n)
		if err != nil || len(entries) == 0 {
			return nil, err
		}
		ids := make([]string, len(entries))
		for i, e := range entries {
			var open projections.OpenTabRow
			if err := json.Unmarshal(e.Row, &open); err != nil {
				return nil, fmt.Errorf("table %s: %w", e.Field, err)
			}
			ids[i] = open.TabID
		}
		values, err := a.Tabs.Get(q.ctx, q.at, q.store.StoreID, ids...)
		for i, id := range ids {
			entries[i].Value = values[id]
		}
		return entries, err
	})
}
