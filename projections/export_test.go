package projections

import (
	"context"
	"log/slog"

	"daybook/eventstore"
)

// Start and Handle are what the router calls.
func (r *Runner) Start(ctx context.Context) (eventstore.Position, error) { return r.start(ctx) }

func (r *Runner) Handle(ctx context.Context, b eventstore.Batch) error { return r.handle(ctx, b) }

// ErrMoved tells the router to start again.
var ErrMoved = errMoved

// CatchUpBy is CatchUp with other bounds of what is folded at once.
func CatchUpBy(ctx context.Context, store eventstore.Store, sink Sink, model Model, log *slog.Logger, rangeSize uint64, changesMax int, progress Progress) error {
	w, err := openServed(ctx, store, sink, model, log)
	if err != nil {
		return err
	}
	w.rangeSize, w.changesMax = rangeSize, changesMax
	head, err := store.Head(ctx)
	if err != nil {
		return err
	}
	return w.fill(ctx, store, head, progress)
}
