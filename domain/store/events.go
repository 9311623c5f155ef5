package store

import (
	"slices"
	"time"

	"daybook/domain/event"
	"daybook/domain/money"
)

// Event is one of this file's events. These types are the storage format: a field may be added if its zero value is
// usable, nothing else may change.
//
//sumtype:decl
type Event interface {
	event.Stored
	storeEvent()
}

// Opened: an owner opened the store.
type Opened struct {
	StoreID       string         `json:"storeId"`
	OwnerID       string         `json:"ownerId"`
	Name          string         `json:"name"`
	Grade         Grade          `json:"posGrade"`
	SettlementDay int            `json:"settlementDay"`
	TimeZone      string         `json:"timeZone"` // IANA name
	Currency      money.Currency `json:"currency"`
	CloseoutHour  int            `json:"closeoutHour"`
	At            time.Time      `json:"at"`
}

// TableAdded: the store has one more table.
type TableAdded struct {
	TableID string    `json:"tableId"`
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
}

// DevicePaired: a tablet now stands on a table. Its token is known to the tablet alone.
type DevicePaired struct {
	DeviceID  string    `json:"deviceId"`
	TableID   string    `json:"tableId"`
	PairingID string    `json:"pairingId"`
	TokenHash []byte    `json:"tokenHash"` // SHA-256
	At        time.Time `json:"at"`
}

// DeviceRevoked: a tablet's token is dead.
type DeviceRevoked struct {
	DeviceID string    `json:"deviceId"`
	At       time.Time `json:"at"`
}

func (Opened) EventType() string        { return "store.opened.v1" }
func (TableAdded) EventType() string    { return "store.table_added.v1" }
func (DevicePaired) EventType() string  { return "store.device_paired.v1" }
func (DeviceRevoked) EventType() string { return "store.device_revoked.v1" }

func (Opened) storeEvent()        {}
func (TableAdded) storeEvent()    {}
func (DevicePaired) storeEvent()  {}
func (DeviceRevoked) storeEvent() {}

// Catalog reads every event name that was ever stored in a store's stream.
var Catalog = event.Catalog[Event]{
	"store.opened.v1":         event.As[Opened, Event],
	"store.table_added.v1":    event.As[TableAdded, Event],
	"store.device_paired.v1":  event.As[DevicePaired, Event],
	"store.device_revoked.v1": event.As[DeviceRevoked, Event],
}

// Evolve folds one event into a store.
func Evolve(s State, e Event) State {
	switch e := e.(type) {
	case Opened:
		return State{
			StoreID: e.StoreID, OwnerID: e.OwnerID, Name: e.Name, Grade: e.Grade, SettlementDay: e.SettlementDay,
			TimeZone: e.TimeZone, Currency: e.Currency, CloseoutHour: e.CloseoutHour, OpenedAt: e.At,
		}
	case TableAdded:
		s.Tables = append(slices.Clip(s.Tables), Table{e.TableID, e.Name})
	case DevicePaired:
		s.Devices = append(slices.Clip(s.Devices), Device{e.DeviceID, e.TableID, e.PairingID, e.TokenHash})
	case DeviceRevoked:
		s.Devices = slices.Clone(s.Devices)
		for i := range s.Devices {
			if s.Devices[i].DeviceID == e.DeviceID {
				s.Devices[i].TokenHash = nil
			}
		}
	}
	return s
}
