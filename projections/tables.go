package projections

import (
	"time"

	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/eventstore"
)

// Tables lists a store's tables. Partition: store id. Field: table id.
var Tables = rowModel("tables", 1, map[string]route[TableRow]{
	"store.table_added.v1": on(store.Catalog, func(e store.TableAdded, stored eventstore.Event) []rowStep[TableRow] {
		_, storeID, _ := stream.Parse(stored.Stream)
		return []rowStep[TableRow]{{key: rowKey{storeID, e.TableID}, step: func(*TableRow) *TableRow {
			return &TableRow{TableID: e.TableID, Name: e.Name, AddedAt: e.At}
		}}}
	}),
})

// TableRow is a table of a store.
type TableRow struct {
	TableID string    `json:"tableId"`
	Name    string    `json:"name"`
	AddedAt time.Time `json:"addedAt"`
}
