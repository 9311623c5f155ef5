package httptests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// fault is a request of the right form that breaks a rule.
type fault struct {
	what   string
	call   call
	status int
	code   string
	told   bool // the document says so, too
}

// check sends all faults: each is refused with its code, and nothing happens.
func (w *world) checkFaults(t *testing.T, faults []fault) {
	t.Helper()
	for _, f := range faults {
		w.nothingHappens(t, func() {
			a := w.send(t, f.call)
			if a.status != f.status || a.fault.Code != f.code {
				t.Errorf("%s %s: answer %d %.300s, want %d %s", f.call.op, f.what, a.status, a.body, f.status, f.code)
			}
		})
		if refuses := w.allowed(f.call) != nil; refuses != f.told {
			t.Errorf("%s %s: the document refuses it: %t", f.call.op, f.what, refuses)
		}
	}
}

const bad = http.StatusBadRequest

func TestOrderRules(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	dear := r.product(t, "Dear", "MAIN_MENU", 10_000)
	lines := func(n int) call {
		var all []any
		for range n {
			all = append(all, 1, r.coffee)
		}
		return r.ordering(all...)
	}
	var sum []any
	for range 10 {
		sum = append(sum, 10_000_000, dear)
	}
	r.checkFaults(t, []fault{
		{"without lines", r.ordering(), bad, "lines_required", true},
		{"with an empty object", r.ordering().with(`{}`), bad, "lines_required", true},
		{"of none", r.ordering(0, r.coffee), bad, "invalid_quantity", true},
		{"of less than none", r.ordering(-1, r.coffee), bad, "invalid_quantity", true},
		{"of one too many", r.ordering(10_000_001, r.coffee), bad, "invalid_quantity", true},
		{"of the most that fits", r.ordering("9223372036854775807", r.coffee), bad, "invalid_quantity", true},
		{"of the least that fits", r.ordering("-9223372036854775808", r.coffee), bad, "invalid_quantity", true},
		{"without a quantity", r.ordering().with(fmt.Sprintf(`{"lines":[{"productId":%q}]}`, r.coffee)), bad, "invalid_quantity", true},
		{"with one good line", r.ordering(1, r.coffee, 0, r.coffee), bad, "invalid_quantity", true},
		{"without a product", r.ordering().with(`{"lines":[{"quantity":1}]}`), http.StatusNotFound, "product_not_found", true},
		{"of what is not on the menu", r.ordering(1, r.coffee, 1, "p2222"), http.StatusNotFound, "product_not_found", false},
		{"with 201 lines", lines(201), bad, "too_many_lines", true},
		{"above the limit", r.ordering(append(sum, 1, r.coffee)...), bad, "amount_too_large", false},
		{"far above the limit", r.ordering(append(sum, sum...)...), bad, "amount_too_large", false},
	})
	r.do(t, lines(200)).want(t, http.StatusCreated, "")
	// A tab may amount to exactly the limit, and to no unit more.
	other := *r
	other.table = r.addTable(t, "Bar")
	other.tablet = r.pair(t, other.table).DeviceToken
	tab := other.order(t, sum...)
	r.checkFaults(t, []fault{{"above the tab's limit", other.ordering(1, r.coffee), bad, "amount_too_large", false}})
	free := r.product(t, "Water", "DRINK", 0)
	other.order(t, 10_000_000, free)
	if paid := r.pay(t, tab, `{"method":"CARD","cardCompany":"S"}`); paid.Amount != 1_000_000_000_000 || paid.Fee != 8_000_000_000 {
		t.Errorf("the largest tab: %+v", paid)
	}
}

func TestPaymentRules(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	free := r.product(t, "Water", "DRINK", 0)
	closed := r.order(t, 1, r.coffee)
	r.pay(t, closed, `{"method":"CASH"}`)
	gratis := *r
	gratis.table = r.addTable(t, "Bar")
	gratis.tablet = r.pair(t, gratis.table).DeviceToken
	nothing := gratis.order(t, 3, free)
	tab := r.order(t, 2, r.coffee)
	conflict := http.StatusConflict
	faults := []fault{
		{"on a closed tab", r.paying(closed, `{"method":"CASH"}`), conflict, "tab_closed", false},
		{"on a closed tab, of an amount", r.paying(closed, `{"method":"CASH","amount":1}`), conflict, "tab_closed", false},
		{"where nothing is due", r.paying(nothing, `{"method":"CASH"}`), conflict, "nothing_due", false},
		{"where nothing is due, of an amount", r.paying(nothing, `{"method":"CASH","amount":1}`), conflict, "nothing_due", false},
		{"above what is due", r.paying(tab, `{"method":"CASH","amount":2001}`), conflict, "overpayment", false},
		{"far above what is due", r.paying(tab, `{"method":"CASH","amount":9223372036854775807}`), conflict, "overpayment", true},
		{"of nothing", r.paying(tab, `{"method":"CASH","amount":0}`), bad, "invalid_amount", true},
		{"of less than nothing", r.paying(tab, `{"method":"CASH","amount":-1}`), bad, "invalid_amount", true},
		{"by an unknown method", r.paying(tab, `{"method":"CHEQUE"}`), bad, "invalid_method", true},
		{"by cash in another case", r.paying(tab, `{"method":"cash"}`), bad, "invalid_method", true},
		{"by no method", r.paying(tab, `{}`), bad, "invalid_method", true},
		{"by card of no company", r.paying(tab, `{"method":"CARD"}`), bad, "invalid_card_company", false},
		{"by card of an unknown company", r.paying(tab, `{"method":"CARD","cardCompany":"X"}`), bad, "invalid_card_company", true},
		{"by card of a company in another case", r.paying(tab, `{"method":"CARD","cardCompany":"k"}`), bad, "invalid_card_company", true},
		{"by cash of a company", r.paying(tab, `{"method":"CASH","cardCompany":"K"}`), bad, "invalid_card_company", false},
	}
	r.checkFaults(t, faults)
	// Fees are cut off to whole units, at each payment for itself.
	for _, part := range []struct {
		body     string
		fee, due int64
	}{
		{`{"method":"CARD","cardCompany":"K","amount":249}`, 0, 1751},
		{`{"method":"CARD","cardCompany":"K","amount":250}`, 1, 1501},
		{`{"method":"CARD","cardCompany":"H","amount":499}`, 2, 1002},
		{`{"method":"CARD","cardCompany":"H","amount":500}`, 3, 502},
		{`{"method":"CARD","cardCompany":"S","amount":125}`, 1, 377},
		{`{"method":"CASH","amount":376}`, 0, 1},
	} {
		if paid := r.pay(t, tab, part.body); paid.Fee != part.fee || paid.Due != part.due || paid.TabStatus != "OPEN" {
			t.Errorf("%s: %+v", part.body, paid)
		}
	}
	if last := r.pay(t, tab, `{"method":"CASH","amount":1}`); last.Due != 0 || last.TabStatus != "CLOSED" {
		t.Errorf("the last payment: %+v", last)
	}
}

// nameBodies are bodies with a field that can be a name of up to max characters, and with one that cannot.
func nameBodies(field, rest string, max int) (good, badOnes []string) {
	body := func(name string) string { return fmt.Sprintf(`{"%s":"%s"%s}`, field, name, rest) }
	for _, character := range []string{"a", "파", "😀", "é", "<", `\"`} {
		good = append(good, body(strings.Repeat(character, max)))
		badOnes = append(badOnes, body(strings.Repeat(character, max+1)))
	}
	for _, name := range []string{"", " ", `\u3000\u00a0`, `a\u0000`, `a\nb`, `\t`, `\u007f`, `\u0085`, `a\u001b[31m`} {
		badOnes = append(badOnes, body(name))
	}
	return good, badOnes
}

// A tab may have so many payments; the last one pays all that is due.
func TestPaymentLimit(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	tab := r.order(t, 1, r.coffee)
	for range 199 {
		r.pay(t, tab, `{"method":"CASH","amount":1}`)
	}
	c := r.paying(tab, `{"method":"CASH","amount":1}`)
	r.nothingHappens(t, func() { r.do(t, c).want(t, http.StatusConflict, "payment_limit_reached") })
	r.pay(t, tab, `{"method":"CASH"}`)
	r.do(t, r.of("getTab", tab)).want(t, http.StatusOK, "")
}

func TestNames(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	for _, c := range []struct {
		call        call
		field, rest string
		max         int
		code        string
	}{
		{call{op: "openStore", token: r.owner}, "name", `,"posGrade":"GOLD","settlementDay":25`, 20, "invalid_name"},
		{r.of("addTable"), "name", "", 50, "invalid_name"},
		{r.of("addProduct"), "name", `,"category":"DRINK","price":0`, 100, "invalid_name"},
		{r.of("addProduct"), "category", `,"name":"x","price":10000000`, 30, "invalid_category"},
		{r.of("changeProduct", r.coffee), "name", "", 100, "invalid_name"},
		{r.of("changeProduct", r.coffee), "category", "", 30, "invalid_category"},
	} {
		good, badOnes := nameBodies(c.field, c.rest, c.max)
		for _, body := range good {
			if a := r.do(t, c.call.with(body)); a.status >= 300 {
				t.Errorf("%s %s: answer %d %s", c.call.op, body, a.status, a.body)
			}
		}
		r.nothingHappens(t, func() {
			for _, body := range badOnes {
				r.send(t, c.call.with(body)).want(t, bad, c.code)
			}
		})
	}
}

func TestStoreRules(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	with := func(field, value string) call {
		fields := map[string]string{"name": `"x"`, "posGrade": `"GOLD"`, "settlementDay": "5"}
		if fields[field] = value; value == "" {
			delete(fields, field)
		}
		var parts []string
		for name, v := range fields {
			parts = append(parts, fmt.Sprintf("%q:%s", name, v))
		}
		return call{op: "openStore", token: r.owner, body: "{" + strings.Join(parts, ",") + "}"}
	}
	var faults []fault
	add := func(field, code string, told bool, values ...string) {
		for _, value := range values {
			faults = append(faults, fault{field + " " + value, with(field, value), bad, code, told})
		}
	}
	add("name", "invalid_name", true, "", `""`)
	add("posGrade", "invalid_pos_grade", true, "", `""`, `"bronze"`, `"PLATINUM"`)
	add("settlementDay", "invalid_settlement_day", true, "", "0", "2", "31", "-1")
	add("closeoutHour", "invalid_closeout_hour", true, "-1", "12", "9223372036854775807")
	add("currency", "invalid_currency", true, `""`, `"krw"`, `"KR"`, `"KRWX"`)
	add("currency", "invalid_currency", false, `"XXX"`, `"XAU"`)
	add("timeZone", "invalid_time_zone", false, `""`, `"Local"`, `"Mars/Olympus"`, `"../../etc/passwd"`, `"/etc/localtime"`,
		`"Asia/Seoul\u0000"`, `"`+strings.Repeat("A", 5000)+`"`, `"UTC+9"`, `"."`,
		`"localtime"`, `"posixrules"`, `"right/Asia/Seoul"`, `"./Asia/Seoul"`, `"Asia//Seoul"`, `"asia/seoul"`)
	r.checkFaults(t, faults)
	for _, good := range []call{
		with("closeoutHour", "11"), with("currency", `"USD"`), with("timeZone", `"America/New_York"`), with("timeZone", `"UTC"`), with("timeZone", `"ROK"`),
		with("settlementDay", "25"), with("posGrade", `"SILVER"`),
	} {
		r.do(t, good).want(t, http.StatusCreated, "")
	}
	unprocessable := http.StatusUnprocessableEntity
	r.checkFaults(t, []fault{
		{"without a price", r.of("addProduct").with(`{"name":"x","category":"y"}`), bad, "invalid_price", true},
		{"below nothing", r.of("addProduct").with(`{"name":"x","category":"y","price":-1}`), bad, "invalid_price", true},
		{"too dear in won", r.of("addProduct").with(`{"name":"x","category":"y","price":10000001}`), bad, "invalid_price", false},
		{"too dear in won", r.of("changeProduct", r.coffee).with(`{"price":10000001}`), bad, "invalid_price", false},
		{"too dear in any", r.of("addProduct").with(`{"name":"x","category":"y","price":10000000001}`), bad, "invalid_price", true},
		{"changing nothing", r.of("changeProduct", r.coffee).with(`{}`), http.StatusOK, "", false},
		{"with stock", r.of("addProduct").with(`{"name":"x","category":"y","price":1,"baseStock":0}`), unprocessable, "stock_not_supported", false},
		{"with stock", r.of("changeProduct", r.coffee).with(`{"baseStock":1}`), unprocessable, "stock_not_supported", false},
	})
}

// A steak costs half a million rupiah, which are fifty million of the cents that nobody uses: the highest price is in
// main units of the store's currency.
func TestPricesOfACurrencyWithCents(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	var store struct{ StoreID string }
	opening := call{op: "openStore", token: r.owner, body: `{"name":"Warung","posGrade":"GOLD","settlementDay":5,"currency":"IDR"}`}
	if err := json.Unmarshal(r.do(t, opening).body, &store); err != nil {
		t.Fatal(err)
	}
	adding := func(price string) call {
		return call{op: "addProduct", token: r.owner, path: []string{store.StoreID}, body: `{"name":"Steak","category":"MAIN_MENU","price":` + price + `}`}
	}
	r.do(t, adding("50000000")).want(t, http.StatusCreated, "")
	r.do(t, adding("1000000000")).want(t, http.StatusCreated, "")
	r.do(t, adding("1000000001")).want(t, http.StatusBadRequest, "invalid_price")
}
