package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"daybook/eventstore"
)

// ErrNotCurrent: the read model does not include what was asked for before the context ended, because it is catching
// up, or because its sink or the log cannot be reached. Ask again.
var ErrNotCurrent = errors.New("read model is not up to date")

func notCurrent(s Status) error {
	if s.Problem != nil {
		return fmt.Errorf("%w: %s: %w", ErrNotCurrent, s.Model, s.Problem)
	}
	return fmt.Errorf("%w: %s is at position %s", ErrNotCurrent, s.Model, s.Seen)
}

// Reader answers from one read model. It never gives a figure that is older than what this process has shown before:
// where a sink lost data, it waits for it to be back, until its context ends.
type Reader struct {
	model  string
	sink   Sink
	runner *Runner // nil if another process runs the projection
}

// NewReader reads what a runner of this process keeps up to date.
func NewReader(r *Runner) *Reader { return &Reader{r.Model.Name, r.Sink, r} }

// NewRemoteReader reads what another process keeps up to date.
func NewRemoteReader(m Model, sink Sink) *Reader { return &Reader{model: m.Name, sink: sink} }

// Get returns the named fields of a partition, those that exist, once the read model includes a position.
// Error: ErrNotCurrent.
func (r *Reader) Get(ctx context.Context, at eventstore.Position, partition string, fields ...string) (values map[string]Value, err error) {
	err = r.read(ctx, at, func(target Target) (_ Checkpoint, err error) {
		var is Checkpoint
		values, is, err = r.sink.Get(ctx, target, partition, fields...)
		return is, err
	})
	return values, err
}

// List returns a partition's entries in byte order of their fields, those after a field ("" for all), at most limit
// (0: all), once the read model includes a position. Error: ErrNotCurrent.
func (r *Reader) List(ctx context.Context, at eventstore.Position, partition, after string, limit int) (entries []Entry, err error) {
	err = r.read(ctx, at, func(target Target) (_ Checkpoint, err error) {
		var is Checkpoint
		entries, is, err = r.sink.List(ctx, target, partition, after, limit)
		return is, err
	})
	return entries, err
}

// read repeats a read until what it saw includes a position.
func (r *Reader) read(ctx context.Context, at eventstore.Position, read func(Target) (Checkpoint, error)) error {
	for {
		target, least, err := r.served(ctx, at)
		if err != nil {
			return err
		}
		is, err := read(target)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrNotCurrent, r.model, err)
		}
		if !is.Position.Before(least) {
			return nil
		}
		if r.runner != nil {
			r.runner.lost()
			continue
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return notCurrent(Status{Model: r.model, Seen: is.Position})
		}
	}
}

// served returns the target to read, and the checkpoint that it must have reached at least.
func (r *Reader) served(ctx context.Context, at eventstore.Position) (Target, eventstore.Position, error) {
	if r.runner != nil {
		target, status, err := r.runner.wait(ctx, at)
		return target, status.Persisted.Position, err
	}
	target, err := active(ctx, r.sink, r.model)
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrNotCurrent, r.model, err)
	}
	return target, at, err
}
