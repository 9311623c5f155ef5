package embedded

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"daybook/projections"
)

// interruptEvery is after how many entries a long call looks whether it may go on.
const interruptEvery = 256

// Apply stores a batch. See projections.Sink.
func (s *Sink) Apply(ctx context.Context, target projections.Target, batch projections.Batch) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	writes, release, err := s.prepare(ctx, target, batch)
	if err != nil {
		s.calls.Done()
		return err
	}
	return s.commit(ctx, writes, func() {
		release()
		s.calls.Done()
	})
}

// prepare takes the target's lock and works out what is to be written. On error the lock is free again.
func (s *Sink) prepare(ctx context.Context, target projections.Target, batch projections.Batch) (*pebble.Batch, func(), error) {
	if err := target.Check(); err != nil {
		return nil, nil, err
	}
	net, err := batch.Net(ctx)
	if err != nil {
		return nil, nil, err
	}
	release, err := s.acquire(ctx, target)
	if err != nil {
		return nil, nil, err
	}
	writes := s.db.NewBatchWithSize(batchSize(target, net))
	if err := s.write(ctx, writes, target, batch, net); err != nil {
		writes.Close()
		release()
		return nil, nil, err
	}
	return writes, release, nil
}

// batchSize is what a batch of changes takes, so that a large one need not grow by copying.
func batchSize(target projections.Target, net []projections.Change) int {
	const ofValue = 1 + binary.MaxVarintLen64 + 2*binary.MaxVarintLen32 // with what Pebble adds to keys and values
	prefix, size := len(targetPrefix(target)), 1024
	for i := range net {
		size += ofValue + prefix + len(net[i].Partition) + 1 + len(net[i].Field) + len(net[i].Row)
	}
	return size
}

// write adds to writes what a batch does to a target.
func (s *Sink) write(ctx context.Context, writes *pebble.Batch, target projections.Target, batch projections.Batch, net []projections.Change) error {
	view, err := s.view()
	if err != nil {
		return err
	}
	defer view.Close()
	at, err := view.checkpoint(target)
	if err != nil {
		return err
	}
	if at != batch.From {
		return fmt.Errorf("%w: %v stands at %+v, the batch begins at %+v", projections.ErrFenced, target, at, batch.From)
	}
	slices.SortFunc(net, projections.Change.Compare) // as their keys are: reading and writing so is several times faster
	prefix := targetPrefix(target)
	key := slices.Clone(prefix)
	for i, c := range net {
		if i%interruptEvery == 0 && s.interrupted(ctx) != nil {
			return s.interrupted(ctx)
		}
		key = append(append(append(key[:len(prefix)], c.Partition...), 0), c.Field...)
		if err := view.write(writes, key, c); err != nil {
			return fmt.Errorf("partition %q, field %q: %w", c.Partition, c.Field, err)
		}
	}
	to, err := json.Marshal(batch.To)
	if err != nil {
		return err
	}
	return writes.Set(checkpointKey(target), to, nil)
}

// write adds one change, of the field with a key, to writes.
func (v *view) write(writes *pebble.Batch, key []byte, c projections.Change) error {
	var space [9]byte
	switch c.Op {
	case projections.Put:
		return writes.Set(key, append([]byte{rowKind}, c.Row...), nil)
	case projections.Delete:
		return writes.Delete(key, nil)
	case projections.Set:
		return writes.Set(key, appendCounter(space[:0], c.Delta), nil)
	}
	counter := int64(0)
	stored, err := v.get(key)
	if err != nil {
		return err
	}
	if stored != nil {
		value, err := parseValue(stored)
		if err != nil {
			return v.s.trouble(err)
		}
		if value.Row != nil {
			return projections.ErrNotCounter
		}
		counter = value.Counter
	}
	sum, err := projections.AddCounter(counter, c.Delta)
	if err != nil {
		return err
	}
	return writes.Set(key, appendCounter(space[:0], sum), nil)
}
