package commands_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"daybook/commands"
	"daybook/eventstore"
)

// counting counts the calls of a log: over a network each is a round trip.
type counting struct {
	eventstore.Store
	reads, appends, finds atomic.Int64
}

func (c *counting) ReadStream(ctx context.Context, name string, read eventstore.StreamRead) iter.Seq2[eventstore.Event, error] {
	c.reads.Add(1)
	return c.Store.ReadStream(ctx, name, read)
}

func (c *counting) ReadAll(ctx context.Context, read eventstore.LogRead) iter.Seq2[eventstore.Event, error] {
	c.reads.Add(1)
	return c.Store.ReadAll(ctx, read)
}

func (c *counting) Append(ctx context.Context, name string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	c.appends.Add(1)
	return c.Store.Append(ctx, name, expected, events)
}

// countingIndexed counts those of an indexed log.
type countingIndexed struct {
	counting
	indexed eventstore.Indexed
}

func (c *countingIndexed) Find(ctx context.Context, id uuid.UUID) (eventstore.Event, bool, error) {
	c.finds.Add(1)
	return c.indexed.Find(ctx, id)
}

func (c *countingIndexed) AppendOnce(ctx context.Context, name string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	c.appends.Add(1)
	return c.indexed.AppendOnce(ctx, name, expected, events)
}

// TestCallsOfCommands holds the calls that commands cost when their streams are folded already, and what their routes look
// at to know who calls is counted too: by the only process that appends to an embedded log, and by one that cannot follow
// what others append to a log that is not indexed.
func TestCallsOfCommands(t *testing.T) {
	type cost struct{ reads, appends, finds int64 }
	over := func(t *testing.T, log eventstore.Store, c *counting, alone bool, order, others cost) {
		r := newRestaurantOn(t, log, false)
		if alone {
			r.service.Alone()
		}
		tabID := r.field(must(r.order("warm", 1)), "tabId")
		measure := func(what string, want cost, do func()) {
			t.Helper()
			c.reads.Store(0)
			c.appends.Store(0)
			c.finds.Store(0)
			do()
			if got := (cost{c.reads.Load(), c.appends.Load(), c.finds.Load()}); got != want {
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
		}
		price := int64(600)
		measure("order", order, func() {
			must(r.service.Device(t.Context(), r.token))
			must(r.order("o", 1))
		})
		measure("payment", others, func() {
			must(r.service.Owned(t.Context(), "o1", r.store.StoreID))
			must(r.pay("y", tabID))
		})
		measure("order on the next tab", order, func() {
			must(r.service.Device(t.Context(), r.token))
			must(r.order("next", 1))
		})
		measure("change of a product", others, func() {
			must(r.service.Owned(t.Context(), "o1", r.store.StoreID))
			wanted := commands.ChangeProduct{Price: &price}
			must(r.service.ChangeProduct(t.Context(), r.store, r.coffee, r.request("p", wanted), wanted))
		})
		measure("table", others, func() {
			must(r.service.Owned(t.Context(), "o1", r.store.StoreID))
			must(r.service.AddTable(t.Context(), r.store.StoreID, r.request("t", "x"), commands.AddTable{Name: "x"}))
		})
	}
	t.Run("indexed, alone", func(t *testing.T) {
		log := memory(t)
		c := &countingIndexed{counting{Store: log}, log.(eventstore.Indexed)}
		over(t, c, &c.counting, true, cost{0, 1, 0}, cost{0, 1, 0})
	})
	t.Run("not indexed, not followed", func(t *testing.T) {
		c := &counting{Store: memory(t)}
		over(t, c, c, false, cost{2, 1, 0}, cost{1, 2, 0})
	})
}
