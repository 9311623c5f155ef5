package httptests

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// right is what the contract says of an operation: who may call it, and with what body.
type right struct {
	who  string // owner, tablet, anyone
	body string // {coffee} stands for the caller's own product
}

// rights has a row for every operation. An operation without one fails the test: say who may call it.
var rights = map[string]right{
	"listStores":           {who: "owner"},
	"openStore":            {who: "owner", body: `{"name":"Second","posGrade":"GOLD","settlementDay":5}`},
	"getStore":             {who: "owner"},
	"listProducts":         {who: "owner"},
	"addProduct":           {who: "owner", body: `{"name":"Tea","category":"DRINK","price":1}`},
	"getProduct":           {who: "owner"},
	"changeProduct":        {who: "owner", body: `{"price":1001}`},
	"removeProduct":        {who: "owner"},
	"listTables":           {who: "owner"},
	"addTable":             {who: "owner", body: `{"name":"Door"}`},
	"getTableTab":          {who: "owner"},
	"issuePairingCode":     {who: "owner", body: `{}`},
	"listDevices":          {who: "owner"},
	"revokeDevice":         {who: "owner"},
	"listTabs":             {who: "owner"},
	"getTab":               {who: "owner"},
	"takePayment":          {who: "owner", body: `{"method":"CASH","amount":1}`},
	"closeTab":             {who: "owner", body: `{}`},
	"getProductStatistics": {who: "owner"},
	"getSalesStatistics":   {who: "owner"},
	"getSettlement":        {who: "owner"},
	"getSettlementDetail":  {who: "owner"},
	"getMenu":              {who: "tablet"},
	"getOwnTab":            {who: "tablet"},
	"placeOrder":           {who: "tablet", body: `{"lines":[{"productId":"{coffee}","quantity":1}]}`},
	"pairDevice":           {who: "anyone", body: `{"pairingCode":"NOSUCHCODE"}`},
	"getLiveness":          {who: "anyone"},
	"getReadiness":         {who: "anyone"},
	"getMetrics":           {who: "anyone"},
	"getDocument":          {who: "anyone"},
}

// queries are what must be asked with an operation.
var queries = map[string]string{
	"getProductStatistics": "term=DAY&start=2024-12-01",
	"getSalesStatistics":   "term=DAY&from=2024-12-01&to=2024-12-02",
	"getSettlement":        "term=MONTH&start=2024-12-01",
	"getSettlementDetail":  "term=DAY&start=2024-12-01",
}

// missing is the code that tells that a path's parameter names nothing.
var missing = map[string]string{
	"storeId": "store_not_found", "productId": "product_not_found", "tableId": "table_not_found",
	"deviceId": "device_not_found", "tabId": "tab_not_found",
}

// matrix is a world with two restaurants of two owners, and everybody who may come along.
type matrix struct {
	*world
	mine, theirs   *restaurant
	ids, foreign   map[string]string // values of path parameters
	strangers      []caller          // whom no operation knows
	good           string            // a second token of my owner
	revoked        string            // a tablet's token
	spare, revoke  string            // a product and a device of mine that may go
	free           string            // a tab of mine that is worth nothing
	foreignMarkers []string
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	w := newWorld(t)
	m := &matrix{world: w, mine: w.restaurant(t, "Mine Owner"), theirs: w.restaurant(t, "Theirs Owner")}
	theirCake := m.theirs.product(t, "Cake of theirs", "SUB_MENU", 77777)
	m.ids, m.foreign = idsOf(t, m.mine), idsOf(t, m.theirs)
	m.theirs.pay(t, m.theirs.order(t, 1, theirCake), `{"method":"CASH","amount":1}`)
	gone := m.mine.pair(t, m.mine.table)
	m.do(t, m.mine.of("revokeDevice", gone.DeviceID)).want(t, http.StatusNoContent, "")
	m.revoked, m.revoke = gone.DeviceToken, gone.DeviceID
	m.spare = m.mine.product(t, "Spare", "DRINK", 1)
	_, m.free = m.mine.freeTab(t)
	mineID, err := w.app.Dir.Profiles().OwnerID("Mine Owner")
	if err != nil {
		t.Fatal(err)
	}
	m.good, m.strangers = forgers(t, w, mineID)
	for _, forger := range m.strangers {
		if len(forger.token) > 100 { // "garbage" may stand anywhere
			m.keepSecret(forger.token)
		}
	}
	m.strangers = append(m.strangers, caller{"revoked tablet", m.revoked})
	m.foreignMarkers = []string{"Cake of theirs", "77777", theirCake}
	for _, id := range m.foreign {
		m.foreignMarkers = append(m.foreignMarkers, id)
	}
	return m
}

func idsOf(t *testing.T, r *restaurant) map[string]string {
	t.Helper()
	return map[string]string{
		"storeId": r.store, "productId": r.coffee, "tableId": r.table, "deviceId": r.device, "tabId": r.order(t, 3, r.coffee),
	}
}

// call is an operation with the path's parameters taken from ids.
func (m *matrix) call(op string, ids map[string]string, token string) call {
	c := call{op: op, token: token, query: queries[op], body: rights[op].body}
	c.body = strings.ReplaceAll(c.body, "{coffee}", ids["productId"])
	for _, name := range document().pathNames(op) {
		c.path = append(c.path, ids[name])
	}
	if parameter := document().route(op).Operation.Parameters.GetByInAndName("header", "Idempotency-Key"); parameter != nil {
		c.key = uuid.NewString()
	}
	return c
}

// refused sends a call that must be refused, and returns the answer without what differs from request to request.
func (m *matrix) refused(t *testing.T, c call, status int, code, what string) string {
	t.Helper()
	a := m.send(t, c)
	if a.status != status || a.fault.Code != code {
		t.Errorf("%s by %s: answer %d %.300s, want %d %s", c.op, what, a.status, a.body, status, code)
	}
	m.giveNothingAway(t, a, what)
	return requestID.ReplaceAllString(string(a.body), "")
}

var requestID = regexp.MustCompile(`"requestId":"[^"]+"`)

// giveNothingAway checks that an answer has nothing of the other restaurant.
func (m *matrix) giveNothingAway(t *testing.T, a answer, what string) {
	t.Helper()
	for _, marker := range m.foreignMarkers {
		if strings.Contains(string(a.body), marker) {
			t.Errorf("%s by %s: the answer tells %q of another store: %.300s", a.call.op, what, marker, a.body)
		}
	}
	if a.header.Get("X-Injected") != "" {
		t.Errorf("%s by %s: a header was injected", a.call.op, what)
	}
}

// Every operation, by everybody, with ids of one's own, of others, and of nobody.
func TestAuthorizationMatrix(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	for _, op := range document().operations() {
		row, known := rights[op]
		if !known {
			t.Errorf("%s: nobody has said in rights who may call it", op)
			continue
		}
		if got := documentedCaller(op); got != row.who {
			t.Errorf("%s is for %s, but the document says %s", op, row.who, got)
		}
		for _, name := range document().pathNames(op) {
			if missing[name] == "" {
				t.Errorf("%s: nobody has said in missing what an unknown %s is told", op, name)
			}
		}
		m.nothingHappens(t, func() {
			switch row.who {
			case "owner":
				m.strangersAreRefused(t, op, caller{"my tablet", m.mine.tablet}, caller{"their tablet", m.theirs.tablet})
				m.othersFindNothing(t, op)
			case "tablet":
				m.strangersAreRefused(t, op, caller{"my owner", m.mine.owner}, caller{"their owner", m.theirs.owner})
			}
		})
	}
	before := m.head(t)
	for _, op := range document().operations() {
		m.rightfulCallersGetIn(t, op)
	}
	everyKindWritten(t, m.written(t, before))
}

// documentedCaller is who may call an operation, by the document.
func documentedCaller(op string) string {
	who := "anyone"
	for _, requirement := range *document().route(op).Operation.Security {
		for scheme := range requirement {
			who = scheme
		}
	}
	return who
}

// strangersAreRefused: whoever has no token for an operation is told the same, whatever it is about.
func (m *matrix) strangersAreRefused(t *testing.T, op string, more ...caller) {
	t.Helper()
	told := map[string]bool{}
	for _, who := range append(more, m.strangers...) {
		for _, ids := range []map[string]string{m.ids, m.foreign, m.except(op, "unknown")} {
			told[m.refused(t, m.call(op, ids, who.token), http.StatusUnauthorized, "unauthorized", who.name)] = true
		}
	}
	basic := m.call(op, m.ids, "").saying("Authorization", "Basic "+m.mine.owner)
	told[m.refused(t, basic, http.StatusUnauthorized, "unauthorized", "basic authentication")] = true
	if len(told) != 1 {
		t.Errorf("%s: strangers are told apart: %v", op, told)
	}
}

// except is my ids, all replaced by one that is malformed.
func (m *matrix) except(op, kind string) map[string]string {
	ids := map[string]string{"productId": m.ids["productId"]}
	for _, name := range document().pathNames(op) {
		ids[name] = malformed[kind]
	}
	return ids
}

// othersFindNothing: what belongs to another owner is told exactly as what never was.
func (m *matrix) othersFindNothing(t *testing.T, op string) {
	t.Helper()
	names := document().pathNames(op)
	if len(names) == 0 {
		return
	}
	for i, name := range names {
		told := map[string]bool{}
		refused := func(ids map[string]string, token, what string) {
			told[m.refused(t, m.call(op, ids, token), http.StatusNotFound, missing[name], what)] = true
		}
		with := func(value string) map[string]string {
			ids := map[string]string{"productId": m.ids["productId"]}
			for _, other := range names {
				ids[other] = m.ids[other]
			}
			ids[name] = value
			return ids
		}
		for kind, value := range malformed {
			refused(with(value), m.mine.owner, "an owner, "+name+" "+kind)
		}
		refused(with(m.foreign[name]), m.mine.owner, "an owner, "+name+" of another store")
		if i == 0 {
			refused(m.foreign, m.mine.owner, "another owner")
			refused(m.ids, m.theirs.owner, "another owner")
			refused(with(m.ids["tableId"]), m.mine.owner, "an owner, with a table for a store")
		}
		if len(told) != 1 {
			t.Errorf("%s: a foreign %s is told apart from one that never was: %v", op, name, told)
		}
	}
}

// rightfulCallersGetIn: the tests above would mean nothing if nobody got in.
func (m *matrix) rightfulCallersGetIn(t *testing.T, op string) {
	t.Helper()
	var callers []caller
	switch rights[op].who {
	case "owner":
		callers = []caller{{"my owner", m.mine.owner}, {"my owner's second token", m.good}}
	case "tablet":
		callers = []caller{{"my tablet", m.mine.tablet}}
	case "anyone":
		callers = []caller{{"my owner", m.mine.owner}, {"my tablet", m.mine.tablet}, {"nobody", ""}, {"garbage", "garbage"}, {"revoked tablet", m.revoked}}
	}
	for i, who := range callers {
		ids := map[string]string{}
		for name, id := range m.ids {
			ids[name] = id
		}
		switch op {
		case "removeProduct":
			ids["productId"] = m.spare
		case "revokeDevice":
			ids["deviceId"] = m.revoke
		case "closeTab":
			ids["tabId"] = m.free
		}
		a := m.send(t, m.call(op, ids, who.token))
		switch {
		case op == "pairDevice":
			a.want(t, http.StatusNotFound, "pairing_code_unknown")
		case op == "removeProduct" && i > 0: // it is gone
			a.want(t, http.StatusNotFound, "product_not_found")
		case op == "closeTab" && i > 0:
			a.want(t, http.StatusConflict, "tab_closed")
		case a.status >= 300:
			t.Errorf("%s by %s: answer %d %s", op, who.name, a.status, a.body)
		}
		if op != "getMetrics" && op != "getDocument" {
			m.giveNothingAway(t, a, who.name)
		}
	}
}

// A tablet orders from its own menu only.
func TestTabletsKeepToTheirMenu(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	told := map[string]bool{}
	m.nothingHappens(t, func() {
		for kind, id := range map[string]string{"of another store": m.theirs.coffee, "unknown": "p2222222222222222", "table": m.mine.table, "odd": "../é\u0000|"} {
			c := m.mine.ordering(1, strings.ReplaceAll(id, "\u0000", `\u0000`))
			told[m.refused(t, c, http.StatusNotFound, "product_not_found", "a tablet, product "+kind)] = true
		}
	})
	if len(told) != 1 {
		t.Errorf("foreign and unknown products are told apart: %v", told)
	}
	// A guest's bill has no fees and no payments.
	if a := m.do(t, call{op: "getOwnTab", token: m.mine.tablet}); strings.Contains(string(a.body), `"fee"`) || strings.Contains(string(a.body), "payment") {
		t.Errorf("a guest sees %s", a.body)
	}
}
