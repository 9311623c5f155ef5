package projections

import (
	"context"
	"unsafe"

	"daybook/eventstore"
	"daybook/internal/cache"
)

// PeriodReader reads the counters, and whole periods of them. As long as nothing is counted, a period is read from the
// sink once, however often it is asked for: a sink's checkpoint says whether anything in it can have changed. Safe for
// concurrent use.
type PeriodReader struct {
	*Reader
	kept *cache.Cache[keptKey, keptPeriod]
}

type keptKey struct {
	target    Target
	partition string
}

type keptPeriod struct {
	at      Checkpoint
	figures PeriodFigures
}

// PeriodsBytes bounds what a PeriodReader keeps, if nothing else is asked for. A period of a thousand products takes 200 KB.
const PeriodsBytes = 16 << 20

// NewPeriodReader makes a PeriodReader of a reader of Counters, which keeps up to so many bytes.
func NewPeriodReader(r *Reader, bytesMax int64) *PeriodReader {
	return &PeriodReader{Reader: r, kept: cache.New[keptKey, keptPeriod](bytesMax)}
}

// Stats is cache.Measured's, of the periods that are kept.
func (r *PeriodReader) Stats() cache.Stats { return r.kept.Stats() }

// Period returns all figures of a period (see PeriodPartition), once the read model includes a position. Nothing counted
// in it: all zeros. Other callers have the same slices: do not change them. Errors: ErrNotCurrent, or what ReadPeriod says
// of damage.
func (r *PeriodReader) Period(ctx context.Context, at eventstore.Position, partition string) (figures PeriodFigures, err error) {
	var damage error
	err = r.read(ctx, at, func(target Target) (Checkpoint, error) {
		damage = nil // what an earlier read saw was too old to count
		key := keptKey{target, partition}
		if kept, is := r.kept.Get(key); is {
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
			r.keep(key, keptPeriod{now, figures}, entries)
		}
		return now, nil
	})
	if err == nil {
		err = damage
	}
	return figures, err
}

// figureBytes is what an entry adds to figures, beside its texts: a third of a product, with the room that a list has to grow.
const figureBytes = 32

// keep remembers a period. Its figures are counters and, beside them, texts out of the fields and rows that they were read
// from, which stay in memory for them whole.
func (r *PeriodReader) keep(key keptKey, period keptPeriod, entries []Entry) {
	bytes := len(key.partition) + int(unsafe.Sizeof(key)+unsafe.Sizeof(period))
	for _, e := range entries {
		bytes += len(e.Field) + len(e.Row) + figureBytes
	}
	r.kept.Put(key, period, bytes)
}
