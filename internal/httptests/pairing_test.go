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

// from is a call that a trusted proxy forwards for an address.
func (c call) from(address string) call { return c.saying("X-Forwarded-For", address) }

// Codes cannot be guessed by trying many: five wrong ones, and their address waits for a minute. Tablets at other
// addresses notice nothing, and right codes are not counted.
func TestWrongCodesCountByAddress(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	const wrong, attacker, honest = "22222222", "198.51.100.1", "198.51.100.2"
	codes := []string{r.code(t, r.table), r.code(t, r.table), r.code(t, r.table), r.code(t, r.table), r.code(t, r.table), r.code(t, r.table), r.code(t, r.table)}
	redeem := func(from string) {
		t.Helper()
		made[paired](t, r.world, pairing(codes[0]).from(from))
		codes = codes[1:]
	}
	for range 4 {
		r.do(t, pairing(wrong).from(attacker)).want(t, http.StatusNotFound, "pairing_code_unknown")
	}
	for range 3 {
		redeem(attacker) // as a tablet behind the same address
	}
	r.send(t, call{op: "pairDevice", body: `{"pairingCode":`}.from(attacker)).want(t, http.StatusBadRequest, "invalid_body") // is no try
	r.clock.forward(15 * time.Second)
	r.do(t, pairing(wrong).from("1.2.3.4, "+attacker)).want(t, http.StatusNotFound, "pairing_code_unknown") // who claims to be another
	for n, claimed := range []string{attacker, "1.2.3.4, " + attacker, attacker + ", " + attacker, "odd, " + attacker} {
		a := r.do(t, pairing([]string{wrong, codes[0]}[n%2]).from(claimed))
		a.want(t, http.StatusTooManyRequests, "too_many_attempts")
		if a.header.Get("Retry-After") != "45" {
			t.Errorf("after 15 s, Retry-After is %q", a.header.Get("Retry-After"))
		}
	}
	redeem(honest)
	r.do(t, pairing(wrong).from(honest)).want(t, http.StatusNotFound, "pairing_code_unknown")
	// Who is to wait is told so before the body is looked at.
	large := call{op: "pairDevice", body: strings.Repeat(" ", 2<<20)}
	r.send(t, large.from(attacker)).want(t, http.StatusTooManyRequests, "too_many_attempts")
	r.clock.forward(45 * time.Second)
	redeem(attacker)
	// A customer has 2^64 addresses of version 6.
	for n := range 5 {
		r.do(t, pairing(wrong).from(fmt.Sprintf("2001:db8:1:2::%d", n+1))).want(t, http.StatusNotFound, "pairing_code_unknown")
	}
	r.do(t, pairing(wrong).from("2001:db8:1:2:9::9")).want(t, http.StatusTooManyRequests, "too_many_attempts")
	redeem("2001:db8:1:3::1")
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
