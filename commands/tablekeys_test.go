package commands_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"daybook/commands"
	"daybook/eventstore"
)

// busyTable is a table of many tabs over a log that is not indexed, whose calls are counted.
type busyTable struct {
	*restaurant
	calls *counting
	first map[string]commands.Answer // by key
}

func newBusyTable(t *testing.T) *busyTable {
	t.Helper()
	log := &counting{Store: memory(t)}
	return &busyTable{newRestaurantOn(t, log, false), log, map[string]commands.Answer{}}
}

// serve has guests order twice on each of some tabs and pay it.
func (b *busyTable) serve(name string, tabs int) {
	b.t.Helper()
	for n := range tabs {
		for o := range 2 {
			key := fmt.Sprint(name, "-", n, "-", o)
			b.first[key] = must(b.order(key, 1))
		}
		must(b.pay(fmt.Sprint(name, "-pay-", n), b.field(b.first[fmt.Sprint(name, "-", n, "-0")], "tabId")))
	}
}

// coldOrder counts the reads of a process's first order. The table has one tab more then.
func (b *busyTable) coldOrder(key string) int64 {
	b.t.Helper()
	b.restart()
	b.calls.reads.Store(0)
	b.first[key] = must(b.order(key, 1))
	return b.calls.reads.Load()
}

func (b *busyTable) allKnown() {
	b.t.Helper()
	before := b.orders()
	for key, first := range b.first {
		sameAnswer(b.t, first, must(b.order(key, 1)))
		if _, err := b.order(key, 2); !errors.Is(err, commands.ErrKeyReused) {
			b.t.Errorf("another order with the key %s: %v", key, err)
		}
	}
	if got := b.orders(); got != before {
		b.t.Errorf("%d orders became %d", before, got)
	}
}

// TestKeysOfATable: whichever of a table's tabs an order is on, a process knows its key, and one that begins need not
// read each tab for that.
func TestKeysOfATable(t *testing.T) {
	b := newBusyTable(t)
	b.serve("a", 75)
	b.allKnown()
	const search, order = 20, 3 // the number of the newest tab; the menu, the tab, and one more if that is closed
	if reads := b.coldOrder("cold"); reads > search+order+11+4 {
		t.Errorf("%d reads for the keys on 75 tabs", reads)
	}
	b.allKnown()
	b.restart()
	b.serve("b", 30)
	b.allKnown()
}

// TestKeysOfAnOlderLog: in a log of an earlier build, or of another kind, no event repeats the keys of others.
func TestKeysOfAnOlderLog(t *testing.T) {
	b := newBusyTable(t)
	b.serve("a", 70)
	older := memory(t)
	for e, err := range b.log.ReadAll(t.Context(), eventstore.LogRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		must(older.Append(t.Context(), e.Stream, e.Revision-1, []eventstore.NewEvent{{ID: e.ID, Type: e.Type, Data: e.Data, Metadata: without(e.Metadata, "before")}}))
	}
	b.calls.Store = older
	b.restart()
	b.allKnown()
}

// TestKeysAreKnownFor30Days: orders of the last 30 days are known, and tabs of before are not read.
func TestKeysAreKnownFor30Days(t *testing.T) {
	b := newBusyTable(t)
	b.serve("old", 100)
	b.now = b.now.Add(2 * time.Hour)
	b.serve("newer", 10)
	b.now = b.now.Add(30*24*time.Hour - time.Hour)
	b.first = map[string]commands.Answer{}
	for n := range 10 {
		for o := range 2 {
			key := fmt.Sprint("newer-", n, "-", o)
			b.first[key] = must(b.order(key, 1))
		}
	}
	if got := b.orders(); got != 220 {
		t.Errorf("%d orders", got)
	}
	const search = 14
	if reads := b.coldOrder("cold"); reads != search+14+2 { // the tabs of the block that is not whole yet, the newest, the menu
		t.Errorf("%d reads", reads)
	}
	b.allKnown()
}

// without takes a field out of an event's metadata.
func without(metadata []byte, name string) []byte {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(metadata, &fields); err != nil {
		panic(err)
	}
	delete(fields, name)
	return must(json.Marshal(fields))
}
