package projections_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"daybook/domain/calendar"
	"daybook/domain/event"
	"daybook/domain/menu"
	"daybook/domain/settlement"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
	"daybook/projections"
	embeddedsink "daybook/projections/embedded"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// newLog opens an event log that is gone with the test.
func newLog(t *testing.T) eventstore.Store {
	t.Helper()
	log, err := embeddedlog.Open(embeddedlog.Options{Dir: "log", FS: vfs.NewMem(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

// newSink opens read models that are gone with the test.
func newSink(t *testing.T) projections.Sink {
	t.Helper()
	sink, err := embeddedsink.Open(embeddedsink.Options{Dir: "read", FS: vfs.NewMem(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	return sink
}

// world makes restaurants, and has random things happen in them.
type world struct {
	t      *testing.T
	log    eventstore.Store
	random *rand.Rand
	stores []store.State
	menus  map[string]menu.State
	tabs   map[string]tab.State // by stream; open ones
	next   map[string]int       // number of the newest tab, by store and table
	ends   map[string]eventstore.Revision
	day    calendar.Date
}

func newWorld(t *testing.T, log eventstore.Store, seed uint64) *world {
	w := &world{
		t: t, log: log, random: rand.New(rand.NewPCG(seed, 7)), menus: map[string]menu.State{}, tabs: map[string]tab.State{},
		next: map[string]int{}, ends: map[string]eventstore.Revision{}, day: calendar.MustParse("2024-11-27"),
	}
	for i := range 3 {
		w.openStore(fmt.Sprintf("s%d", i), calendar.SettlementDays[i*2])
	}
	return w
}

// appendTo brings events to the end of a stream.
func appendTo[E event.Stored](w *world, name string, events ...E) {
	w.t.Helper()
	var encoded []eventstore.NewEvent
	for _, e := range events {
		data, err := event.Encode(e)
		if err != nil {
			w.t.Fatal(err)
		}
		meta, err := json.Marshal(map[string]any{"schema": 1, "commandId": uuid.New()})
		if err != nil {
			w.t.Fatal(err)
		}
		encoded = append(encoded, eventstore.NewEvent{ID: uuid.New(), Type: e.EventType(), Data: data, Metadata: meta})
	}
	end, is := w.ends[name]
	if !is {
		end = eventstore.NoStream
	}
	at, err := w.log.Append(context.Background(), name, end, encoded)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ends[name] = at.Revision
}

func decide[S, C any, E event.Stored](w *world, d event.Decider[S, C, E], s S, c C, name string) S {
	w.t.Helper()
	events, err := d.Decide(s, c)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(events) > 0 {
		appendTo(w, name, events...)
	}
	return d.Fold(s, events...)
}

func (w *world) openStore(id string, settlementDay int) {
	s := decide(w, store.Decider, store.State{}, store.Command(store.Open{
		StoreID: id, OwnerID: "o1", Name: "Store " + id, Grade: store.Silver, SettlementDay: settlementDay,
		TimeZone: "Asia/Seoul", Currency: "KRW",
	}), stream.Store(id))
	for n := range 3 {
		s = decide(w, store.Decider, s, store.Command(store.AddTable{TableID: fmt.Sprintf("t%d", n), Name: "T"}), stream.Store(id))
	}
	w.stores = append(w.stores, s)
	for n := range 5 {
		w.changeMenu(id, menu.AddProduct{Product: menu.Product{ProductID: fmt.Sprintf("p%d", n), Name: fmt.Sprintf("Dish %d", n), Category: "MAIN_MENU", Price: int64(100 * n)}, Currency: "KRW"})
	}
}

func (w *world) changeMenu(id string, c menu.Command) {
	w.menus[id] = decide(w, menu.Decider, w.menus[id], c, stream.Menu(id))
}

// step has one thing happen.
func (w *world) step() {
	s := w.stores[w.random.IntN(len(w.stores))]
	switch w.random.IntN(20) {
	case 0:
		w.day += calendar.Date(w.random.IntN(4) - 1) // imports bring sales of earlier days
	case 1:
		name, category := fmt.Sprintf("Dish %d", w.random.IntN(99)), []string{"MAIN_MENU", "DRINK|S"}[w.random.IntN(2)]
		w.changeMenu(s.StoreID, menu.ChangeProduct{ProductID: fmt.Sprintf("p%d", w.random.IntN(5)), Name: &name, Category: &category, Currency: "KRW"})
	case 2:
		c := store.PairDevice{DeviceID: "d" + uuid.NewString()[:8], TokenHash: []byte{1}, Code: store.Code{
			StoreID: s.StoreID, TableID: "t0", PairingID: uuid.NewString(), ExpiresAt: time.Now().Add(time.Hour),
		}}
		paired := decide(w, store.Decider, s, store.Command(c), stream.Store(s.StoreID))
		decide(w, store.Decider, paired, store.Command(store.RevokeDevice{DeviceID: c.DeviceID}), stream.Store(s.StoreID))
	default:
		w.orderOrPay(s)
	}
}

func (w *world) orderOrPay(s store.State) {
	table := fmt.Sprintf("t%d", w.random.IntN(3))
	key := s.StoreID + table
	id := tab.ID(table, max(1, w.next[key]))
	bill := w.tabs[stream.Tab(s.StoreID, id)]
	if bill.Closed {
		w.next[key] = max(1, w.next[key]) + 1
		id = tab.ID(table, w.next[key])
		bill = tab.State{}
	}
	name, when := stream.Tab(s.StoreID, id), tab.When{At: time.Unix(1_700_000_000, 0), BusinessDate: w.day}
	if bill.Due() > 0 && w.random.IntN(2) == 0 {
		w.tabs[name] = decide(w, tab.Decider, bill, tab.Command(w.payment(s, bill, when)), name)
		return
	}
	if bill.TabID != "" && bill.Due() == 0 && w.random.IntN(2) == 0 { // all of it is free
		w.tabs[name] = decide(w, tab.Decider, bill, tab.Command(tab.Close{StoreID: s.StoreID, SettlementDay: s.SettlementDay, When: when}), name)
		return
	}
	var items []tab.Item
	for range 1 + w.random.IntN(3) {
		products := w.menus[s.StoreID].Products
		items = append(items, tab.Item{Product: products[w.random.IntN(len(products))], Quantity: 1 + w.random.Int64N(4)})
	}
	w.tabs[name] = decide(w, tab.Decider, bill, tab.Command(tab.PlaceOrder{
		StoreID: s.StoreID, TabID: id, TableID: table, OrderID: uuid.NewString()[:8], Currency: "KRW", Items: items, When: when,
	}), name)
}

func (w *world) payment(s store.State, bill tab.State, when tab.When) tab.TakePayment {
	c := tab.TakePayment{
		StoreID: s.StoreID, PaymentID: uuid.NewString()[:8], Method: tab.Cash, Fees: settlement.FeePolicies().On(when.BusinessDate),
		SettlementDay: s.SettlementDay, When: when,
	}
	if w.random.IntN(2) == 0 {
		c.Method, c.CardCompany = tab.Card, []string{"K", "H", "S"}[w.random.IntN(3)]
	}
	if w.random.IntN(3) == 0 {
		part := 1 + w.random.Int64N(bill.Due())
		c.Amount = &part
	}
	return c
}

// events reads the whole log.
func (w *world) events() []eventstore.Event {
	var events []eventstore.Event
	for e, err := range w.log.ReadAll(context.Background(), eventstore.LogRead{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// contents is everything that a sink serves of a model, as text.
func contents(t *testing.T, sink projections.Sink, model string) string {
	t.Helper()
	of, known := projections.ByName(model)
	generations, err := sink.Generations(context.Background(), of.Target(1).Model)
	if err != nil || !known {
		t.Fatal(known, err)
	}
	return contentsOf(t, sink, of.Target(generations.Active))
}

// contentsOf is everything that a generation holds of the log, as text.
func contentsOf(t *testing.T, sink projections.Sink, target projections.Target) string {
	t.Helper()
	text := ""
	_, err := sink.Scan(context.Background(), target, func(partition string, e projections.Entry) error {
		if partition == "!kept" {
			return nil
		}
		text += fmt.Sprintf("%s %s %s %d\n", partition, e.Field, e.Row, e.Counter)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
