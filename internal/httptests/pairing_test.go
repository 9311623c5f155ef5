package httptests

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook/domain/store"
)

func pairing(code string) call {
	return call{op: "pairDevice", body: fmt.Sprintf(`{"pairingCode":%q}`, code)}
}

func TestPairingCodes(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	unknown := func(what string, c call) {
		t.Helper()
		r.nothingHappens(t, func() {
			if a := r.send(t, c); a.status != http.StatusNotFound || a.fault.Code != "pairing_code_unknown" {
				t.Errorf("a code that is %s: answer %d %s", what, a.status, a.body)
			}
		})
	}
	code := r.code(t, r.table)
	for what, wrong := range map[string]string{
		"empty": "", "wrong": "22222222", "cut": code[:7], "longer": code + "2", "very long": strings.Repeat("2", 1000), "odd": "🍕",
		"blank": "   ", "of other letters": "OOOO1111",
	} {
		unknown(what, pairing(wrong))
	}
	unknown("absent", call{op: "pairDevice", body: `{}`})
	// However it is typed, it is the same code; and it is good once.
	typed := strings.ToLower(code[:4]) + " - " + code[4:]
	p := made[paired](t, r.world, pairing(typed))
	if p.StoreID != r.store || p.TableID != r.table {
		t.Errorf("paired with %+v", p)
	}
	unknown("used", pairing(code))
	unknown("used, whose tablet was revoked", func() call {
		r.do(t, r.of("revokeDevice", p.DeviceID)).want(t, http.StatusNoContent, "")
		return pairing(code)
	}())

	late := r.code(t, r.table)
	last := r.code(t, r.table)
	r.clock.forward(store.CodeLifetime - time.Millisecond)
	made[paired](t, r.world, pairing(last))
	r.clock.forward(time.Millisecond)
	unknown("expired", pairing(late))

	// A second owner's code leads to the second owner's table, whoever redeems it.
	theirs := r.restaurant(t, "Second Owner")
	if p := made[paired](t, r.world, pairing(theirs.code(t, theirs.table)).as(r.owner)); p.StoreID != theirs.store || p.TableID != theirs.table {
		t.Errorf("a foreign code led to %+v", p)
	}
	r.nothingHappens(t, func() {
		r.do(t, call{op: "issuePairingCode", token: r.owner, path: []string{r.store, theirs.table}}).want(t, http.StatusNotFound, "table_not_found")
	})
}

// Of two tablets that redeem a code at once, one is paired. A table takes eight.
func TestPairingLimits(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	code := r.code(t, r.table)
	var all sync.WaitGroup
	var mu sync.Mutex
	results := map[int]int{}
	for range 8 {
		all.Go(func() {
			a := r.do(t, pairing(code))
			mu.Lock()
			defer mu.Unlock()
			results[a.status]++
		})
	}
	all.Wait()
	if results[http.StatusCreated] != 1 || results[http.StatusNotFound] != 7 {
		t.Errorf("one code for eight tablets: %v", results)
	}
	last := r.device
	for range store.TabletsMax - 2 {
		last = r.pair(t, r.table).DeviceID
	}
	code = r.code(t, r.table)
	r.nothingHappens(t, func() {
		r.do(t, pairing(code)).want(t, http.StatusConflict, "device_limit_reached")
	})
	r.do(t, r.of("revokeDevice", last)).want(t, http.StatusNoContent, "")
	made[paired](t, r.world, pairing(code))
}

// Codes cannot be guessed by trying many.
func TestPairingIsSlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 1000 {
		if a := w.do(t, pairing("22222222")); a.status == http.StatusTooManyRequests {
			a.want(t, http.StatusTooManyRequests, "too_many_attempts")
			return
		}
	}
	t.Error("a thousand codes could be tried at once")
}

// A grade has so many tables.
func TestTableLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.owner(t, "Table Owner")
	for grade, max := range map[string]int{"BRONZE": 30, "SILVER": 50, "GOLD": 100} {
		opened := made[storeMade](t, w, call{op: "openStore", token: owner, body: fmt.Sprintf(`{"name":"x","posGrade":%q,"settlementDay":1}`, grade)})
		c := call{op: "addTable", token: owner, path: []string{opened.StoreID}}
		for n := 1; n <= max; n++ {
			w.do(t, c.with(fmt.Sprintf(`{"name":"Table %d"}`, n))).want(t, http.StatusCreated, "")
		}
		w.nothingHappens(t, func() {
			w.do(t, c.with(`{"name":"One more"}`)).want(t, http.StatusConflict, "table_limit_reached")
		})
		if got := get[struct{ Tables []struct{} }](t, w, call{op: "listTables", token: owner, path: []string{opened.StoreID}}); len(got.Tables) != max {
			t.Errorf("%s: %d tables", grade, len(got.Tables))
		}
	}
}
