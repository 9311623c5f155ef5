package projections

import (
	"context"
	"sync"

	"daybook/eventstore"
)

// PeriodReader reads the counters, and whole periods of them. As long as nothing is counted, a period is read from the
// sink once, however often it is asked for: a sink's checkpoint says whether anything in it can have changed. Safe for
// concurrent use.
type PeriodReader struct {
	*Reader
	mu   sync.Mutex
	kept map[keptKey]keptPeriod
}

type keptKey struct {
	target    Target
	partition string
}

type keptPeriod struct {
	at      Checkpoint
	figures PeriodFigures
}

// periodsKept bounds what is remembered. A period of a thousand products takes 100 KB.
const periodsKept = 200

// NewPeriodReader makes a PeriodReader of a reader of Counters.
func NewPeriodReader(r *Reader) *PeriodReader {
	return &PeriodReader{Reader: r, kept: map[keptKey]keptPeriod{}}
}

// Period returns all figures of a period (see PeriodPartition), once the read model includes a position. Nothing counted
// in it: all zeros. Other callers have the same slices: do not change them. Errors: ErrNotCurrent, or what ReadPeriod says
// of damage.
func (r *PeriodReader) Period(ctx context.Context, at eventstore.Position, partition string) (figures PeriodFigures, err error) {
	var damage error
	err = r.read(ctx, at, func(target Target) (Checkpoint, error) {
		damage = nil // what an earlier read saw was too old to count
		key := keptKey{target, partition}
		if kept, is := r.recall(key); is {
			now, err := r.sink.Checkpoint(ctx, target)
			if err != nil || now == kept.at {
				figures = kept.figures
				return now, err
			}
		}
		entries, now, err := r.sink.List(ctx, target, partition, "", 0)
		if err != nil {
			return now, err
		}
		if figures, damage = ReadPeriod(entries); damage == nil {
			r.keep(key, keptPeriod{now, figures})
		}
		return now, nil
	})
	if err == nil {
		err = damage
	}
	return figures, err
}

func (r *PeriodReader) recall(key keptKey) (keptPeriod, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept, is := r.kept[key]
	return kept, is
}

// keep remembers a period, and forgets any other if there are many: what is asked for often comes back.
func (r *PeriodReader) keep(key keptKey, period keptPeriod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for other := range r.kept {
		if len(r.kept) < periodsKept {
			break
		}
		delete(r.kept, other)
	}
	r.kept[key] = period
}
