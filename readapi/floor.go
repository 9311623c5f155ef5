package readapi

import (
	"cmp"
	"encoding/json"
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
