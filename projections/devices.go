package projections

import (
	"time"

	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/eventstore"
)

// Devices lists a store's tablets, revoked ones included. Partition: store id. Field: device id.
//
// Whether a token is good is never asked here but of the store's own stream, so that a revoked token is dead at once.
var Devices = rowModel("devices", 1, map[string]route[DeviceRow]{
	"store.device_paired.v1": on(store.Catalog, func(e store.DevicePaired, stored eventstore.Event) []rowStep[DeviceRow] {
		return device(stored, e.DeviceID, func(*DeviceRow) *DeviceRow {
			return &DeviceRow{DeviceID: e.DeviceID, TableID: e.TableID, PairedAt: e.At}
		})
	}),
	"store.device_revoked.v1": on(store.Catalog, func(e store.DeviceRevoked, stored eventstore.Event) []rowStep[DeviceRow] {
		return device(stored, e.DeviceID, func(row *DeviceRow) *DeviceRow {
			if row == nil {
				return nil
			}
			revoked := *row
			revoked.RevokedAt = &e.At
			return &revoked
		})
	}),
})

// DeviceRow is a tablet of a store.
type DeviceRow struct {
	DeviceID  string     `json:"deviceId"`
	TableID   string     `json:"tableId"`
	PairedAt  time.Time  `json:"pairedAt"`
	RevokedAt *time.Time `json:"revokedAt,omitempty"` // nil: its token is good
}

func device(stored eventstore.Event, id string, s step[DeviceRow]) []rowStep[DeviceRow] {
	_, storeID, _ := stream.Parse(stored.Stream)
	return []rowStep[DeviceRow]{{key: rowKey{storeID, id}, step: s}}
}
