package projections_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/projections"
)

// TestPoisonStopsItsOwnStream: an event that cannot be folded stops its stream, visibly; the others go on; and the
// stream follows again when it is told to.
func TestPoisonStopsItsOwnStream(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 8)
	for range 60 {
		w.step()
	}
	const poisoned = "tab-s0-zz.1"
	raw(t, log, poisoned, eventstore.NoStream, "tab.closed.v1", `{"storeId":7}`)
	raw(t, log, poisoned, 0, "tab.closed.v1", closedOf("s0", 1000))
	for range 60 {
		w.step()
	}
	r := run(t, log, sink)
	r.caughtUp(t, log)
	parked, err := projections.ListParked(t.Context(), sink, projections.Counters)
	if err != nil || len(parked) != 1 || parked[0].Stream != poisoned || parked[0].Revision != 0 || !strings.Contains(parked[0].Error, "storeId") {
		t.Fatalf("parked: %+v, %v", parked, err)
	}
	if got := r.runners["counters"].Status().Parked; got != 1 {
		t.Errorf("the runner counts %d parked streams", got)
	}
	gross := grossOf(t, sink, "s0|DAY|2030-01-01")
	unpark := func(skip bool) error {
		return projections.Unpark(t.Context(), log, sink, projections.Counters, []string{poisoned}, skip, quiet)
	}
	if err := unpark(false); !errors.Is(err, projections.ErrStillPoison) {
		t.Fatalf("retried without mending: %v", err)
	}
	if err := unpark(true); err != nil {
		t.Fatalf("skipped: %v", err)
	}
	if err := unpark(true); !errors.Is(err, projections.ErrNotParked) {
		t.Errorf("skipped again: %v", err)
	}
	if got := grossOf(t, sink, "s0|DAY|2030-01-01"); got != gross+1000 {
		t.Errorf("after skipping the poison, %d; the event behind it is worth 1000, before were %d", got, gross)
	}
	// The running projection notices, and follows the stream from now on.
	raw(t, log, poisoned, 1, "tab.closed.v1", closedOf("s0", 234))
	r.caughtUp(t, log)
	if got := grossOf(t, sink, "s0|DAY|2030-01-01"); got != gross+1234 {
		t.Errorf("after the next event of the stream: %d", got)
	}
}

// TestSkippingLasts: what the operator skipped stays skipped when the read model is rebuilt, lost, or was being made
// meanwhile; and nobody calls that a difference.
func TestSkippingLasts(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 22)
	poison := []string{"tab-s0-x.1", "tab-s0-x.2", "tab-s1-x.1"}
	wholeTab(t, log, "s0", 0, tab.AmountMax+1)
	wholeTab(t, log, "s0", 1, 1<<63-1)
	wholeTab(t, log, "s1", 0, tab.AmountMax+2)
	for range 100 {
		w.step()
	}
	model := projections.Counters
	emptied, running := newSink(t), newSink(t)
	for _, s := range []projections.Sink{sink, running} {
		if err := projections.CatchUp(t.Context(), log, s, model, quiet, noProgress); err != nil {
			t.Fatal(err)
		}
		checkLeftOut(t, log, s, "s0", projections.LeftOut{Parked: 2})
	}
	err := projections.Unpark(t.Context(), log, sink, model, append(poison, "tab-s0-none"), true, quiet)
	if !errors.Is(err, projections.ErrNotParked) {
		t.Fatalf("one that is not parked: %v", err)
	}
	if err := projections.Unpark(t.Context(), log, sink, model, poison, true, quiet); err != nil {
		t.Fatal(err)
	}
	if _, err := projections.Rebuild(t.Context(), log, sink, model, quiet, noProgress); err != nil {
		t.Fatal(err)
	}
	if err := projections.CatchUp(t.Context(), log, emptied, model, quiet, noProgress); err != nil {
		t.Fatal(err)
	}
	startRunner(t, log, model, running)
	for name, s := range map[string]projections.Sink{"rebuilt": sink, "lost": emptied, "that had it parked": running} {
		parked, err := projections.ListParked(t.Context(), s, model)
		if err != nil || len(parked) != 0 {
			t.Errorf("%s: parked are %+v, %v", name, parked, err)
		}
		checkLeftOut(t, log, s, "s0", projections.LeftOut{Skipped: 2})
		checkLeftOut(t, log, s, "s1", projections.LeftOut{Skipped: 1})
		checkLeftOut(t, log, s, "s2", projections.LeftOut{})
		report, err := projections.Verify(t.Context(), log, s, newSink(t), model, quiet, noProgress)
		if err != nil || report.Difference != "" {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
		audit, err := projections.Audit(t.Context(), log, s, "", noProgress)
		if err != nil || len(audit.Differences) != 0 || audit.LeftOut != 3 {
			t.Errorf("%s: %+v, %v", name, audit, err)
		}
	}
	// Three read models took it from one note each.
	noted := 0
	for e, err := range log.ReadStream(t.Context(), "parked-counters", eventstore.StreamRead{}) {
		if noted++; err != nil {
			t.Fatal(e, err)
		}
	}
	if noted != len(poison) {
		t.Errorf("%d skips are in the log", noted)
	}
}

// checkLeftOut reads what the counters of a store lack.
func checkLeftOut(t *testing.T, log eventstore.Store, sink projections.Sink, storeID string, want projections.LeftOut) {
	t.Helper()
	if err := projections.CatchUp(t.Context(), log, sink, projections.Counters, quiet, noProgress); err != nil {
		t.Fatal(err) // a reader waits for the end of the log
	}
	got, err := projections.NewRemoteReader(projections.Counters, sink, log, time.Now).LeftOut(t.Context(), eventstore.Position{}, storeID)
	if err != nil || got != want {
		t.Errorf("store %s lacks %+v, %v; want %+v", storeID, got, err, want)
	}
}

// TestOverflowIsPoison: what is beyond the limits of a tab, and what would overflow a counter, stops its own stream, nothing
// else.
func TestOverflowIsPoison(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	catchUp := func() {
		t.Helper()
		if err := projections.CatchUp(t.Context(), log, sink, projections.Counters, quiet, noProgress); err != nil {
			t.Fatal(err)
		}
	}
	add := func(n int, amount int64) {
		raw(t, log, tabStream(n), eventstore.NoStream, tab.ClosedType, closedOf("s0", amount))
	}
	for n, amount := range []int64{1, 1<<63 - 1, 5, tab.AmountMax + 1, tab.AmountMax, -1} {
		add(n, amount)
	}
	newWorld(t, log, 9)
	catchUp()
	const day, full = "s0|DAY|2030-01-01", 1<<63 - 1
	if got := grossOf(t, sink, day); got != tab.AmountMax+6 {
		t.Errorf("the others sum up to %d", got)
	}
	damage(t, sink, projections.Change{Partition: day, Field: projections.CountGross, Op: projections.Set, Delta: full - 3})
	add(6, 4)
	add(7, 3)
	catchUp()
	if got := grossOf(t, sink, day); got != full {
		t.Errorf("the last that fits makes %d", got)
	}
	parked, err := projections.ListParked(t.Context(), sink, projections.Counters)
	var streams []string
	for _, p := range parked {
		streams = append(streams, p.Stream)
	}
	if want := []string{tabStream(1), tabStream(3), tabStream(5), tabStream(6)}; err != nil || !slices.Equal(streams, want) {
		t.Errorf("parked: %+v, %v; want %v", parked, err, want)
	}
}

// TestWhatNoSinkTakesIsPoison: an event whose row or names no sink has a place for stops its own stream, nothing else; and
// once it is skipped, the end of its tab leaves the table's next tab open.
func TestWhatNoSinkTakesIsPoison(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	opened := func(tabID string) string {
		return `{"storeId":"s0","tabId":"` + tabID + `","tableId":"t9","currency":"KRW"}`
	}
	raw(t, log, "tab-s0-t9.1", eventstore.NoStream, "tab.opened.v1", opened("t9.1"))
	raw(t, log, "tab-s0-t9.1", 0, "tab.order_placed.v1", `{"orderId":"\u0000","lines":[],"amount":5,"businessDate":"2030-01-01"}`)
	raw(t, log, "tab-s0-t9.1", 1, tab.ClosedType, `{"storeId":"s0","businessDate":"2030-01-01","settlementDay":1,"currency":"KRW","amount":5,"lines":[`+
		`{"productId":"`+strings.Repeat("p", 600)+`","name":"P","category":"C","quantity":1,"amount":5}],"payments":[]}`)
	raw(t, log, "tab-s0-t9.2", eventstore.NoStream, "tab.opened.v1", opened("t9.2"))
	newWorld(t, log, 23)
	for model, revision := range map[string]eventstore.Revision{"tabs": 1, "counters": 2} {
		m, _ := projections.ByName(model)
		if err := projections.CatchUp(t.Context(), log, sink, m, quiet, noProgress); err != nil {
			t.Fatalf("%s: %v", model, err)
		}
		parked, err := projections.ListParked(t.Context(), sink, m)
		if err != nil || len(parked) != 1 || parked[0].Stream != "tab-s0-t9.1" || parked[0].Revision != revision {
			t.Errorf("%s: parked are %+v, %v", model, parked, err)
		}
	}
	if err := projections.Unpark(t.Context(), log, sink, projections.Tabs, []string{"tab-s0-t9.1"}, true, quiet); err != nil {
		t.Fatal(err)
	}
	open, _, err := sink.List(t.Context(), projections.Tabs.Target(1), projections.OpenTabs("s0"), "", 0)
	if err != nil || len(open) != 1 || !strings.HasPrefix(string(open[0].Row), `{"tabId":"t9.2",`) {
		t.Errorf("open are %+v, %v", open, err)
	}
}

func tabStream(n int) string { return "tab-s0-x." + string(rune('1'+n)) }

// raw appends an event as it stands.
func raw(t *testing.T, log eventstore.Store, stream string, expected eventstore.Revision, typ, data string) {
	t.Helper()
	e := eventstore.NewEvent{ID: uuid.New(), Type: typ, Data: []byte(data)}
	if _, err := log.Append(t.Context(), stream, expected, []eventstore.NewEvent{e}); err != nil {
		t.Fatal(err)
	}
}

func closedOf(storeID string, amount int64) string {
	return `{"storeId":"` + storeID + `","businessDate":"2030-01-01","settlementDay":1,"currency":"KRW","amount":` +
		itoa(amount) + `,"lines":[],"payments":[]}`
}

func grossOf(t *testing.T, sink projections.Sink, partition string) int64 {
	t.Helper()
	values, _, err := sink.Get(t.Context(), projections.Counters.Target(1), partition, projections.CountGross)
	if err != nil {
		t.Fatal(err)
	}
	return values[projections.CountGross].Counter
}

// TestOneStoreCannotHideTheOthers: what one owner's tabs amount to is more than a counter holds. Their store says so, the
// others are verified all the same.
func TestOneStoreCannotHideTheOthers(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 21)
	for n, amount := range []int64{1000, 1<<63 - 1, 2000, 1_000_000_000_000_001} {
		wholeTab(t, log, "s0", n, amount)
	}
	for range 100 {
		w.step()
	}
	catchUp := func() {
		t.Helper()
		if err := projections.CatchUp(t.Context(), log, sink, projections.Counters, quiet, noProgress); err != nil {
			t.Fatal(err)
		}
	}
	catchUp()
	audit, err := projections.Audit(t.Context(), log, sink, "", noProgress)
	if err != nil || len(audit.Differences) != 0 || audit.LeftOut != 2 || audit.Tabs < 10 {
		t.Errorf("audit: %+v, %v", audit, err)
	}
	// A log that contradicts itself is the difference of its store, and of no other.
	raw(t, log, "tab-s1-x.1", eventstore.NoStream, tab.ClosedType, closedOf("s1", 5))
	catchUp()
	damage(t, sink, projections.Change{Partition: "s2|MONTH|2024-11-01", Field: projections.CountGross, Op: projections.Add, Delta: 1})
	audit, err = projections.Audit(t.Context(), log, sink, "", noProgress)
	if err != nil || len(audit.Differences) != 2 || !strings.HasPrefix(audit.Differences[0], "store s1: stream tab-s1-x.1 revision 0: ") ||
		!strings.Contains(audit.Differences[1], "s2|MONTH|2024-11-01: gross is ") {
		t.Errorf("audit: %+v, %v", audit, err)
	}
}

// wholeTab appends a tab that was ordered, paid and closed, whatever it amounts to.
func wholeTab(t *testing.T, log eventstore.Store, storeID string, n int, amount int64) {
	t.Helper()
	id := "x." + itoa(int64(n+1))
	name, worth := "tab-"+storeID+"-"+id, itoa(amount)
	for i, e := range [][2]string{
		{"tab.opened.v1", `{"storeId":"` + storeID + `","tabId":"` + id + `","tableId":"x","currency":"KRW"}`},
		{"tab.order_placed.v1", `{"orderId":"o` + id + `","amount":` + worth + `,"businessDate":"2030-01-01","lines":[` +
			`{"productId":"p","name":"P","category":"C","unitPrice":` + worth + `,"quantity":1,"amount":` + worth + `}]}`},
		{"tab.payment_completed.v1", `{"paymentId":"m` + id + `","method":"CASH","amount":` + worth + `,"businessDate":"2030-01-01"}`},
		{tab.ClosedType, `{"storeId":"` + storeID + `","businessDate":"2030-01-01","settlementDay":1,"currency":"KRW","amount":` + worth +
			`,"lines":[{"productId":"p","name":"P","category":"C","quantity":1,"amount":` + worth + `}],` +
			`"payments":[{"method":"CASH","amount":` + worth + `,"fee":0}]}`},
	} {
		raw(t, log, name, eventstore.Revision(i-1), e[0], e[1])
	}
}
