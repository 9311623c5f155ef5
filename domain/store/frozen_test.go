package store_test

import (
	"crypto/sha256"
	"maps"
	"testing"
	"time"

	"daybook/domain/domaintest"
	"daybook/domain/event"
	"daybook/domain/store"
)

func TestFrozenSamples(t *testing.T) {
	seoul := time.FixedZone("", 9*60*60)
	catalog := event.Widen(store.Catalog)
	maps.Copy(catalog, event.Widen(store.CodeDecider.Catalog))
	maps.Copy(catalog, event.Widen(store.OwnerDecider.Catalog))
	abc := sha256.Sum256([]byte("abc"))
	domaintest.Frozen(t, catalog, map[string]domaintest.Sample{
		"store.opened.v1": {
			Complete: store.Opened{
				StoreID: "k3v9qd", OwnerID: "o7f2", Name: "파란문 식당", Grade: store.Silver, SettlementDay: 25,
				TimeZone: "Asia/Seoul", Currency: "KRW", CloseoutHour: 4, At: time.Date(2024, 12, 1, 9, 30, 0, 0, seoul),
			},
			Minimal: store.Opened{
				StoreID: "k3v9qd", OwnerID: "o7f2", Name: "Blue Door", Grade: store.Bronze, SettlementDay: 1,
				TimeZone: "America/New_York", Currency: "USD", At: time.Date(2024, 12, 1, 0, 30, 0, 0, time.UTC),
			},
		},
		"store.table_added.v1": {
			Complete: store.TableAdded{TableID: "t1", Name: "창가 1", At: time.Date(2024, 12, 1, 9, 31, 0, 123456789, seoul)},
			Minimal:  store.TableAdded{TableID: "t1", Name: "창가 1", At: time.Date(2024, 12, 1, 0, 31, 0, 0, time.UTC)},
		},
		"store.device_paired.v1": {
			Complete: store.DevicePaired{
				DeviceID: "d4x8", TableID: "t1", PairingID: "9c1185a5c5e9fc54", TokenHash: abc[:],
				At: time.Date(2024, 12, 1, 9, 35, 0, 0, seoul),
			},
			Minimal: store.DevicePaired{
				DeviceID: "d4x8", TableID: "t1", PairingID: "9c1185a5c5e9fc54", TokenHash: []byte{0},
				At: time.Date(2024, 12, 1, 0, 35, 0, 0, time.UTC),
			},
		},
		"store.device_revoked.v1": {
			Complete: store.DeviceRevoked{DeviceID: "d4x8", At: time.Date(2024, 12, 24, 21, 0, 0, 0, seoul)},
			Minimal:  store.DeviceRevoked{DeviceID: "d4x8", At: time.Date(2024, 12, 24, 12, 0, 0, 0, time.UTC)},
		},
		"owner.store_claimed.v1": {
			Complete: store.StoreClaimed{StoreID: "k3v9qd", At: time.Date(2024, 12, 1, 9, 30, 0, 0, seoul)},
			Minimal:  store.StoreClaimed{StoreID: "k3v9qd", At: time.Date(2024, 12, 1, 0, 30, 0, 0, time.UTC)},
		},
		"pairing.code_issued.v1": {
			Complete: store.CodeIssued{
				PairingID: "9c1185a5c5e9fc54", StoreID: "k3v9qd", TableID: "t1",
				ExpiresAt: time.Date(2024, 12, 1, 9, 44, 30, 0, seoul), At: time.Date(2024, 12, 1, 9, 34, 30, 0, seoul),
			},
			Minimal: store.CodeIssued{
				PairingID: "9c1185a5c5e9fc54", StoreID: "k3v9qd", TableID: "t1",
				ExpiresAt: time.Date(2024, 12, 1, 0, 44, 30, 0, time.UTC), At: time.Date(2024, 12, 1, 0, 34, 30, 0, time.UTC),
			},
		},
	})
}
