package readapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
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
	return answer(c, query{store: auth.Store{OwnerID: ownerID}}, nil, func(q query) (any, error) {
		stores, _, err := list[projections.StoreRow](q, a.Stores, ownerID, "", 0)
		return map[string]any{"stores": stores}, err
	})
}

func (a *API) store(q query) (any, error) {
	return one[projections.StoreRow](q, a.Stores, q.store.OwnerID, q.store.StoreID, errNoStore)
}

func (a *API) products(q query) (any, error) {
	products, err := a.listProducts(q)
	return map[string]any{"currency": q.store.Currency, "products": products}, err
}

// listProducts reads a menu by category and name.
func (a *API) listProducts(q query) ([]projections.ProductRow, error) {
	products, _, err := list[projections.ProductRow](q, a.Menus, q.store.StoreID, "", 0)
	slices.SortFunc(products, func(a, b projections.ProductRow) int {
		return cmp.Or(cmp.Compare(a.Category, b.Category), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ProductID, b.ProductID))
	})
	return products, err
}

func (a *API) product(q query) (any, error) {
	return one[projections.ProductRow](q, a.Menus, q.store.StoreID, q.param("productId"), errNoProduct)
}

// menuItem is a product as a guest sees it.
type menuItem struct {
	projections.ProductRow
	Available bool `json:"available"`
}

func (a *API) menu(q query) (any, error) {
	products, err := a.listProducts(q)
	items := make([]menuItem, len(products))
	for i, p := range products {
		items[i] = menuItem{p, true} // no stock is tracked: what is on the menu can be had
	}
	return map[string]any{"currency": q.store.Currency, "products": items}, err
}

func (a *API) tables(q query) (any, error) {
	tables, _, err := list[projections.TableRow](q, a.Tables, q.store.StoreID, "", 0)
	return map[string]any{"tables": tables}, err
}

func (a *API) devices(q query) (any, error) {
	devices, _, err := list[projections.DeviceRow](q, a.Devices, q.store.StoreID, "", 0)
	return map[string]any{"devices": devices}, err
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

// tabsLimitDefault and tabsLimitMax bound one page of bills.
const tabsLimitDefault, tabsLimitMax = 100, 1000

var (
	errTabStatus = httpapi.NewProblem(http.StatusBadRequest, "invalid_status", "status is OPEN or CLOSED")
	errAfter     = httpapi.NewProblem(http.StatusBadRequest, "invalid_after", "after is the next of the page before")
)

// listTabs pages through a store's bills by tab id, or, of the open ones, by table id.
func (a *API) listTabs(q query) (any, error) {
	limit, err := limitOf(q, tabsLimitDefault, tabsLimitMax)
	if err != nil {
		return nil, err
	}
	after := q.value("after")
	if after != "" && !auth.ValidID(after) {
		return nil, errAfter
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
	tabs, next, err := read(q, after, limit)
	if err != nil {
		return nil, err
	}
	wanted := make([]projections.TabRow, 0, len(tabs))
	for _, t := range tabs {
		if status == "" || t.Status == status {
			wanted = append(wanted, t)
		}
	}
	body := map[string]any{"tabs": wanted}
	if next != "" {
		body["next"] = next // ask with after=next for the rest
	}
	return body, nil
}

func (a *API) pageOfTabs(q query, after string, limit int) ([]projections.TabRow, string, error) {
	return list[projections.TabRow](q, a.Tabs, q.store.StoreID, after, limit)
}

func (a *API) pageOfOpenTabs(q query, after string, limit int) ([]projections.TabRow, string, error) {
	open, next, err := list[projections.OpenTabRow](q, a.Tabs, projections.OpenTabs(q.store.StoreID), after, limit)
	if err != nil || len(open) == 0 {
		return nil, "", err
	}
	ids := make([]string, len(open))
	for i, o := range open {
		ids[i] = o.TabID
	}
	values, err := a.Tabs.Get(q.ctx, q.at, q.store.StoreID, ids...)
	if err != nil {
		return nil, "", err
	}
	tabs := make([]projections.TabRow, 0, len(ids))
	for _, id := range ids {
		var t projections.TabRow
		if err := json.Unmarshal(values[id].Row, &t); err != nil {
			return nil, "", fmt.Errorf("tab %s: %w", id, err)
		}
		tabs = append(tabs, t)
	}
	return tabs, next, nil
}

// limitOf reads the limit parameter.
func limitOf(q query, absent, max int) (int, error) {
	text := q.value("limit")
	if text == "" {
		return absent, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > max {
		return 0, httpapi.NewProblem(http.StatusBadRequest, "invalid_limit", "limit is 1 to "+strconv.Itoa(max))
	}
	return limit, nil
}
