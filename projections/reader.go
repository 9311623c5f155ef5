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

// Reader answers from one read model. It never gives a figure that is older than what this process has shown before, or
// that is not of this log: where a sink lost data, it waits for it to be back, until its context ends.
type Reader struct {
	model  string
	sink   Sink
	runner *Runner // nil if another process runs the projection
	remote *remote // nil if this process does
}

// NewReader reads what a runner of this process keeps up to date.
func NewReader(r *Runner) *Reader {
	return &Reader{model: r.Model.Name, sink: r.Sink, runner: r}
}

// NewRemoteReader reads what another process keeps up to date. The clock decides only how often the reader makes sure
// that what is served is of this log.
func NewRemoteReader(m Model, sink Sink, store eventstore.Store, now func() time.Time) *Reader {
	return &Reader{model: m.Name, sink: sink, remote: &remote{model: m, sink: sink, store: store, now: now}}
}

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

// GetEach returns the named fields of each of some partitions, those that exist, all as of one position, once the read model
// includes a position. There is a map for each partition, in their order. Error: ErrNotCurrent.
func (r *Reader) GetEach(ctx context.Context, at eventstore.Position, partitions []string, fields ...string) (values []map[string]Value, err error) {
	err = r.read(ctx, at, func(target Target) (_ Checkpoint, err error) {
		var is Checkpoint
		values, is, err = r.sink.GetEach(ctx, target, partitions, fields...)
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
		target, least, of, err := r.served(ctx, at)
		if err != nil {
			return err
		}
		is, err := read(target)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrNotCurrent, r.model, err)
		}
		if is.follows(least) {
			r.shown(is, of)
			return nil
		}
		if of == nil {
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

// served returns the target to read, the checkpoint that it must have reached at least, and who knows that: nil if it is
// the runner.
func (r *Reader) served(ctx context.Context, at eventstore.Position) (Target, Checkpoint, *remote, error) {
	of := r.remote
	if r.runner != nil {
		target, status, standIn, err := r.runner.wait(ctx, at, true)
		if err != nil || standIn == nil {
			return target, status.Persisted, nil, err
		}
		of = standIn
	}
	target, least, err := of.served(ctx)
	if err != nil {
		return target, least, of, fmt.Errorf("%w: %s: %w", ErrNotCurrent, r.model, err)
	}
	if least.Position.Before(at) {
		least = Checkpoint{Log: least.Log, Version: least.Version, Position: at}
	}
	return target, least, of, nil
}

func (r *Reader) shown(is Checkpoint, of *remote) {
	if of != nil {
		of.shown(is)
		if r.runner != nil {
			r.runner.shownOf(is)
		}
	}
}
