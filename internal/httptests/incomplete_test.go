package httptests

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// TestFiguresSayWhatTheyLack: a tab of an impossible amount, as an older log may hold it, is left out of its store's figures,
// and they say so. Another store's say nothing.
func TestFiguresSayWhatTheyLack(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	r.pay(t, r.order(t, 2, r.coffee), `{"method":"CASH"}`)
	other := *r
	other.store = made[storeMade](t, r.world, call{op: "openStore", token: r.owner, body: `{"name":"Other","posGrade":"GOLD","settlementDay":1}`}).StoreID
	questions := []call{
		r.of("getProductStatistics").asking("term=DAY&start=2024-12-01"), r.of("getSettlement").asking("term=DAY&start=2024-12-01"),
		r.of("getSalesStatistics").asking("term=DAY&from=2024-12-01&to=2024-12-03"),
		r.of("getSettlementDetail").asking("term=DAY&start=2024-12-01"), r.of("listTabs"),
	}
	for _, question := range questions {
		if lacks := r.lacks(t, question); lacks != nil {
			t.Errorf("%s lacks %v though all is well", question.op, lacks)
		}
	}
	closing := fmt.Sprintf(`{"storeId":%q,"businessDate":"2024-12-01","settlementDay":1,"currency":"KRW","amount":1000000000000001,"lines":[],"payments":[]}`, r.store)
	r.append(t, "tab-"+r.store+"-old.1", "tab.closed.v1", closing)
	r.append(t, "tab-"+r.store+"-old.2", "tab.opened.v1", `{"at":"never"}`)
	for _, question := range questions {
		if lacks := r.lacks(t, question); lacks["parkedTabs"] != 1 || lacks["skippedEvents"] != 0 {
			t.Errorf("%s lacks %v", question.op, lacks)
		}
	}
	for _, op := range []string{"getSettlement", "getProductStatistics"} {
		if lacks := r.lacks(t, other.of(op).asking("term=DAY&start=2024-12-01")); lacks != nil {
			t.Errorf("%s of another store lacks %v", op, lacks)
		}
	}
}

// lacks asks, and returns what the answer says it lacks.
func (r *restaurant) lacks(t *testing.T, question call) map[string]int {
	t.Helper()
	a := read[struct{ Incomplete json.RawMessage }](t, r.do(t, question), http.StatusOK)
	if a.Incomplete == nil {
		return nil
	}
	var lacks map[string]int
	if err := json.Unmarshal(a.Incomplete, &lacks); err != nil {
		t.Fatal(err)
	}
	return lacks
}

// append brings an event to the log as it stands. Later queries include it.
func (r *restaurant) append(t *testing.T, stream, typ, data string) {
	t.Helper()
	e := eventstore.NewEvent{ID: uuid.New(), Type: typ, Data: []byte(data)}
	at, err := r.app.Store.Append(context.Background(), stream, eventstore.NoStream, []eventstore.NewEvent{e})
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.position = at.Position
}
