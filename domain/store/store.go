// Package store decides what happens to one restaurant: its opening, its tables, and the tablets paired with them.
//
// Not here: the menu (menu), bills (tab), who an owner is (the token says so).
package store

import (
	"slices"
	"time"

	"daybook/domain/event"
	"daybook/domain/money"
)

// Grade is what a store has booked; it limits the number of its tables.
type Grade string

const (
	Bronze Grade = "BRONZE"
	Silver Grade = "SILVER"
	Gold   Grade = "GOLD"
)

// Grades are all grades.
var Grades = []Grade{Bronze, Silver, Gold}

// TablesMax is the number of tables that a grade allows (reference system, PosGrade.tradeDeviceCount).
func (g Grade) TablesMax() int {
	return map[Grade]int{Bronze: 30, Silver: 50, Gold: 100}[g]
}

// TabletsMax is how many live tablets one table may have.
const TabletsMax = 8

// State is a store as its events tell it. The zero State is a store that was never opened.
type State struct {
	StoreID       string // "" if never opened
	OwnerID       string
	Name          string
	Grade         Grade
	SettlementDay int // one of calendar.SettlementDays
	TimeZone      string
	Currency      money.Currency
	CloseoutHour  int
	OpenedAt      time.Time
	Tables        []Table  // in the order in which they were added
	Devices       []Device // in the order in which they were paired; revoked ones stay, without their hash
}

// Table is a table of the restaurant.
type Table struct {
	TableID, Name string
}

// Device is a tablet that was paired with a table.
type Device struct {
	DeviceID, TableID, PairingID string
	TokenHash                    []byte // SHA-256 of the device token; nil once revoked
}

// Live reports whether the device's token is good.
func (d Device) Live() bool { return d.TokenHash != nil }

// Table returns a table of the store, and whether there is one of that id.
func (s State) Table(id string) (Table, bool) {
	return find(s.Tables, func(t Table) bool { return t.TableID == id })
}

// Device returns a device of the store, revoked or not, and whether there is one of that id.
func (s State) Device(id string) (Device, bool) {
	return find(s.Devices, func(d Device) bool { return d.DeviceID == id })
}

func find[T any](list []T, match func(T) bool) (T, bool) {
	if i := slices.IndexFunc(list, match); i >= 0 {
		return list[i], true
	}
	var none T
	return none, false
}

// Decider is the store's behaviour.
var Decider = event.Decider[State, Command, Event]{
	Initial: func() State { return State{} },
	Decide:  Decide,
	Evolve:  Evolve,
	Catalog: Catalog,
}
