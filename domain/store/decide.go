package store

import (
	"slices"
	"time"

	"daybook/domain/calendar"
	"daybook/domain/money"
	"daybook/domain/name"
	"daybook/domain/refusal"
)

// Command is one of this file's commands.
//
//sumtype:decl
type Command interface{ storeCommand() }

// Open opens the store. The time zone must be known to the caller's zone database.
type Open struct {
	StoreID, OwnerID, Name string
	Grade                  Grade
	SettlementDay          int
	TimeZone               string
	Currency               money.Currency
	CloseoutHour           int
	At                     time.Time
}

// AddTable adds a table.
type AddTable struct {
	TableID, Name string
	At            time.Time
}

// PairDevice redeems a pairing code for a table.
type PairDevice struct {
	DeviceID  string
	Code      Code
	TokenHash []byte
	At        time.Time
}

// RevokeDevice ends a tablet's token. Revoking twice is revoking once.
type RevokeDevice struct {
	DeviceID string
	At       time.Time
}

func (Open) storeCommand()         {}
func (AddTable) storeCommand()     {}
func (PairDevice) storeCommand()   {}
func (RevokeDevice) storeCommand() {}

// What a store refuses.
var (
	ErrName          = refusal.New(refusal.Invalid, "invalid_name", "a name has 1 to 20 characters, none of them a control character")
	ErrTableName     = refusal.New(refusal.Invalid, "invalid_name", "a table's name has 1 to 50 characters, none of them a control character")
	ErrGrade         = refusal.New(refusal.Invalid, "invalid_pos_grade", "posGrade is BRONZE, SILVER or GOLD")
	ErrSettlementDay = refusal.New(refusal.Invalid, "invalid_settlement_day", "settlementDay is 1, 5, 10, 15, 20 or 25")
	ErrCloseoutHour  = refusal.New(refusal.Invalid, "invalid_closeout_hour", "closeoutHour is 0 to 11")
	ErrCurrency      = refusal.New(refusal.Invalid, "invalid_currency", "currency is an ISO 4217 code such as KRW")
	ErrOpened        = refusal.New(refusal.Conflict, "store_exists", "the store is open already")
	ErrUnknown       = refusal.New(refusal.Unknown, "store_not_found", "there is no such store")
	ErrTable         = refusal.New(refusal.Unknown, "table_not_found", "there is no such table")
	ErrDevice        = refusal.New(refusal.Unknown, "device_not_found", "there is no such device")
	ErrTables        = refusal.New(refusal.TooMuch, "table_limit_reached", "the store has as many tables as its grade allows")
	ErrTablets       = refusal.New(refusal.TooMuch, "device_limit_reached", "the table has as many tablets as it may have")
	ErrCode          = refusal.New(refusal.Unknown, "pairing_code_unknown", "the pairing code is wrong, used or expired")
)

// Decide says what follows from a command.
func Decide(s State, c Command) ([]Event, error) {
	if _, opening := c.(Open); !opening && s.StoreID == "" {
		return nil, ErrUnknown
	}
	switch c := c.(type) {
	case Open:
		return open(s, c)
	case AddTable:
		return addTable(s, c)
	case PairDevice:
		return pairDevice(s, c)
	case RevokeDevice:
		return revokeDevice(s, c)
	}
	return nil, nil
}

func open(s State, c Open) ([]Event, error) {
	_, currencyErr := money.ParseCurrency(string(c.Currency))
	switch {
	case s.StoreID != "":
		return nil, ErrOpened
	case !name.Valid(c.Name, 20):
		return nil, ErrName
	case !slices.Contains(Grades, c.Grade):
		return nil, ErrGrade
	case !slices.Contains(calendar.SettlementDays, c.SettlementDay):
		return nil, ErrSettlementDay
	case c.CloseoutHour < 0 || c.CloseoutHour > 11:
		return nil, ErrCloseoutHour
	case currencyErr != nil:
		return nil, ErrCurrency
	}
	return []Event{Opened{
		StoreID: c.StoreID, OwnerID: c.OwnerID, Name: c.Name, Grade: c.Grade, SettlementDay: c.SettlementDay,
		TimeZone: c.TimeZone, Currency: c.Currency, CloseoutHour: c.CloseoutHour, At: c.At,
	}}, nil
}

func addTable(s State, c AddTable) ([]Event, error) {
	switch {
	case !name.Valid(c.Name, 50):
		return nil, ErrTableName
	case len(s.Tables) >= s.Grade.TablesMax():
		return nil, ErrTables.With("grade %s allows %d tables", s.Grade, s.Grade.TablesMax())
	}
	return []Event{TableAdded{TableID: c.TableID, Name: c.Name, At: c.At}}, nil
}

func pairDevice(s State, c PairDevice) ([]Event, error) {
	live := 0
	for _, d := range s.Devices {
		if d.PairingID == c.Code.PairingID {
			return nil, ErrCode // a code is good for one tablet
		}
		if d.TableID == c.Code.TableID && d.Live() {
			live++
		}
	}
	_, known := s.Table(c.Code.TableID)
	switch {
	case !known || c.Code.StoreID != s.StoreID || !c.At.Before(c.Code.ExpiresAt):
		return nil, ErrCode
	case live >= TabletsMax:
		return nil, ErrTablets.With("a table may have %d tablets; revoke one first", TabletsMax)
	}
	return []Event{DevicePaired{
		DeviceID: c.DeviceID, TableID: c.Code.TableID, PairingID: c.Code.PairingID, TokenHash: c.TokenHash, At: c.At,
	}}, nil
}

func revokeDevice(s State, c RevokeDevice) ([]Event, error) {
	d, known := s.Device(c.DeviceID)
	switch {
	case !known:
		return nil, ErrDevice
	case !d.Live():
		return nil, nil
	}
	return []Event{DeviceRevoked(c)}, nil
}
