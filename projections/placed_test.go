package projections_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/uuid"

	"daybook/domain/stream"
	"daybook/eventstore"
	"daybook/projections"
)

// TestPlacedTwiceIsFound: a command, an order or a payment that stands in two streams of a store is found, and named.
func TestPlacedTwiceIsFound(t *testing.T) {
	for _, c := range []struct {
		what, typ string
		change    func(e *eventstore.NewEvent) // of the event's copy, so that only one id is there twice
	}{
		{"order", "tab.order_placed.v1", func(e *eventstore.NewEvent) { e.Metadata = nil }},
		{"payment", "tab.payment_completed.v1", func(e *eventstore.NewEvent) { e.Metadata = nil }},
		{"command", "tab.order_placed.v1", func(e *eventstore.NewEvent) {
			e.Data = bytes.Replace(e.Data, []byte(`"orderId":"`), []byte(`"orderId":"x`), 1)
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			log, sink := newLog(t), newSink(t)
			w := newWorld(t, log, 12)
			for range 100 {
				w.step()
			}
			audit := func() string {
				t.Helper()
				for _, model := range projections.Models {
					if err := projections.CatchUp(t.Context(), log, sink, model, quiet, noProgress); err != nil {
						t.Fatal(err)
					}
				}
				report, err := projections.Audit(t.Context(), log, sink, "", noProgress)
				if err != nil {
					t.Fatal(err)
				}
				return strings.Join(report.Differences, "\n")
			}
			if differences := audit(); differences != "" {
				t.Fatal(differences)
			}
			read := eventstore.LogRead{Limit: 1, Filter: eventstore.Filter{Types: []string{c.typ}}}
			var copied eventstore.NewEvent
			var storeID string
			for e, err := range log.ReadAll(t.Context(), read) {
				if err != nil {
					t.Fatal(err)
				}
				_, storeID, _ = stream.Parse(e.Stream)
				copied = eventstore.NewEvent{ID: uuid.New(), Type: e.Type, Data: e.Data, Metadata: e.Metadata}
			}
			c.change(&copied)
			again := stream.Tab(storeID, "elsewhere.1")
			if _, err := log.Append(t.Context(), again, eventstore.NoStream, []eventstore.NewEvent{copied}); err != nil {
				t.Fatal(err)
			}
			// Not caught up: what the counters do not hold yet may stand twice all the same.
			report, err := projections.Audit(t.Context(), log, sink, "", noProgress)
			if err != nil || !strings.Contains(strings.Join(report.Differences, "\n"), again+" revision 0: "+c.what+" ") {
				t.Errorf("before the counters hold it: %v, %v", report.Differences, err)
			}
			if differences := audit(); !strings.Contains(differences, again+" revision 0: "+c.what+" ") {
				t.Errorf("found: %q", differences)
			}
		})
	}
}

// TestCommandPlacedTwiceIsFoundInEveryKind: whatever kind of a store's own streams the second place of a command is of, it is found.
func TestCommandPlacedTwiceIsFoundInEveryKind(t *testing.T) {
	kinds := 0
	for _, k := range stream.Kinds() {
		if k.Scope != stream.OnePerStore && k.Scope != stream.ManyPerStore {
			continue
		}
		kinds++
		t.Run(k.Category, func(t *testing.T) {
			log, sink := newLog(t), newSink(t)
			w := newWorld(t, log, 12)
			for range 100 {
				w.step()
			}
			placed := firstOf(t, log, "tab.order_placed.v1")
			_, storeID, _ := stream.Parse(placed.Stream)
			again := k.Category + "-" + storeID
			if k.Scope == stream.ManyPerStore {
				again += "-elsewhere.1"
			}
			at := eventstore.NoStream
			for e, err := range log.ReadStream(t.Context(), again, eventstore.StreamRead{}) {
				if err != nil {
					t.Fatal(err)
				}
				at = e.Revision
			}
			unchanged := eventstore.NewEvent{ID: uuid.New(), Type: "command.unchanged.v1", Data: []byte("{}"), Metadata: placed.Metadata}
			if _, err := log.Append(t.Context(), again, at, []eventstore.NewEvent{unchanged}); err != nil {
				t.Fatal(err)
			}
			report, err := projections.Audit(t.Context(), log, sink, storeID, noProgress)
			if err != nil || !strings.Contains(strings.Join(report.Differences, "\n"), "stands in another stream, too") {
				t.Errorf("%v, %v", report.Differences, err)
			}
		})
	}
	if kinds < 4 {
		t.Errorf("a store has %d kinds of streams", kinds)
	}
}

// firstOf is the first event of a type.
func firstOf(t *testing.T, log eventstore.Store, typ string) (first eventstore.Event) {
	t.Helper()
	for e, err := range log.ReadAll(t.Context(), eventstore.LogRead{Limit: 1, Filter: eventstore.Filter{Types: []string{typ}}}) {
		if err != nil {
			t.Fatal(err)
		}
		first = e
	}
	return first
}
