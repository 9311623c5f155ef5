package bench

import (
	"context"
	"fmt"
	"strings"

	"daybook/domain/calendar"
	"daybook/domain/stream"
	"daybook/eventstore"
	"daybook/projections"
)

// oneStore measures how long it takes to fold one store's month out of the log of all stores, which is what computing
// a settlement again does: reading that store's events, and, beside it, reading everybody's.
func oneStore(ctx context.Context, r *run, result *Result) error {
	b, err := r.month(ctx)
	if err != nil {
		return err
	}
	tabs := stream.TabCategory + "-" + b.stores[len(b.stores)/2].StoreID + "-"
	own := eventstore.Filter{Prefixes: []string{tabs}, Types: projections.Counters.Types}
	everybody := eventstore.Filter{Types: projections.Counters.Types}
	var gross, read [2]int64
	fold := func(i int, filter eventstore.Filter) func(context.Context) (float64, error) {
		return seconds(func(ctx context.Context) (err error) {
			gross[i], read[i], err = b.foldStore(ctx, tabs, filter)
			return err
		})
	}
	figures, err := r.inTurn(ctx, result, r.Runs,
		measure{"reading the store's events", "s", fold(0, own)},
		measure{"reading all stores' events", "s", fold(1, everybody)})
	if err != nil {
		return err
	}
	if gross[0] != gross[1] || gross[0] == 0 {
		return fmt.Errorf("the store's month is %d, and %d by reading everything", gross[0], gross[1])
	}
	result.once("events read", "", float64(read[0]))
	result.once("events read of all stores", "", float64(read[1]))
	result.atLeast("all stores / one store", ratio, figures[1].Value/figures[0].Value, 30)
	return nil
}

// nothingBefore are the rows of a read model that is empty.
func nothingBefore(context.Context, string, []string) (map[string]projections.Value, error) {
	return nil, nil
}

// foldStore folds those of the events that a filter lets pass that are of one store's tabs, and returns what the store
// took in the month and how many events were read.
func (b *books) foldStore(ctx context.Context, tabs string, filter eventstore.Filter) (gross, read int64, err error) {
	fold := projections.Counters.NewFold()
	for e, err := range b.Store.ReadAll(ctx, eventstore.LogRead{Filter: filter}) {
		if err != nil {
			return 0, 0, err
		}
		read++
		if !strings.HasPrefix(e.Stream, tabs) {
			continue
		}
		if err := fold.Add(e); err != nil {
			return 0, 0, err
		}
	}
	changes, err := fold.Changes(ctx, nothingBefore)
	month := "|" + string(calendar.Month) + "|" + monthStart.String()
	for _, c := range changes {
		if c.Field == projections.CountGross && strings.HasSuffix(c.Partition, month) {
			gross = c.Delta
		}
	}
	return gross, read, err
}
