package embedded

import (
	"bytes"
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
	for i, c := range inKeyOrder(target, net) {
		if i%interruptEvery == 0 && s.interrupted(ctx) != nil {
			return s.interrupted(ctx)
		}
		if err := view.write(writes, c); err != nil {
			return fmt.Errorf("partition %q, field %q: %w", c.Partition, c.Field, err)
		}
	}
	to, err := json.Marshal(batch.To)
	if err != nil {
		return err
	}
	return writes.Set(checkpointKey(target), to, nil)
}

// keyed is a change and the key of its field.
type keyed struct {
	key []byte
	*projections.Change
}

// inKeyOrder sorts changes as their keys are stored: reading and writing in that order is several times faster.
func inKeyOrder(target projections.Target, net []projections.Change) []keyed {
	prefix := targetPrefix(target)
	size := 0
	for i := range net {
		size += len(prefix) + len(net[i].Partition) + 1 + len(net[i].Field)
	}
	keys := make([]byte, 0, size)
	sorted := make([]keyed, len(net))
	for i := range net {
		start := len(keys)
		keys = append(keys, prefix...)
		keys = append(keys, net[i].Partition...)
		keys = append(keys, 0)
		keys = append(keys, net[i].Field...)
		sorted[i] = keyed{keys[start:], &net[i]}
	}
	slices.SortFunc(sorted, func(a, b keyed) int { return bytes.Compare(a.key, b.key) })
	return sorted
}

// write adds one change to writes.
func (v *view) write(writes *pebble.Batch, c keyed) error {
	var space [9]byte
	switch c.Op {
	case projections.Put:
		return writes.Set(c.key, append([]byte{rowKind}, c.Row...), nil)
	case projections.Delete:
		return writes.Delete(c.key, nil)
	case projections.Set:
		return writes.Set(c.key, appendCounter(space[:0], c.Delta), nil)
	}
	counter := int64(0)
	stored, err := v.get(c.key)
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
	return writes.Set(c.key, appendCounter(space[:0], sum), nil)
}
