package projections_test

import (
	"errors"
	"strings"
	"testing"

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
		return projections.Unpark(t.Context(), log, sink, projections.Counters, poisoned, skip, quiet)
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

// TestOverflowIsPoison: what would overflow a counter stops its own stream, nothing else.
func TestOverflowIsPoison(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	for n, amount := range []int64{1, 1<<63 - 1, 5} {
		raw(t, log, tabStream(n), eventstore.NoStream, tab.ClosedType, closedOf("s0", amount))
	}
	newWorld(t, log, 9)
	run(t, log, sink).caughtUp(t, log)
	parked, err := projections.ListParked(t.Context(), sink, projections.Counters)
	if err != nil || len(parked) != 1 || parked[0].Stream != tabStream(1) {
		t.Fatalf("parked: %+v, %v", parked, err)
	}
	if got := grossOf(t, sink, "s0|DAY|2030-01-01"); got != 6 {
		t.Errorf("the others sum up to %d", got)
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
	values, _, err := sink.Get(t.Context(), projections.Target{Model: "counters", Generation: 1}, partition, projections.CountGross)
	if err != nil {
		t.Fatal(err)
	}
	return values[projections.CountGross].Counter
}
