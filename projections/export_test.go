package projections

import (
	"context"

	"daybook/eventstore"
)

// Start and Handle are what the router calls.
func (r *Runner) Start(ctx context.Context) (eventstore.Position, error) { return r.start(ctx) }

func (r *Runner) Handle(ctx context.Context, b eventstore.Batch) error { return r.handle(ctx, b) }

// ErrMoved tells the router to start again.
var ErrMoved = errMoved
