package httptests

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// sameAnswer fails the test unless two answers are the same, byte for byte, and stand at the same place of the log.
func sameAnswer(t *testing.T, what string, first, again answer) {
	t.Helper()
	at := "Daybook-Position"
	if first.status != again.status || string(first.body) != string(again.body) || first.header.Get(at) != again.header.Get(at) ||
		first.header.Get("Content-Type") != again.header.Get("Content-Type") {
		t.Errorf("%s %s: first %d %s at %s, again %d %s at %s", first.call.op, what,
			first.status, first.body, first.header.Get(at), again.status, again.body, again.header.Get(at))
	}
}

// repeatable are, for every command, a call and another that must not come with the same key.
func repeatable(t *testing.T, m *matrix) map[string][2]call {
	t.Helper()
	r := m.mine
	table, table2 := r.addTable(t, "One"), r.addTable(t, "Two")
	product, product2 := r.product(t, "One", "DRINK", 1), r.product(t, "Two", "DRINK", 1)
	device, device2 := r.pair(t, table).DeviceID, r.pair(t, table).DeviceID
	code := r.code(t, table)
	tab := r.order(t, 5, r.coffee)
	_, free := r.freeTab(t)
	_, free2 := r.freeTab(t)
	open := `{"name":"%s","posGrade":"GOLD","settlementDay":5}`
	return map[string][2]call{
		"openStore":        {m.rightful("openStore").with(fmt.Sprintf(open, "A")), m.rightful("openStore").with(fmt.Sprintf(open, "B"))},
		"addProduct":       {r.of("addProduct").with(`{"name":"A","category":"x","price":1}`), r.of("addProduct").with(`{"name":"A","category":"x","price":2}`)},
		"changeProduct":    {r.of("changeProduct", product).with(`{"price":77}`), r.of("changeProduct", product).with(`{"price":78}`)},
		"removeProduct":    {r.of("removeProduct", product), r.of("removeProduct", product2)},
		"addTable":         {r.of("addTable").with(`{"name":"A"}`), r.of("addTable").with(`{"name":"B"}`)},
		"issuePairingCode": {r.of("issuePairingCode", table), r.of("issuePairingCode", table2)},
		"pairDevice":       {call{op: "pairDevice", body: fmt.Sprintf(`{"pairingCode":%q}`, code)}, call{op: "pairDevice", body: fmt.Sprintf(`{"pairingCode":%q}`, strings.ToLower(code))}},
		"revokeDevice":     {r.of("revokeDevice", device), r.of("revokeDevice", device2)},
		"placeOrder":       {r.ordering(1, r.coffee), r.ordering(2, r.coffee)},
		"takePayment":      {r.of("takePayment", tab).with(`{"method":"CASH","amount":2}`), r.of("takePayment", tab).with(`{"method":"CASH","amount":3}`)},
		"closeTab":         {r.of("closeTab", free), r.of("closeTab", free2)},
	}
}

// Every command: the same key and body have one effect and one answer, also after a restart; the same key with
// something else is refused.
func TestEveryCommandIsRepeatable(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	firsts := map[string]answer{}
	cases := repeatable(t, m)
	before := m.head(t)
	for _, op := range apiOperations(true) {
		pair, known := cases[op]
		if !known {
			t.Errorf("%s: nobody has said how it is repeated", op)
			continue
		}
		key := uuid.NewString()
		first := m.do(t, pair[0].keyed(key))
		if first.status >= 300 {
			t.Errorf("%s: answer %d %s", op, first.status, first.body)
		}
		firsts[op] = first
		m.nothingHappens(t, func() {
			sameAnswer(t, "repeated", first, m.do(t, pair[0].keyed(key)))
			m.do(t, pair[1].keyed(key)).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
		})
	}
	everyKindWritten(t, m.written(t, before))
	m.clock.forward(time.Hour)
	m.restart(t)
	m.nothingHappens(t, func() {
		for op, first := range firsts {
			sameAnswer(t, "after a restart", first, m.do(t, first.call))
			m.do(t, cases[op][1].keyed(first.call.key)).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
		}
	})
}

// What is the same body is decided by what it says, not by how it is written.
func TestSameBodyInOtherWords(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	c := r.of("addProduct").keyed("k")
	first := r.do(t, c.with(`{"name":"파","category":"x","price":1}`))
	first.want(t, http.StatusCreated, "")
	r.nothingHappens(t, func() {
		sameAnswer(t, "in another order", first, r.do(t, c.with(` {"price":1, "category":"x",`+"\n"+`"name":"\ud30c"}`)))
	})
	// A refused request does not use its key up.
	order := r.ordering(0, r.coffee)
	r.send(t, order).want(t, http.StatusBadRequest, "invalid_quantity")
	made[orderPlaced](t, r.world, r.ordering(1, r.coffee).keyed(order.key))
}

// A key counts once in a store for whoever uses it, whatever it was used for.
func TestKeyOfSomethingElse(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	r := m.mine
	commands := ownersCommands(t, m)
	tab := r.order(t, 5, r.coffee)
	other := *r
	other.table = r.addTable(t, "Bar")
	other.tablet = r.pair(t, other.table).DeviceToken
	otherTab := other.order(t, 5, r.coffee)
	key := uuid.NewString()
	first := r.do(t, r.paying(tab, `{"method":"CASH","amount":1}`).keyed(key))
	first.want(t, http.StatusCreated, "")
	reused := func() {
		t.Helper()
		for _, c := range append(commands, r.paying(otherTab, `{"method":"CASH","amount":1}`)) {
			r.nothingHappens(t, func() {
				r.do(t, c.keyed(key)).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
			})
		}
		sameAnswer(t, "again", first, r.do(t, first.call))
	}
	reused()
	r.restart(t)
	reused()
	// Other tablets, other stores and the owner's own account have keys of their own.
	made[orderPlaced](t, r.world, r.ordering(1, r.coffee).keyed(key))
	made[orderPlaced](t, r.world, other.ordering(1, r.coffee).keyed(key))
	second := made[storeMade](t, r.world, call{op: "openStore", token: r.owner, body: `{"name":"x","posGrade":"GOLD","settlementDay":5}`, key: key})
	made[tableMade](t, r.world, call{op: "addTable", token: r.owner, path: []string{second.StoreID}, body: `{"name":"x"}`, key: key})
}

// ownersCommands are one call of every command that an owner gives a store.
func ownersCommands(t *testing.T, m *matrix) (calls []call) {
	t.Helper()
	cases := repeatable(t, m)
	for _, op := range apiOperations(true) {
		if rights[op].who == "owner" && slices.Contains(document().pathNames(op), "storeId") {
			calls = append(calls, cases[op][0])
		}
	}
	if len(calls) < 8 {
		t.Errorf("an owner has %d commands", len(calls))
	}
	return calls
}

// A guest's order is found again after its bill was paid and the next one opened, with and without a restart between.
func TestOrderIsRepeatedAfterItsTabWasClosed(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	c := r.ordering(1, r.coffee)
	first := r.do(t, c)
	tab := read[orderPlaced](t, first, http.StatusCreated).TabID
	again := func(what string) {
		t.Helper()
		r.nothingHappens(t, func() {
			sameAnswer(t, what, first, r.do(t, c))
			r.do(t, r.ordering(2, r.coffee).keyed(c.key)).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
		})
	}
	again("on the open tab")
	r.pay(t, tab, `{"method":"CASH"}`)
	again("after the tab was closed")
	for range 3 {
		tab = r.order(t, 1, r.coffee)
		again("after the next tab was opened")
		r.pay(t, tab, `{"method":"CASH"}`)
	}
	r.order(t, 1, r.coffee)
	r.restart(t)
	again("after a restart")
	if got := get[struct{ Amount int64 }](t, r.world, call{op: "getOwnTab", token: r.tablet}).Amount; got != 1000 {
		t.Errorf("the open tab amounts to %d", got)
	}
}

// Of twenty identical requests at once, one has an effect, and all have its answer.
func TestConcurrentRepetition(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	tab := r.order(t, 100, r.coffee)
	for _, c := range []call{
		r.ordering(1, r.coffee),
		r.paying(tab, `{"method":"CARD","cardCompany":"K","amount":500}`),
		r.of("addTable").with(`{"name":"x"}`).keyed("table"),
		call{op: "openStore", token: r.owner, body: `{"name":"x","posGrade":"GOLD","settlementDay":5}`, key: "store"},
		r.of("issuePairingCode", r.table).keyed("code"),
	} {
		answers := make([]answer, 20)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = r.do(t, c) })
		}
		all.Wait()
		if answers[0].status != http.StatusCreated {
			t.Errorf("%s: answer %d %s", c.op, answers[0].status, answers[0].body)
		}
		for _, a := range answers[1:] {
			sameAnswer(t, "at once", answers[0], a)
		}
	}
	type bill struct {
		Amount, Paid int64
		Orders       []struct{}
		Payments     []struct{}
	}
	if got := get[bill](t, r.world, r.of("getTab", tab)); got.Amount != 101_000 || got.Paid != 500 || len(got.Orders) != 2 || len(got.Payments) != 1 {
		t.Errorf("the bill: %+v", got)
	}
	if got := get[struct{ Tables []struct{} }](t, r.world, r.of("listTables")); len(got.Tables) != 2 {
		t.Errorf("%d tables", len(got.Tables))
	}
}

// Of one key that is used for two things at once, one thing happens.
func TestConcurrentKeyOfSomethingElse(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	tab := r.order(t, 5, r.coffee)
	other := *r
	other.table = r.addTable(t, "Bar")
	other.tablet = r.pair(t, other.table).DeviceToken
	otherTab := other.order(t, 5, r.coffee)
	for range 10 {
		key := uuid.NewString()
		var mu sync.Mutex
		var all sync.WaitGroup
		paid := map[string]bool{}
		for _, on := range []string{tab, otherTab, tab, otherTab} {
			all.Go(func() {
				a := r.do(t, r.paying(on, `{"method":"CASH","amount":1}`).keyed(key))
				mu.Lock()
				defer mu.Unlock()
				if a.status == http.StatusCreated {
					paid[on] = true
				} else if a.fault.Code != "idempotency_key_reused" {
					t.Errorf("answer %d %s", a.status, a.body)
				}
			})
		}
		all.Wait()
		if len(paid) != 1 {
			t.Errorf("one key paid on %d tabs", len(paid))
		}
	}
}

// Twenty different orders and payments at once: every order counts once, and nobody pays too much.
func TestConcurrentOrdersAndPayments(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { r.order(t, 1, r.coffee) })
	}
	all.Wait()
	tab := r.order(t, 1, r.coffee)
	var mu sync.Mutex
	results := map[string]int{}
	for range 20 {
		all.Go(func() {
			a := r.do(t, r.paying(tab, `{"method":"CASH","amount":2000}`))
			mu.Lock()
			defer mu.Unlock()
			results[fmt.Sprint(a.status, " ", a.fault.Code)]++
		})
	}
	all.Wait()
	if results["201 "] != 10 || results["409 overpayment"] != 10 {
		t.Errorf("of 20 payments of 2000 on a bill of 21000: %v", results)
	}
}
