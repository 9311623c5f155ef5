package commands_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"daybook/commands"
	"daybook/domain/calendar"
	"daybook/domain/event"
	"daybook/domain/menu"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
)

// TestEverythingKeptIsBounded: whatever aggregate a service has, what it keeps of it is bounded, and counted in BytesKept.
func TestEverythingKeptIsBounded(t *testing.T) {
	s := commands.New(memory(t), nil, time.Now)
	sum := func() (bytesMax int64) {
		for _, c := range s.Caches() {
			bytesMax += c.Stats().BytesMax
		}
		return bytesMax
	}
	if got := sum(); got != commands.BytesKept {
		t.Errorf("the caches have %d bytes, not %d", got, commands.BytesKept)
	}
	if s.Bound(1 << 20); sum() > 1<<20 || sum() < 1<<20-16 {
		t.Errorf("bounded to 1 MiB, the caches have %d bytes", sum())
	}
	aggregates := 2 // the numbers of tables' tabs and the keys on them are kept, too
	for _, k := range stream.Kinds() {
		if k.Category != stream.ClaimCategory && k.Category != stream.ParkedCategory {
			aggregates++
		}
	}
	if got := len(s.Caches()); got != aggregates {
		t.Errorf("%d caches, want %d: %v", got, aggregates, s.Caches())
	}
}

// TestWeights holds what the caches say they take to what the memory says that their streams take, read from the log.
func TestWeights(t *testing.T) {
	for _, of := range []struct {
		kind    string
		streams int
		name    func(n int) string
		events  func(n int) []event.Stored
	}{
		{"tabs", 2000, func(n int) string { return stream.Tab("s1", fmt.Sprintf("t%d.1", n)) }, ordersAndPayments},
		{"menus", 100, func(n int) string { return stream.Menu(fmt.Sprint("s", n)) }, products},
		{"stores", 500, func(n int) string { return stream.Store(fmt.Sprint("s", n)) }, tablesAndTablets},
		{"codes", 5000, func(n int) string { return stream.Pairing(fmt.Sprint("p", n)) }, issuedCode},
	} {
		t.Run(of.kind, func(t *testing.T) {
			log := settled(t, func(log eventstore.Store) {
				for n := range of.streams {
					appendPlain(t, log, of.name(n), of.events(n))
				}
			})
			s := commands.New(log, nil, time.Now)
			s.Bound(1 << 40)
			before := inUse()
			for n := range of.streams {
				if err := s.Fold(t.Context(), of.kind, of.name(n)); err != nil {
					t.Fatal(err)
				}
			}
			took, told := inUse()-before, s.Caches()[of.kind].Stats()
			t.Logf("a stream takes %d bytes, and is told to take %d", took/told.Entries, told.Bytes/told.Entries)
			if told.Entries != int64(of.streams) || took*4 > told.Bytes*5 || told.Bytes*2 > took*3 {
				t.Errorf("%d streams take %d bytes, and are told to take %+v", of.streams, took, told)
			}
			runtime.KeepAlive(s)
		})
	}
}

// settled is a log that was filled, closed and opened again: nothing in it moves any more while memory is measured.
func settled(t *testing.T, fill func(eventstore.Store)) eventstore.Store {
	t.Helper()
	options := embeddedlog.Options{Dir: "log", FS: vfs.NewMem(), Logger: quiet, CacheBytes: 1 << 20}
	filled := must(embeddedlog.Open(options))
	fill(filled)
	if err := filled.Close(); err != nil {
		t.Fatal(err)
	}
	log := must(embeddedlog.Open(options))
	t.Cleanup(func() { log.Close() })
	return log
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func appendPlain(t *testing.T, log eventstore.Store, name string, events []event.Stored) {
	t.Helper()
	written := make([]eventstore.NewEvent, len(events))
	for i, e := range events {
		metadata := must(json.Marshal(map[string]any{"schema": 1, "commandId": uuid.New(), "actor": "device:d1"}))
		written[i] = eventstore.NewEvent{ID: uuid.New(), Type: e.EventType(), Data: must(event.Encode(e)), Metadata: metadata}
	}
	must(log.Append(t.Context(), name, eventstore.NoStream, written))
}

var day = calendar.MustParse("2024-12-01")

var noon = time.Date(2024, 12, 1, 12, 0, 0, 0, time.FixedZone("", 9*3600))

// ordersAndPayments are 1 to 12 orders of 1 to 5 lines, and a payment.
func ordersAndPayments(n int) []event.Stored {
	events := []event.Stored{tab.Opened{StoreID: "s1", TabID: fmt.Sprintf("t%d.1", n), TableID: fmt.Sprint("t", n), Currency: "KRW", At: noon}}
	for o := range 1 + n%12 {
		var lines []tab.Line
		for l := range 1 + (n+o)%5 {
			lines = append(lines, tab.Line{ProductID: fmt.Sprintf("p%015d", l), Name: fmt.Sprint("Flat white ", l), Category: "DRINK", UnitPrice: 5000, Quantity: 1, Amount: 5000})
		}
		events = append(events, tab.OrderPlaced{OrderID: fmt.Sprintf("r%015d", o), Lines: lines, Amount: 5000 * int64(len(lines)), BusinessDate: day, At: noon})
	}
	return append(events, tab.PaymentCompleted{PaymentID: fmt.Sprintf("y%015d", n), Method: tab.Card, CardCompany: "H", Amount: 5000, BusinessDate: day, At: noon})
}

func products(n int) (events []event.Stored) {
	for p := range 200 {
		events = append(events, menu.ProductAdded{At: noon, Product: menu.Product{ProductID: fmt.Sprintf("p%05d%010d", n, p), Name: fmt.Sprint("Flat white ", p), Category: "DRINK", Price: 500}})
	}
	return events
}

func tablesAndTablets(n int) []event.Stored {
	id := fmt.Sprint("s", n)
	events := []event.Stored{store.Opened{StoreID: id, OwnerID: "o1", Name: "Cafe", Grade: store.Gold, SettlementDay: 1, TimeZone: "Asia/Seoul", Currency: "KRW", At: noon}}
	for i := range 30 {
		table := fmt.Sprintf("t%015d", i)
		events = append(events,
			store.TableAdded{TableID: table, Name: fmt.Sprint("Table ", i), At: noon},
			store.DevicePaired{DeviceID: fmt.Sprintf("d%015d", i), TableID: table, PairingID: fmt.Sprintf("c%050d", i), TokenHash: make([]byte, 32), At: noon})
	}
	return events
}

func issuedCode(n int) []event.Stored {
	return []event.Stored{store.CodeIssued{PairingID: fmt.Sprintf("c%050d", n), StoreID: "s1", TableID: fmt.Sprintf("t%015d", n), ExpiresAt: noon, At: noon}}
}

// TestRoomForNothing runs a service that has to forget every stream at once, some of them while commands hold them.
func TestRoomForNothing(t *testing.T) {
	overEveryLog(t, func(t *testing.T, r *restaurant) {
		if _, indexed := r.log.(eventstore.Indexed); indexed && !r.shared {
			r.service.Alone()
		}
		for _, room := range []int64{0, 60_000} {
			t.Run(fmt.Sprint(room, " bytes"), func(t *testing.T) {
				r.service.Bound(room)
				orderAndPayAtOnce(t, r, fmt.Sprint(room))
			})
		}
	})
}

// orderAndPayAtOnce has many callers order and pay on one table, each order twice with the same key.
func orderAndPayAtOnce(t *testing.T, r *restaurant, keys string) {
	t.Helper()
	var all sync.WaitGroup
	for caller := range 6 {
		all.Go(func() {
			for n := range 10 {
				key := fmt.Sprint(keys, "-", caller, "-", n)
				first, err := r.order(key, 1)
				if err != nil {
					t.Errorf("order %s: %v", key, err)
					return
				}
				if _, err := r.pay(key+"-pay", r.field(first, "tabId")); err != nil && !errors.Is(err, tab.ErrClosed) {
					t.Errorf("payment %s: %v", key, err)
				}
				if again, err := r.order(key, 1); err != nil || string(again.Body) != string(first.Body) {
					t.Errorf("order %s again: %s, %v, not %s", key, again.Body, err, first.Body)
				}
			}
		})
	}
	all.Wait()
	for name, c := range r.service.Caches() {
		if s := c.Stats(); s.Bytes > s.BytesMax || name == "tabs" && s.Evictions == 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
