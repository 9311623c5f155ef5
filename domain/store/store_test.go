package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"daybook/domain/domaintest"
	"daybook/domain/store"
)

type (
	storeCase  = domaintest.Case[store.Command, store.Event]
	events     = []store.Event
	pairDevice = store.PairDevice
)

// declared are all refusals of the package.
var declared = domaintest.Refusals{
	"ErrName": store.ErrName, "ErrTableName": store.ErrTableName, "ErrGrade": store.ErrGrade,
	"ErrSettlementDay": store.ErrSettlementDay, "ErrCloseoutHour": store.ErrCloseoutHour, "ErrCurrency": store.ErrCurrency,
	"ErrOpened": store.ErrOpened, "ErrUnknown": store.ErrUnknown, "ErrTable": store.ErrTable, "ErrDevice": store.ErrDevice,
	"ErrTables": store.ErrTables, "ErrTablets": store.ErrTablets, "ErrCode": store.ErrCode, "ErrCodeTaken": store.ErrCodeTaken,
	"ErrStores": store.ErrStores,
}

func TestDecider(t *testing.T) {
	stores := domaintest.Run(t, domaintest.Table[store.State, store.Command, store.Event]{
		Decider: store.Decider, Refusals: declared, Holds: holds,
		Cases: slices.Concat(openings, tables, pairings, revocations),
	})
	codes := domaintest.Run(t, domaintest.Table[store.Code, store.IssueCode, store.CodeIssued]{
		Decider: store.CodeDecider, Refusals: declared, Cases: codes,
	})
	owners := domaintest.Run(t, domaintest.Table[store.Owner, store.ClaimStore, store.StoreClaimed]{
		Decider: store.OwnerDecider, Refusals: declared, Cases: claims,
	})
	domaintest.RefusedAll(t, declared, stores, codes, owners)
}

// holds says what is wrong with a store.
func holds(s store.State) error {
	if len(s.Tables) > s.Grade.TablesMax() {
		return fmt.Errorf("%d tables of %s", len(s.Tables), s.Grade)
	}
	live, codes := map[string]int{}, map[string]bool{}
	for _, d := range s.Devices {
		if _, known := s.Table(d.TableID); !known || codes[d.PairingID] {
			return fmt.Errorf("device %+v has no table, or a used code", d)
		}
		codes[d.PairingID] = true
		if d.Live() {
			live[d.TableID]++
		}
		if live[d.TableID] > store.TabletsMax {
			return errors.New("too many tablets on table " + d.TableID)
		}
	}
	return nil
}

var noon = time.Date(2024, 12, 1, 12, 0, 0, 0, time.FixedZone("", 9*60*60))

// open is a command that nothing is wrong with; spoil changes one thing.
func open(spoil func(*store.Open)) store.Open {
	c := store.Open{
		StoreID: "s1", OwnerID: "o1", Name: "Blue Door", Grade: store.Bronze, SettlementDay: 1,
		TimeZone: "Asia/Seoul", Currency: "KRW", CloseoutHour: 4, At: noon,
	}
	spoil(&c)
	return c
}

// as is what follows from open, for a grade and a close-out hour.
func as(grade store.Grade, closeout int) store.Opened {
	return store.Opened{
		StoreID: "s1", OwnerID: "o1", Name: "Blue Door", Grade: grade, SettlementDay: 1,
		TimeZone: "Asia/Seoul", Currency: "KRW", CloseoutHour: closeout, At: noon,
	}
}

var (
	opened    = as(store.Bronze, 4)
	unchanged = func(*store.Open) {}
	window    = store.TableAdded{TableID: "t1", Name: "Window", At: noon}
	bar       = store.TableAdded{TableID: "t2", Name: "Bar", At: noon}
)

var openings = []storeCase{
	{Name: "a store opens", When: open(unchanged), Then: events{opened}},
	{
		Name: "a store may be large, elsewhere, and close late",
		When: open(func(c *store.Open) {
			c.Grade, c.SettlementDay, c.CloseoutHour = store.Gold, 25, 11
			c.Currency, c.TimeZone, c.Name = "USD", "America/New_York", strings.Repeat("가", 20)
		}),
		Then: events{store.Opened{
			StoreID: "s1", OwnerID: "o1", Name: strings.Repeat("가", 20), Grade: store.Gold, SettlementDay: 25,
			TimeZone: "America/New_York", Currency: "USD", CloseoutHour: 11, At: noon,
		}},
	},
	{
		Name: "a store may close at midnight",
		When: open(func(c *store.Open) { c.CloseoutHour = 0 }),
		Then: events{as(store.Bronze, 0)},
	},
	{Name: "a store opens once", Given: events{opened}, When: open(unchanged), Refused: store.ErrOpened},
	{Name: "no name", When: open(func(c *store.Open) { c.Name = "" }), Refused: store.ErrName},
	{Name: "a blank name", When: open(func(c *store.Open) { c.Name = " " }), Refused: store.ErrName},
	{Name: "a long name", When: open(func(c *store.Open) { c.Name = strings.Repeat("가", 21) }), Refused: store.ErrName},
	{Name: "no grade", When: open(func(c *store.Open) { c.Grade = "" }), Refused: store.ErrGrade},
	{Name: "an unknown grade", When: open(func(c *store.Open) { c.Grade = "bronze" }), Refused: store.ErrGrade},
	{Name: "no settlement day", When: open(func(c *store.Open) { c.SettlementDay = 0 }), Refused: store.ErrSettlementDay},
	{Name: "a day that not all months have", When: open(func(c *store.Open) { c.SettlementDay = 30 }), Refused: store.ErrSettlementDay},
	{Name: "an hour before midnight", When: open(func(c *store.Open) { c.CloseoutHour = -1 }), Refused: store.ErrCloseoutHour},
	{Name: "an hour after noon", When: open(func(c *store.Open) { c.CloseoutHour = 12 }), Refused: store.ErrCloseoutHour},
	{Name: "no currency", When: open(func(c *store.Open) { c.Currency = "" }), Refused: store.ErrCurrency},
	{Name: "an unknown currency", When: open(func(c *store.Open) { c.Currency = "krw" }), Refused: store.ErrCurrency},
}

// withTables is a store of a grade with n tables.
func withTables(grade store.Grade, n int) events {
	all := events{as(grade, 4)}
	for i := range n {
		all = append(all, store.TableAdded{TableID: fmt.Sprintf("t%d", i+1), Name: fmt.Sprintf("Table %d", i+1), At: noon})
	}
	return all
}

var (
	addBar   = store.AddTable{TableID: "bar", Name: "Bar", At: noon.Add(time.Hour)}
	barAdded = store.TableAdded{TableID: "bar", Name: "Bar", At: noon.Add(time.Hour)}
)

var tables = []storeCase{
	{Name: "a table before the store", When: addBar, Refused: store.ErrUnknown},
	{Name: "a first table", Given: events{opened}, When: addBar, Then: events{barAdded}},
	{Name: "the 30th table of BRONZE", Given: withTables(store.Bronze, 29), When: addBar, Then: events{barAdded}},
	{Name: "the 31st table of BRONZE", Given: withTables(store.Bronze, 30), When: addBar, Refused: store.ErrTables},
	{Name: "the 50th table of SILVER", Given: withTables(store.Silver, 49), When: addBar, Then: events{barAdded}},
	{Name: "the 51st table of SILVER", Given: withTables(store.Silver, 50), When: addBar, Refused: store.ErrTables},
	{Name: "the 100th table of GOLD", Given: withTables(store.Gold, 99), When: addBar, Then: events{barAdded}},
	{Name: "the 101st table of GOLD", Given: withTables(store.Gold, 100), When: addBar, Refused: store.ErrTables},
	{
		Name: "a table's name of 50 characters", Given: events{opened},
		When: store.AddTable{TableID: "t1", Name: strings.Repeat("창", 50), At: noon},
		Then: events{store.TableAdded{TableID: "t1", Name: strings.Repeat("창", 50), At: noon}},
	},
	{
		Name: "a table's name of 51 characters", Given: events{opened},
		When: store.AddTable{TableID: "t1", Name: strings.Repeat("창", 51), At: noon}, Refused: store.ErrTableName,
	},
	{Name: "a table without a name", Given: events{opened}, When: store.AddTable{TableID: "t1", At: noon}, Refused: store.ErrTableName},
}

func TestGrades(t *testing.T) {
	for grade, want := range map[store.Grade]int{store.Bronze: 30, store.Silver: 50, store.Gold: 100, "": 0, "bronze": 0} {
		if got := grade.TablesMax(); got != want {
			t.Errorf("%s allows %d tables, want %d", grade, got, want)
		}
	}
}

func TestEvolveTellsWhatHappened(t *testing.T) {
	got := store.Decider.Fold(store.Decider.Initial(), opened, window, bar, pairedOn("t1", 1), pairedOn("t2", 2),
		store.DeviceRevoked{DeviceID: "d1", At: noon})
	table, known := got.Table("t2")
	device, alsoKnown := got.Device("d2")
	revoked, stillKnown := got.Device("d1")
	switch {
	case got.StoreID != "s1" || got.OwnerID != "o1" || got.Name != "Blue Door" || got.Grade != store.Bronze ||
		got.SettlementDay != 1 || got.TimeZone != "Asia/Seoul" || got.Currency != "KRW" || got.CloseoutHour != 4 ||
		!got.OpenedAt.Equal(noon):
		t.Errorf("the store is %+v", got)
	case !known || table != store.Table{TableID: "t2", Name: "Bar"} || len(got.Tables) != 2:
		t.Errorf("tables are %+v", got.Tables)
	case !alsoKnown || !device.Live() || device.TableID != "t2" || device.PairingID != "p2":
		t.Errorf("device is %+v", device)
	case !stillKnown || revoked.Live() || revoked.TokenHash != nil || revoked.TableID != "t1":
		t.Errorf("revoked device is %+v", revoked)
	}
	if _, known := got.Table("t3"); known {
		t.Error("there is a third table")
	}
	if _, known := got.Device(""); known {
		t.Error("there is a device without id")
	}
}
