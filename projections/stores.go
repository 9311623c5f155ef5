package projections

import (
	"time"

	"daybook/domain/store"
	"daybook/eventstore"
)

// Stores lists the stores of each owner. Partition: owner id. Field: store id.
var Stores = rowModel("stores", 1, map[string]route[StoreRow]{
	"store.opened.v1": on(store.Catalog, func(e store.Opened, _ eventstore.Event) []rowStep[StoreRow] {
		return []rowStep[StoreRow]{{key: rowKey{e.OwnerID, e.StoreID}, step: func(*StoreRow) *StoreRow {
			return &StoreRow{
				StoreID: e.StoreID, Name: e.Name, Grade: string(e.Grade), SettlementDay: e.SettlementDay,
				TimeZone: e.TimeZone, Currency: string(e.Currency), CloseoutHour: e.CloseoutHour, OpenedAt: e.At,
			}
		}}}
	}),
})

// StoreRow is a store as its owner sees it.
type StoreRow struct {
	StoreID       string    `json:"storeId"`
	Name          string    `json:"name"`
	Grade         string    `json:"posGrade"`
	SettlementDay int       `json:"settlementDay"`
	TimeZone      string    `json:"timeZone"`
	Currency      string    `json:"currency"`
	CloseoutHour  int       `json:"closeoutHour"`
	OpenedAt      time.Time `json:"openedAt"`
}
