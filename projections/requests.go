package projections

import (
	"context"
	"encoding/json"
	"fmt"

	"daybook/domain/stream"
	"daybook/eventstore"
)

// Requests finds the tab that an order went to by the command that placed it. A tablet that repeats an order, even
// after its tab was closed, is so led to the tab that has it. Partition: store id. Field: command id.
var Requests = rowModel("requests", 1, map[string]route[RequestRow]{
	"tab.order_placed.v1": func(e eventstore.Event) ([]rowStep[RequestRow], error) {
		var meta struct {
			CommandID string `json:"commandId"`
		}
		if len(e.Metadata) > 0 {
			if err := json.Unmarshal(e.Metadata, &meta); err != nil {
				return nil, fmt.Errorf("metadata: %w", err)
			}
		}
		if meta.CommandID == "" {
			return nil, nil
		}
		_, storeID, _ := stream.Parse(e.Stream)
		return []rowStep[RequestRow]{{rowKey{storeID, meta.CommandID}, func(*RequestRow) *RequestRow {
			return &RequestRow{Stream: e.Stream}
		}}}, nil
	},
})

// RequestRow says where a command's events are.
type RequestRow struct {
	Stream string `json:"stream"`
}

// FindRequest returns the stream that has a store's command, "" if the read model knows none, and the position up to
// which it knows every command of the log whose identity it is told. It does not wait, and says zero where in doubt.
func FindRequest(ctx context.Context, sink Sink, identity func(context.Context) (string, error), storeID, commandID string) (string, eventstore.Position, error) {
	none := eventstore.Position{}
	target, err := active(ctx, sink, Requests.Name)
	if err != nil {
		return "", none, err
	}
	values, at, err := sink.Get(ctx, target, storeID, commandID)
	if err != nil {
		return "", none, err
	}
	log, err := identity(ctx)
	if err != nil || at.Log != log || at.Version != Requests.Version {
		return "", none, err
	}
	stopped, err := listParked(ctx, sink, target)
	if err != nil || len(stopped) > 0 {
		return "", none, err
	}
	value, found := values[commandID]
	if !found {
		return "", at.Position, nil
	}
	var row RequestRow
	err = json.Unmarshal(value.Row, &row)
	return row.Stream, at.Position, err
}
