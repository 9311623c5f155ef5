package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"daybook/domain/domaintest"
	"daybook/domain/store"
)

var hash = []byte{0xba, 0x78, 0x16, 0xbf}

// pairedOn is the nth tablet: device dn, with code pn.
func pairedOn(table string, n int) store.DevicePaired {
	return store.DevicePaired{
		DeviceID: fmt.Sprintf("d%d", n), TableID: table, PairingID: fmt.Sprintf("p%d", n), TokenHash: hash, At: noon,
	}
}

// tablets are n of them on one table.
func tablets(table string, n int) (all events) {
	for i := range n {
		all = append(all, pairedOn(table, i+1))
	}
	return all
}

// withCode redeems a good code for table t1 as device "new"; spoil changes one thing.
func withCode(spoil func(*pairDevice)) pairDevice {
	c := pairDevice{
		DeviceID: "new", TokenHash: hash, At: noon,
		Code: store.Code{PairingID: "p", StoreID: "s1", TableID: "t1", ExpiresAt: noon.Add(time.Minute)},
	}
	spoil(&c)
	return c
}

var (
	goodCode = withCode(func(*pairDevice) {})
	paired   = store.DevicePaired{DeviceID: "new", TableID: "t1", PairingID: "p", TokenHash: hash, At: noon}
	revoked  = store.DeviceRevoked{DeviceID: "d1", At: noon}
	ready    = events{opened, window, bar}
)

var pairings = []storeCase{
	{Name: "a tablet before the store", When: goodCode, Refused: store.ErrUnknown},
	{Name: "a tablet is paired", Given: ready, When: goodCode, Then: events{paired}},
	{
		Name: "the last moment of a code", Given: ready,
		When: withCode(func(c *pairDevice) { c.Code.ExpiresAt = noon.Add(1) }), Then: events{paired},
	},
	{
		Name: "the moment a code expires", Given: ready,
		When: withCode(func(c *pairDevice) { c.Code.ExpiresAt = noon }), Refused: store.ErrCode,
	},
	{
		Name: "a code that expired, told elsewhere", Given: ready,
		When: withCode(func(c *pairDevice) { c.Code.ExpiresAt = noon.UTC().Add(-1) }), Refused: store.ErrCode,
	},
	{
		Name: "a code that was never issued", Given: ready,
		When: withCode(func(c *pairDevice) { c.Code = store.Code{} }), Refused: store.ErrCode,
	},
	{
		Name: "a code of another store", Given: ready,
		When: withCode(func(c *pairDevice) { c.Code.StoreID = "s2" }), Refused: store.ErrCode,
	},
	{
		Name: "a code of a table that is not there", Given: ready,
		When: withCode(func(c *pairDevice) { c.Code.TableID = "t9" }), Refused: store.ErrCode,
	},
	{Name: "a code that was redeemed", Given: slices.Concat(ready, events{paired}), When: goodCode, Refused: store.ErrCode},
	{
		Name:  "a code whose tablet was revoked",
		Given: slices.Concat(ready, events{paired, store.DeviceRevoked{DeviceID: "new", At: noon}}),
		When:  goodCode, Refused: store.ErrCode,
	},
	{Name: "the eighth tablet", Given: slices.Concat(ready, tablets("t1", 7)), When: goodCode, Then: events{paired}},
	{Name: "the ninth tablet", Given: slices.Concat(ready, tablets("t1", 8)), When: goodCode, Refused: store.ErrTablets},
	{
		Name:  "a tablet in the place of a revoked one",
		Given: slices.Concat(ready, tablets("t1", 8), events{revoked}), When: goodCode, Then: events{paired},
	},
	{
		Name:  "tablets of another table do not count",
		Given: slices.Concat(ready, tablets("t2", 8)), When: goodCode, Then: events{paired},
	},
}

var revoke = store.RevokeDevice{DeviceID: "d1", At: noon}

var revocations = []storeCase{
	{Name: "revoking before the store", When: revoke, Refused: store.ErrUnknown},
	{Name: "a tablet is revoked", Given: slices.Concat(ready, tablets("t1", 2)), When: revoke, Then: events{revoked}},
	{Name: "revoking twice", Given: slices.Concat(ready, tablets("t1", 2), events{revoked}), When: revoke},
	{Name: "a tablet that was never paired", Given: ready, When: revoke, Refused: store.ErrDevice},
}

// twoTables is the store that codes are asked for.
var twoTables = store.Decider.Fold(store.Decider.Initial(), ready...)

var issued = store.CodeIssued{
	PairingID: "p", StoreID: "s1", TableID: "t1", ExpiresAt: noon.Add(10 * time.Minute), At: noon,
}

var codes = []domaintest.Case[store.IssueCode, store.CodeIssued]{
	{
		Name: "a code is issued",
		When: store.IssueCode{Store: twoTables, PairingID: "p", TableID: "t1", At: noon},
		Then: []store.CodeIssued{issued},
	},
	{
		Name: "a code that was issued before", Given: []store.CodeIssued{issued},
		When: store.IssueCode{Store: twoTables, PairingID: "p", TableID: "t2", At: noon}, Refused: store.ErrCodeTaken,
	},
	{
		Name: "a code for a table that is not there",
		When: store.IssueCode{Store: twoTables, PairingID: "p", TableID: "t9", At: noon}, Refused: store.ErrTable,
	},
	{
		Name: "a code of a store that was never opened",
		When: store.IssueCode{PairingID: "p", TableID: "t1", At: noon}, Refused: store.ErrTable,
	},
}

// TestCodeIsRedeemed goes the whole way: what a code's stream says is what the store takes, up to its last moment.
func TestCodeIsRedeemed(t *testing.T) {
	code := store.CodeDecider.Fold(store.CodeDecider.Initial(), issued)
	for after, good := range map[time.Duration]bool{0: true, store.CodeLifetime - 1: true, store.CodeLifetime: false} {
		got, err := store.Decide(twoTables, pairDevice{DeviceID: "new", Code: code, TokenHash: hash, At: noon.Add(after)})
		if (err == nil) != good || (len(got) == 1) != good {
			t.Errorf("after %s: %v, %v, want it good: %v", after, got, err, good)
		}
	}
}
