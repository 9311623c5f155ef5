// Package readapi is the query API: GET routes over the read models. What it shows was folded before; it picks and sorts,
// and neither decides nor computes anything.
//
// Not here: commands, and the question who owns what, which auth.Access answers from the log.
package readapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"daybook/eventstore"
	"daybook/internal/auth"
	"daybook/internal/httpapi"
	"daybook/projections"
)

// Reader reads one read model, once it includes a position; *projections.Reader is one. Safe for concurrent use.
type Reader interface {
	Get(ctx context.Context, at eventstore.Position, partition string, fields ...string) (map[string]projections.Value, error)
	List(ctx context.Context, at eventstore.Position, partition, after string, limit int) ([]projections.Entry, error)
	LeftOut(ctx context.Context, at eventstore.Position, storeID string) (projections.LeftOut, error)
}

// PeriodReader reads the counters; *projections.PeriodReader is one. Safe for concurrent use.
type PeriodReader interface {
	Reader
	GetEach(ctx context.Context, at eventstore.Position, partitions []string, fields ...string) ([]map[string]projections.Value, error)
	Period(ctx context.Context, at eventstore.Position, partition string) (projections.PeriodFigures, error)
	Tenders(ctx context.Context, at eventstore.Position, partition string) ([]projections.TenderFigures, error)
}

// API answers queries.
type API struct {
	Access auth.Access
	Owners *auth.Owners
	// One reader for each read model.
	Stores, Menus, Tables, Devices, Tabs Reader
	Counters                             PeriodReader
}

// Routes adds the query API to a server.
func (a *API) Routes(e *echo.Echo) {
	e.GET("/v1/stores", a.listStores)
	store := func(path string, h func(query) (any, error), params ...string) {
		e.GET("/v1/stores/:storeId"+path, a.ownerQuery(h, params))
	}
	store("", a.store)
	store("/products", a.products, pageParams...)
	store("/products/:productId", a.product)
	store("/tables", a.tables, pageParams...)
	store("/tables/:tableId/tab", a.tableTab)
	store("/devices", a.devices, pageParams...)
	store("/tabs", whole(a.Tabs, a.listTabs), append([]string{"status"}, pageParams...)...)
	store("/tabs/:tabId", a.tab)
	store("/statistics/products", whole(a.Counters, a.productStatistics), "term", "start", "category", "sort", "limit")
	store("/statistics/sales", whole(a.Counters, a.salesStatistics), "term", "from", "to")
	store("/settlements", whole(a.Counters, a.settlement), "term", "start")
	store("/settlements/detail", whole(a.Counters, a.settlementDetail), "term", "start")
	e.GET("/v1/menu", a.tabletQuery(a.menu))
	e.GET("/v1/tab", a.tabletQuery(a.tabletTab))
}

// waitMax is how long a query waits for the position that it was asked to include.
const waitMax = 5 * time.Second

var errBehind = httpapi.NewProblem(http.StatusServiceUnavailable, "read_model_behind",
	"the figures do not include that position yet, or are being caught up; try again")

// query is one question about one store, by somebody who may ask it.
type query struct {
	ctx   context.Context
	store auth.Store
	table string              // of the tablet that asks; "" for an owner
	at    eventstore.Position // that the answer must include
	param func(name string) string
	value func(name string) string // of the query string; "" if absent
}

// ownerQuery makes a route of a question that the owner of the store in the path may ask, with the named parameters.
func (a *API) ownerQuery(ask func(query) (any, error), params []string) echo.HandlerFunc {
	return func(c echo.Context) error {
		ownerID, err := a.owner(c)
		if err != nil {
			return err
		}
		store, err := a.Access.Owned(c.Request().Context(), ownerID, c.Param("storeId"))
		if err != nil {
			return err
		}
		return answer(c, query{store: store}, params, ask)
	}
}

// tabletQuery makes a route of a question that a tablet may ask about its own table.
func (a *API) tabletQuery(ask func(query) (any, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		token, err := httpapi.Bearer(c)
		if err != nil {
			return err
		}
		device, err := a.Access.Device(c.Request().Context(), token)
		if err != nil {
			return err
		}
		return answer(c, query{store: device.Store, table: device.TableID}, nil, ask)
	}
}

func (a *API) owner(c echo.Context) (string, error) {
	token, err := httpapi.Bearer(c)
	if err != nil {
		return "", err
	}
	return a.Owners.Verify(token)
}

func answer(c echo.Context, q query, params []string, ask func(query) (any, error)) error {
	values, err := httpapi.CheckQuery(c, params...)
	if err != nil {
		return err
	}
	if q.at, err = httpapi.AskedPosition(c); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), waitMax)
	defer cancel()
	q.ctx, q.param, q.value = ctx, c.Param, values.Get
	body, err := ask(q)
	if errors.Is(err, projections.ErrNotCurrent) {
		return errors.Join(errBehind, err)
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, body)
}

// one reads the row of an id, or returns missing. What cannot be an id is not asked for: a sink may not take it.
func one[T any](q query, r Reader, partition, id string, missing error) (*T, error) {
	if !auth.ValidID(id) {
		return nil, missing
	}
	values, err := r.Get(q.ctx, q.at, partition, id)
	if err != nil {
		return nil, err
	}
	value, is := values[id]
	if !is {
		return nil, missing
	}
	row := new(T)
	return row, json.Unmarshal(value.Row, row)
}
