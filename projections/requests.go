package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"daybook/domain/menu"
	"daybook/domain/store"
	"daybook/domain/tab"
	"daybook/eventstore"
)

// Requests finds a command that was given with an Idempotency-Key: the place of its last event, which recorded the
// answer. Partition: store id. Field: command id.
var Requests = rowModel("requests", 1, requestRoutes())

// RequestRow says where a command's last event is.
type RequestRow struct {
	Stream   string              `json:"stream"`
	Revision eventstore.Revision `json:"revision"`
}

// requestRoutes has every event that a command may end with.
func requestRoutes() map[string]route[RequestRow] {
	routes := map[string]route[RequestRow]{}
	for _, types := range [][]string{
		slices.Collect(maps.Keys(store.Catalog)), slices.Collect(maps.Keys(store.CodeDecider.Catalog)),
		slices.Collect(maps.Keys(menu.Catalog)), slices.Collect(maps.Keys(tab.Catalog)),
	} {
		for _, typ := range types {
			routes[typ] = routeRequest
		}
	}
	return routes
}

func routeRequest(e eventstore.Event) ([]rowStep[RequestRow], error) {
	var meta struct {
		CommandID string    `json:"commandId"`
		StoreID   string    `json:"storeId"`
		Answer    *struct{} `json:"answer"`
	}
	if len(e.Metadata) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(e.Metadata, &meta); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	if meta.Answer == nil {
		return nil, nil
	}
	return []rowStep[RequestRow]{{
		key:  rowKey{meta.StoreID, meta.CommandID},
		step: func(*RequestRow) *RequestRow { return &RequestRow{e.Stream, e.Revision} },
		anew: true,
	}}, nil
}

// FindRequest returns where a store's command is, nil if the read model of requests that r keeps up to date does not
// know it, and the position up to which it knows every command. It does not wait, and says zero where in doubt.
func FindRequest(ctx context.Context, r *Runner, storeID, commandID string) (*RequestRow, eventstore.Position, error) {
	none := eventstore.Position{}
	target, err := r.served(ctx)
	if err != nil {
		return nil, none, err
	}
	values, at, err := r.Sink.Get(ctx, target, storeID, commandID)
	if err != nil {
		return nil, none, err
	}
	log, err := r.store.Identity(ctx)
	if err != nil || at.Log != log || at.Version != r.Model.Version {
		return nil, none, err
	}
	value, found := values[commandID]
	if !found {
		return nil, at.Position, nil
	}
	row := new(RequestRow)
	return row, at.Position, json.Unmarshal(value.Row, row)
}
