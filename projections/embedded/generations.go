package embedded

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"daybook/projections"
)

// Generations of a read model. See projections.Sink.
func (s *Sink) Generations(ctx context.Context, model string) (projections.Generations, error) {
	found := projections.Generations{}
	if err := projections.CheckModel(model); err != nil {
		return found, err
	}
	err := s.read(ctx, func(v *view) (err error) {
		if found.Active, err = v.active(model); err != nil {
			return err
		}
		prefix := checkpointsPrefix(model)
		return v.each(ctx, prefix, end(prefix), len(prefix), func(generation, _ []byte) (bool, error) {
			if len(generation) != generationBytes {
				return false, s.trouble(errDamaged)
			}
			found.All = append(found.All, int(binary.BigEndian.Uint32(generation)))
			return true, nil
		})
	})
	return found, err
}

func (v *view) active(model string) (int, error) {
	stored, err := v.get(activeKey(model))
	switch {
	case err != nil:
		return 0, err
	case stored == nil:
		return 1, nil
	case len(stored) != generationBytes:
		return 0, v.s.trouble(errDamaged)
	}
	return int(binary.BigEndian.Uint32(stored)), nil
}

// Activate serves another generation. See projections.Sink.
func (s *Sink) Activate(ctx context.Context, model string, generation int) error {
	target := projections.Target{Model: model, Generation: generation}
	err := s.change(ctx, target, func(v *view, writes *pebble.Batch) error {
		at, err := v.checkpoint(target)
		if err != nil {
			return err
		}
		if at == (projections.Checkpoint{}) && generation != 1 {
			return fmt.Errorf("%w: %v", projections.ErrNotBuilt, target)
		}
		return writes.Set(activeKey(model), binary.BigEndian.AppendUint32(nil, uint32(generation)), nil)
	})
	if err != nil {
		return err
	}
	return s.settle(ctx)
}

// settle brings all that was stored to the disk, so that a crash does not forget what took long to build. Nobody waits for
// it, not even for its beginning, which Pebble puts off while large batches are on their way: what a crash in the next
// moments forgets is made again from the log.
func (s *Sink) settle(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	s.background.Go(func() {
		defer s.calls.Done()
		_, err := s.db.AsyncFlush()
		_ = s.trouble(err)
	})
	return nil
}

// Drop deletes a target. See projections.Sink.
func (s *Sink) Drop(ctx context.Context, target projections.Target) error {
	return s.change(ctx, target, func(v *view, writes *pebble.Batch) error {
		active, err := v.active(target.Model)
		if err != nil {
			return err
		}
		if active == target.Generation {
			return fmt.Errorf("%w: %v", projections.ErrActive, target)
		}
		if err := s.forget(target); err != nil {
			return s.trouble(err)
		}
		prefix := targetPrefix(target)
		if err := writes.DeleteRange(prefix, end(prefix), nil); err != nil {
			return err
		}
		return writes.Delete(checkpointKey(target), nil)
	})
}

// change commits what fn writes while neither the target nor its model's active generation can change.
func (s *Sink) change(ctx context.Context, target projections.Target, fn func(*view, *pebble.Batch) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	writes, release, err := s.prepareChange(ctx, target, fn)
	if err != nil {
		s.calls.Done()
		return err
	}
	return s.commit(ctx, writes, func() {
		release()
		s.calls.Done()
	})
}

func (s *Sink) prepareChange(ctx context.Context, target projections.Target, fn func(*view, *pebble.Batch) error) (*pebble.Batch, func(), error) {
	if err := target.Check(); err != nil {
		return nil, nil, err
	}
	releaseModel, err := s.acquire(ctx, projections.Target{Model: target.Model})
	if err != nil {
		return nil, nil, err
	}
	releaseTarget, err := s.acquire(ctx, target)
	if err != nil {
		releaseModel()
		return nil, nil, err
	}
	release := func() {
		releaseTarget()
		releaseModel()
	}
	v, err := s.view()
	if err != nil {
		release()
		return nil, nil, err
	}
	defer v.Close()
	writes := s.db.NewBatch()
	if err := fn(v, writes); err != nil {
		writes.Close()
		release()
		return nil, nil, err
	}
	return writes, release, nil
}
