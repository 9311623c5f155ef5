package projections

import (
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
