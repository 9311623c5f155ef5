package projections_test

import (
	"errors"
	"strings"
	"testing"

	"daybook/domain/event"
	"daybook/eventstore"
	"daybook/projections"
)

// refunded is what a later program might store, shaped as a closing is.
const refunded = `{"storeId":"s0","businessDate":"2024-12-01","settlementDay":1,"currency":"KRW","amount":500,` +
	`"lines":[{"productId":"p","name":"Tea","category":"C","quantity":1,"amount":500}],` +
	`"payments":[{"method":"CASH","amount":500,"fee":0}],"at":"2024-12-01T12:00:00Z"}`

// TestAnEventOfAnUnknownTypeIsNotFolded: a read model that is given an event which it knows nothing of says so, and
// takes it for no other.
func TestAnEventOfAnUnknownTypeIsNotFolded(t *testing.T) {
	for _, model := range projections.Models {
		t.Run(model.Name, func(t *testing.T) {
			fold := model.NewFold()
			err := fold.Add(eventstore.Event{Stream: "tab-s0-t1.1", Type: "tab.refunded.v1", Data: []byte(refunded)})
			if !errors.Is(err, event.ErrUnknown) || !strings.Contains(err.Error(), "tab.refunded.v1") {
				t.Errorf("Add = %v", err)
			}
		})
	}
}

// TestAnEventOfAnUnknownTypeIsParked: met live, its stream is parked, and it is not counted as a sale.
func TestAnEventOfAnUnknownTypeIsParked(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	raw(t, log, "tab-s0-t1.1", eventstore.NoStream, "tab.refunded.v1", refunded)
	r := startRunner(t, log, projections.Counters, sink)
	for e, err := range log.ReadAll(t.Context(), eventstore.LogRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Handle(t.Context(), eventstore.Batch{Events: []eventstore.Event{e}, Position: e.Position}); err != nil {
			t.Fatal(err)
		}
	}
	parked, err := projections.ListParked(t.Context(), sink, projections.Counters)
	if err != nil || len(parked) != 1 || parked[0].Stream != "tab-s0-t1.1" || !strings.Contains(parked[0].Error, "tab.refunded.v1") {
		t.Errorf("parked: %+v, %v", parked, err)
	}
	target := projections.Target{Model: projections.Counters.Name, Generation: 1}
	values, _, err := sink.Get(t.Context(), target, "s0|DAY|2024-12-01", projections.CountGross)
	if err != nil || len(values) != 0 {
		t.Errorf("counted: %v, %v", values, err)
	}
}
