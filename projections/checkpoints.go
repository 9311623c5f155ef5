package projections

import (
	"context"
	"errors"
	"sync"

	"daybook/eventstore"
	"daybook/follow"
)

// Checkpoints keeps in a sink how far those have come who follow the log and make no read model, as policies do. To the
// sink, each is a read model without rows. A checkpoint that is no place of the log counts as lost, and one that another
// process has moved is taken from there.
type Checkpoints struct {
	sink  Sink
	store eventstore.Store

	mu    sync.Mutex
	known map[string]standingAt // by consumer
}

type standingAt struct {
	target Target
	at     Checkpoint
}

var _ follow.Checkpoints = (*Checkpoints)(nil)

// NewCheckpoints keeps checkpoints of a log in a sink.
func NewCheckpoints(sink Sink, store eventstore.Store) *Checkpoints {
	return &Checkpoints{sink: sink, store: store, known: map[string]standingAt{}}
}

// consumerModel is what a consumer is called in a sink. No read model's name begins so.
func consumerModel(consumer string) string { return "follow_" + consumer }

// Load is follow.Checkpoints'.
func (c *Checkpoints) Load(ctx context.Context, consumer string) (eventstore.Position, error) {
	model := consumerModel(consumer)
	generations, err := c.sink.Generations(ctx, model)
	if err != nil {
		return eventstore.Position{}, err
	}
	target := Target{model, 1}
	for _, g := range generations.All {
		target.Generation = max(target.Generation, g)
	}
	at, err := standing(ctx, c.store, c.sink, target)
	switch {
	case errors.Is(err, ErrForeign), errors.Is(err, ErrOlder):
		target.Generation++ // a checkpoint moves forward only, so a new one stands beside
		at = Checkpoint{}
	case err != nil:
		return eventstore.Position{}, err
	}
	c.set(consumer, standingAt{target, at})
	return at.Position, nil
}

// Save is follow.Checkpoints'. Load comes before it.
func (c *Checkpoints) Save(ctx context.Context, consumer string, position eventstore.Position) error {
	is := c.get(consumer)
	to, err := lastPlace(ctx, c.store, position)
	if err != nil {
		return err
	}
	log, err := c.store.Identity(ctx)
	if err != nil {
		return err
	}
	next := Checkpoint{Log: log, Position: to.position, Event: to.event}
	if !is.at.before(next) {
		return nil
	}
	err = c.sink.Apply(ctx, is.target, Batch{From: is.at, To: next})
	if errors.Is(err, ErrFenced) { // by another process
		_, err = c.Load(ctx, consumer)
		return err
	}
	if err == nil {
		c.set(consumer, standingAt{is.target, next})
	}
	return err
}

func (c *Checkpoints) get(consumer string) standingAt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[consumer]
}

func (c *Checkpoints) set(consumer string, is standingAt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[consumer] = is
}
