package projections

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"daybook/eventstore"
)

// rangePositions is how much of the log is folded at once where stores are folded apart: enough that a month of a
// hundred restaurants is one batch, and little enough that the folds of one range fit into a small machine's memory,
// even if every line were of another product.
const rangePositions = 1 << 22

// errTooMany: a range makes more changes than a sink takes at once.
var errTooMany = errors.New("too many changes for one batch")

// fillApart does what fill does, range by range, folding the stores of a range apart from each other, as many at a time
// as there are processors. A range is one batch, so the target still moves in the order of the log; one that makes too
// many changes is halved. On an event that cannot be folded it returns a poisonError, with the target between ranges.
func (w *writer) fillApart(ctx context.Context, store eventstore.Partitioned, end place, progress Progress) error {
	size, to := w.rangeSize, end.position
	for w.at.Position.Before(to) || w.at.Log == "" { // even of an empty log, a target says that it is of it
		from, next := w.at.Position.Commit, min(w.at.Position.Commit+size, to.Commit)
		at := eventstore.Position{Commit: next, Prepare: next}
		reached, err := lastPlace(ctx, store, at)
		if err != nil {
			return err
		}
		changes, err := w.foldApart(ctx, store, at, func(done, total int) {
			progress(from+(next-from)*uint64(done)/uint64(total), to.Commit)
		})
		if errors.Is(err, errTooMany) {
			if size <= fillEvents { // in order, batches can be cut down to single events
				return w.fillInOrder(ctx, store, end, progress)
			}
			size /= 2
			continue
		}
		if err == nil {
			err = w.commit(ctx, w.checkpoint(reached), changes)
		}
		if err != nil {
			return err
		}
		progress(next, to.Commit)
	}
	return nil
}

// foldApart returns what the events after the target's position up to another change.
func (w *writer) foldApart(ctx context.Context, store eventstore.Partitioned, to eventstore.Position, progress func(done, total int)) ([]Change, error) {
	partitions, err := store.Partitions(ctx, w.model.Category)
	if err != nil {
		return nil, err
	}
	read := eventstore.PartitionRead{After: w.at.Position, To: to, Types: w.model.Types, Reuse: true}
	each, left := make([][]Change, len(partitions)), make([]leftOut, len(partitions))
	var next, done, total atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for worker := range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			for i := next.Add(1) - 1; i < int64(len(partitions)); i = next.Add(1) - 1 {
				left[i] = leftOut{}
				changes, err := w.foldPartition(ctx, store, partitions[i], read, left[i])
				if err != nil {
					return err
				}
				each[i] = changes
				if int(total.Add(int64(len(changes)))) > w.changesMax {
					return errTooMany
				}
				if now := done.Add(1); worker == 0 { // one tells, for all
					progress(int(now), len(partitions))
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := leftOut{}
	for _, of := range left {
		all.add(of)
	}
	changes := slices.Grow(all.before(nil), int(total.Load()))
	for _, of := range each { // in the order of partitions, so that equal ranges make equal batches
		changes = append(changes, of...)
	}
	return changes, nil
}

// foldPartition folds the events of one partition, and counts in left those that are skipped.
func (w *writer) foldPartition(
	ctx context.Context, store eventstore.Partitioned, partition string, read eventstore.PartitionRead, left leftOut,
) ([]Change, error) {
	fold := w.model.NewFold()
	for e, err := range store.ReadPartition(ctx, partition, read) {
		if err == nil {
			err = w.add(fold, e, left)
		}
		if err != nil {
			return nil, err
		}
	}
	return w.changes(ctx, fold)
}
