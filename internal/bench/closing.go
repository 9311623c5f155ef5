package bench

import (
	"context"
	"errors"

	"daybook/projections"
	embeddedsink "daybook/projections/embedded"
)

// closings is how many closes one measurement takes the mean of. One is over in milliseconds, and the first few wait for
// the memory that Go gave back to the system while nothing happened: with 10, the figure depended on what ran before.
const closings = 100

// closeMonth measures how long it takes to read a month's close out of the running counters.
func closeMonth(ctx context.Context, r *run, result *Result) (err error) {
	b, conn, err := r.monthAndTables(ctx)
	if err != nil {
		return err
	}
	sink, err := r.counters(ctx, b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	want, err := fromTables(ctx, conn)
	if err != nil {
		return err
	}
	got, err := b.fromCounters(ctx, sink)
	if err != nil {
		return err
	}
	if err := got.equal(want, "SQL"); err != nil {
		return err
	}
	figures, err := r.inTurn(ctx, result, r.Runs,
		measure{"close", "ms", b.closeTime(sink)},
		measure{"SQL GROUP BY of the month", "s", seconds(func(ctx context.Context) error {
			_, err := fromTables(ctx, conn)
			return err
		})})
	if err != nil {
		return err
	}
	result.once("products", "", float64(len(got.products)))
	result.once("settlements", "", float64(len(got.stores)))
	result.atLeast("GROUP BY / close", ratio, figures[1].Value*1000/figures[0].Value, 200)
	return nil
}

// closeTime measures a close in milliseconds.
func (b *books) closeTime(sink projections.Sink) func(context.Context) (float64, error) {
	all := seconds(func(ctx context.Context) error {
		for range closings {
			if _, err := b.fromCounters(ctx, sink); err != nil {
				return err
			}
		}
		return nil
	})
	return func(ctx context.Context) (float64, error) {
		took, err := all(ctx)
		return took * 1000 / closings, err
	}
}

// counters returns running counters of a month. The caller closes them.
func (r *run) counters(ctx context.Context, b *books) (*embeddedsink.Sink, error) {
	sink, err := embeddedsink.Open(embeddedsink.Options{Dir: r.newDir("counters"), Logger: quiet})
	if err != nil {
		return nil, err
	}
	if _, err := rebuildCounters(ctx, b, sink); err != nil {
		return nil, errors.Join(err, sink.Close())
	}
	return sink, settle(ctx)
}
