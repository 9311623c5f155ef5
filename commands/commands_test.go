package commands_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/commands"
	"daybook/domain/menu"
	"daybook/domain/store"
	"daybook/domain/tab"
	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
	"daybook/internal/auth"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// restaurant is a store with a menu and a table, and the service that runs it.
type restaurant struct {
	t       *testing.T
	log     eventstore.Store
	secret  auth.Secret
	shared  bool // others append to the log
	service *commands.Service
	now     time.Time
	store   auth.Store
	device  auth.Device
	token   string // of the device
	coffee  string
}

// overEveryLog runs a test over a log that finds appends by their id, over one that does not, so that keys are claimed,
// and over one that others append to.
func overEveryLog(t *testing.T, test func(t *testing.T, r *restaurant)) {
	t.Helper()
	t.Run("indexed", func(t *testing.T) { test(t, newRestaurant(t)) })
	t.Run("claims", func(t *testing.T) { test(t, newRestaurantOn(t, plain{memory(t)}, false)) })
	t.Run("indexed and shared", func(t *testing.T) { test(t, newRestaurantOn(t, memory(t), true)) })
}

// plain is a log that promises what every eventstore.Store does, and no more.
type plain struct{ eventstore.Store }

func newRestaurant(t *testing.T) *restaurant {
	t.Helper()
	return newRestaurantOn(t, memory(t), false)
}

func memory(t *testing.T) eventstore.Store {
	t.Helper()
	log, err := embeddedlog.Open(embeddedlog.Options{Dir: "log", FS: vfs.NewMem(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

func newRestaurantOn(t *testing.T, log eventstore.Store, shared bool) *restaurant {
	t.Helper()
	r := &restaurant{
		t: t, log: log, shared: shared, secret: auth.Secret("a secret of thirty-two bytes....."),
		now: time.Date(2024, 12, 1, 3, 0, 0, 0, time.UTC),
	}
	r.restart()
	storeID := r.field(must(r.service.OpenStore(t.Context(), "o1", r.request("", "store"), commands.OpenStore{Name: "Cafe", PosGrade: "BRONZE", SettlementDay: 1})), "storeId")
	r.store = must(r.service.Owned(t.Context(), "o1", storeID))
	price := int64(500)
	r.coffee = r.field(must(r.service.AddProduct(t.Context(), r.store, r.request("", "product"), commands.AddProduct{Name: "Coffee", Category: "DRINK", Price: &price})), "productId")
	tableID := r.field(must(r.service.AddTable(t.Context(), storeID, r.request("", "table"), commands.AddTable{Name: "One"})), "tableId")
	r.device = r.pair(tableID)
	return r
}

// restart makes a service that knows nothing but the log.
func (r *restaurant) restart() { r.service = r.process() }

// process makes another service on the same log: another process, as it were.
func (r *restaurant) process() *commands.Service {
	s := commands.New(r.log, r.secret, func() time.Time { return r.now })
	if r.shared {
		s.Share()
	}
	return s
}

func (r *restaurant) request(key string, wanted any) commands.Request {
	r.t.Helper()
	return must(commands.NewRequest(r.secret, "scope", key, "owner:o1", r.store.StoreID, "test", "route", wanted))
}

func (r *restaurant) field(a commands.Answer, name string) string {
	r.t.Helper()
	var body map[string]any
	if err := json.Unmarshal(a.Body, &body); err != nil {
		r.t.Fatalf("%s: %v", a.Body, err)
	}
	return fmt.Sprint(body[name])
}

func (r *restaurant) pair(tableID string) auth.Device {
	r.t.Helper()
	ctx := r.t.Context()
	code := r.field(must(r.service.IssuePairingCode(ctx, "o1", r.store.StoreID, tableID, r.request("", "code"))), "pairingCode")
	r.token = r.field(must(r.service.PairDevice(ctx, commands.PairDevice{PairingCode: code}, r.asRequest(""))), "deviceToken")
	return must(r.service.Device(ctx, r.token))
}

func (r *restaurant) asRequest(key string) func(string, string) (commands.Request, error) {
	return func(string, string) (commands.Request, error) { return r.request(key, "pair"), nil }
}

func (r *restaurant) order(key string, quantity int64) (commands.Answer, error) {
	return r.orderAt(r.service, key, quantity)
}

func (r *restaurant) orderAt(s *commands.Service, key string, quantity int64) (commands.Answer, error) {
	wanted := commands.PlaceOrder{Lines: []commands.OrderLine{{ProductID: r.coffee, Quantity: quantity}}}
	return s.PlaceOrder(r.t.Context(), r.device, r.request(key, wanted), wanted)
}

func (r *restaurant) pay(key, tabID string) (commands.Answer, error) {
	wanted := commands.TakePayment{Method: "CASH"}
	return r.service.TakePayment(r.t.Context(), r.store, tabID, r.request(key, wanted), wanted)
}

func (r *restaurant) head() eventstore.Position {
	r.t.Helper()
	return must(r.log.Head(r.t.Context()))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRepeatedOrderIsAnsweredAsTheFirstTime(t *testing.T) {
	for name, between := range map[string]func(r *restaurant, tabID string){
		"at once":         func(*restaurant, string) {},
		"after a restart": func(r *restaurant, _ string) { r.restart() },
		"after its tab was closed": func(r *restaurant, tabID string) {
			must(r.pay("y", tabID))
		},
		"after its tab was closed and others came": func(r *restaurant, tabID string) {
			must(r.pay("y", tabID))
			for n := range 5 {
				next := r.field(must(r.order(fmt.Sprint("other", n), 1)), "tabId")
				if n < 4 {
					must(r.pay(fmt.Sprint("y", n), next))
				}
			}
			r.restart()
		},
	} {
		t.Run(name, func(t *testing.T) {
			overEveryLog(t, func(t *testing.T, r *restaurant) {
				first := must(r.order("k", 2))
				between(r, r.field(first, "tabId"))
				head := r.head()
				sameAnswer(t, first, must(r.order("k", 2)))
				if _, err := r.order("k", 3); !errors.Is(err, commands.ErrKeyReused) {
					t.Errorf("the same key with another body: %v", err)
				}
				if r.head() != head {
					t.Error("a repeated order wrote something")
				}
			})
		})
	}
}

func sameAnswer(t *testing.T, first, again commands.Answer) {
	t.Helper()
	if string(again.Body) != string(first.Body) || again.Position != first.Position || again.Status != first.Status {
		t.Errorf("first %d %s at %s, again %d %s at %s",
			first.Status, first.Body, first.Position, again.Status, again.Body, again.Position)
	}
}

// TestOneKeyOneEffectInAStore: a key that was used on one tab is refused on another, at once and later.
func TestOneKeyOneEffectInAStore(t *testing.T) {
	overEveryLog(t, func(t *testing.T, r *restaurant) {
		first := r.field(must(r.order("k", 2)), "tabId")
		must(r.pay("y", first))
		second := r.field(must(r.order("k2", 1)), "tabId")
		other := commands.TakePayment{Method: "CARD", CardCompany: "K"}
		for _, prepare := range []func(){func() {}, r.restart} {
			prepare()
			head := r.head()
			_, err := r.service.TakePayment(t.Context(), r.store, second, r.request("y", other), other)
			if !errors.Is(err, commands.ErrKeyReused) || r.head() != head {
				t.Errorf("the key of another tab's payment: %v", err)
			}
		}
	})
}

// TestUnchangedIsRemembered: a command with a key that changed nothing has had its effect, which is none. Repeated when it
// would change something, it still changes nothing.
func TestUnchangedIsRemembered(t *testing.T) {
	overEveryLog(t, func(t *testing.T, r *restaurant) {
		change := func(key string, price int64) (commands.Answer, error) {
			wanted := commands.ChangeProduct{Price: &price}
			return r.service.ChangeProduct(t.Context(), r.store, r.coffee, r.request(key, wanted), wanted)
		}
		first := must(change("k", 500)) // as it is
		must(change("", 600))
		for _, prepare := range []func(){func() {}, r.restart} {
			prepare()
			sameAnswer(t, first, must(change("k", 500)))
			if _, err := change("k", 700); !errors.Is(err, commands.ErrKeyReused) {
				t.Errorf("the same key with another price: %v", err)
			}
		}
		if got := r.field(must(change("", 600)), "price"); got != "600" {
			t.Errorf("the price is %s", got)
		}
	})
}

func TestConcurrentRepeatsHaveOneEffect(t *testing.T) { overEveryLog(t, concurrentRepeats) }

func concurrentRepeats(t *testing.T, r *restaurant) {
	other := r.process() // another process, as it were
	wanted := commands.PlaceOrder{Lines: []commands.OrderLine{{ProductID: r.coffee, Quantity: 1}}}
	answers := make(chan string, 40)
	for n := range 40 {
		service := r.service
		if n%2 == 0 {
			service = other
		}
		go func() {
			answer, err := service.PlaceOrder(t.Context(), r.device, must(commands.NewRequest(r.secret, "scope", "same", "device", r.store.StoreID, "", "route", wanted)), wanted)
			answers <- fmt.Sprint(string(answer.Body), answer.Position, err)
		}()
	}
	first := <-answers
	for range 39 {
		if next := <-answers; next != first {
			t.Errorf("%s and %s", first, next)
		}
	}
	if got := r.orders(); got != 1 {
		t.Errorf("%d orders", got)
	}
}

// TestTabletsRaceForATab: whichever of many tablets comes first opens the tab, and all orders are on it.
func TestTabletsRaceForATab(t *testing.T) {
	r := newRestaurant(t)
	other := r.process()
	var wait sync.WaitGroup
	tabs := make(chan string, 30)
	for n := range 30 {
		service := r.service
		if n%2 == 0 {
			service = other
		}
		wait.Go(func() {
			wanted := commands.PlaceOrder{Lines: []commands.OrderLine{{ProductID: r.coffee, Quantity: 1}}}
			answer := must(service.PlaceOrder(t.Context(), r.device, must(commands.NewRequest(r.secret, "scope", fmt.Sprint(n), "device", r.store.StoreID, "", "route", wanted)), wanted))
			tabs <- r.field(answer, "tabId")
		})
	}
	wait.Wait()
	close(tabs)
	for id := range tabs {
		if id != tab.ID(r.device.TableID, 1) {
			t.Errorf("an order went to %s", id)
		}
	}
	if got := r.orders(); got != 30 {
		t.Errorf("%d orders", got)
	}
}

func (r *restaurant) orders() (n int) {
	r.t.Helper()
	for _, err := range r.log.ReadAll(r.t.Context(), eventstore.LogRead{Filter: eventstore.Filter{Types: []string{"tab.order_placed.v1"}}}) {
		if err != nil {
			r.t.Fatal(err)
		}
		n++
	}
	return n
}

// TestTabsAreNumberedOn: after a restart, the newest of many tabs is found, and the next has the next number.
func TestTabsAreNumberedOn(t *testing.T) {
	r := newRestaurant(t)
	for n := 1; n <= 21; n++ {
		if n%5 == 0 {
			r.restart()
		}
		id := r.field(must(r.order(fmt.Sprint("o", n), 1)), "tabId")
		if want := tab.ID(r.device.TableID, n); id != want {
			t.Fatalf("tab %s, want %s", id, want)
		}
		must(r.pay(fmt.Sprint("y", n), id))
	}
}

func TestPairing(t *testing.T) {
	r := newRestaurant(t)
	ctx := t.Context()
	code := func(key string) string {
		return r.field(must(r.service.IssuePairingCode(ctx, "o1", r.store.StoreID, r.device.TableID, r.request(key, "code"))), "pairingCode")
	}
	if a, b := code("k"), code("k"); a != b {
		t.Errorf("one key, two codes: %s and %s", a, b)
	}
	used := code("")
	first := must(r.service.PairDevice(ctx, commands.PairDevice{PairingCode: used}, r.asRequest("p")))
	r.restart()
	again := must(r.service.PairDevice(ctx, commands.PairDevice{PairingCode: used}, r.asRequest("p")))
	if string(first.Body) != string(again.Body) {
		t.Errorf("paired: %s, and again: %s", first.Body, again.Body)
	}
	late := code("")
	r.now = r.now.Add(store.CodeLifetime)
	for name, c := range map[string]string{"used": used, "expired": late, "wrong": "ABCDEFGH", "none": ""} {
		if _, err := r.service.PairDevice(ctx, commands.PairDevice{PairingCode: c}, r.asRequest("")); !errors.Is(err, store.ErrCode) {
			t.Errorf("%s code: %v", name, err)
		}
	}
	token := r.field(first, "deviceToken")
	device := must(r.service.Device(ctx, token))
	must(r.service.RevokeDevice(ctx, r.store.StoreID, device.DeviceID, r.request("", "revoke")))
	if _, err := r.service.Device(ctx, token); !errors.Is(err, auth.ErrToken) {
		t.Errorf("a revoked token: %v", err)
	}
}

func TestForeignThingsAreUnknown(t *testing.T) {
	r := newRestaurant(t)
	for _, id := range []string{r.store.StoreID, "s0000", "", "../x", "a-b", "S", "ß"} {
		if _, err := r.service.Owned(t.Context(), "o2", id); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("store %q: %v", id, err)
		}
	}
	if _, err := r.pay("k", "t9.1"); !errors.Is(err, tab.ErrUnknown) {
		t.Errorf("unknown tab: %v", err)
	}
	wanted := commands.PlaceOrder{Lines: []commands.OrderLine{{ProductID: "p0", Quantity: 1}}}
	if _, err := r.service.PlaceOrder(t.Context(), r.device, r.request("x", wanted), wanted); !errors.Is(err, menu.ErrUnknown) {
		t.Errorf("unknown product: %v", err)
	}
}

// TestOneFingerprintOfACommand: what only recognises a repeated command stands on one of its events.
func TestOneFingerprintOfACommand(t *testing.T) {
	r := newRestaurant(t)
	must(r.pay("y", r.field(must(r.order("k", 2)), "tabId")))
	sale := commands.Sale{OrderID: "1", At: r.now, Lines: []commands.SaleLine{{Code: "c1", Name: "Soup", Category: "FOOD", Quantity: 2, UnitPrice: 900}}}
	must(r.service.ImportSales(t.Context(), r.store, commands.Sales([]commands.Sale{sale}), commands.Tender{Method: tab.Cash}, func(int, int) {}))
	events, fingerprints := map[string]int{}, map[string]int{}
	for e, err := range r.log.ReadAll(t.Context(), eventstore.LogRead{Filter: eventstore.Filter{Prefixes: []string{"tab-"}}}) {
		var meta struct{ CommandID, Fingerprint string }
		if err := errors.Join(err, json.Unmarshal(e.Metadata, &meta)); err != nil {
			t.Fatal(err)
		}
		events[meta.CommandID]++
		if meta.Fingerprint != "" {
			fingerprints[meta.CommandID]++
		}
	}
	for command, n := range events {
		if n < 2 || fingerprints[command] != 1 {
			t.Errorf("command %s: %d events, %d fingerprints", command, n, fingerprints[command])
		}
	}
	if len(events) != 3 {
		t.Errorf("%d commands", len(events))
	}
}
