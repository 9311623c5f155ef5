package embedded

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"daybook/eventstore"
)

// Partitions is eventstore.Partitioned's.
func (s *Store) Partitions(ctx context.Context, category string) (found []string, err error) {
	bound := s.head.Load()
	low := append([]byte{tagBody}, category...)
	err = s.seekLanes(ctx, low, after(low), func(partition, typ []byte, first uint64) (next []byte) {
		if first > bound {
			return after(appendLane(nil, string(partition), string(typ)))
		}
		found = append(found, string(partition))
		return after(appendPartition(nil, string(partition)))
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(partition string) bool {
		return partition != category && !strings.HasPrefix(partition, category+"-")
	}), nil
}

// ReadPartition is eventstore.Partitioned's.
func (s *Store) ReadPartition(ctx context.Context, partition string, read eventstore.PartitionRead) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		for _, p := range []eventstore.Position{read.After, read.To} {
			if err := ownPosition(p); err != nil {
				yield(eventstore.Event{}, err)
				return
			}
		}
		w := &walk{store: s, high: s.head.Load(), memory: slab{reuse: read.Reuse}}
		w.low = min(read.After.Commit, w.high) + 1
		if !read.To.IsZero() {
			w.high = min(w.high, read.To.Commit)
		}
		if err := w.planPartition(ctx, partition, read.Types); err != nil {
			yield(eventstore.Event{}, err)
			return
		}
		w.run(ctx, 0, yield)
	}
}

// planPartition chooses the lanes of one partition.
func (w *walk) planPartition(ctx context.Context, partition string, types []string) error {
	w.lanes = []lane{}
	if w.ended() || !storable(partition) {
		return w.store.usable(ctx)
	}
	search := laneSearch{types: storableTypes(types), from: w.low, to: w.high, max: math.MaxInt, seeks: math.MaxInt}
	if len(search.types) == 1 {
		w.lanes = append(w.lanes, lane{partition, search.types[0]}) // empty perhaps; the first piece will see
		return nil
	}
	low := appendPartition(nil, partition)
	err := search.run(ctx, w.store, low, after(low))
	w.lanes = append(w.lanes, search.found...)
	return err
}

// lane names the records of one type in one partition.
type lane struct{ partition, typ string }

func (l lane) compare(m lane) int {
	return cmp.Or(strings.Compare(l.partition, m.partition), strings.Compare(l.typ, m.typ))
}

// storable says whether the log can hold a partition or type of that name. Keys must not be made of others.
func storable(name string) bool { return name != "" && strings.IndexByte(name, 0) < 0 }

// storableTypes are those of a filter, in order, each once; nil for all types.
func storableTypes(types []string) []string {
	if len(types) == 0 {
		return nil
	}
	types = slices.DeleteFunc(slices.Clone(types), func(typ string) bool { return !storable(typ) })
	slices.Sort(types)
	return slices.Compact(types)
}

// laneSearch looks for the lanes of some types that hold an event in a range of positions.
type laneSearch struct {
	types    []string // as storableTypes returns them
	from, to uint64   // positions, both included
	found    []lane
	max      int // lanes; what is found after them is not looked for
	seeks    int // how many are left, likewise
}

// over says that the search found too much or took too long.
func (f *laneSearch) over() bool { return len(f.found) > f.max || f.seeks <= 0 }

// run adds the lanes whose keys lie between low and high, until the search is over.
func (f *laneSearch) run(ctx context.Context, s *Store, low, high []byte) error {
	return s.seekLanes(ctx, low, high, func(partition, typ []byte, position uint64) (next []byte) {
		next = f.look(string(partition), string(typ), position)
		if f.seeks--; f.over() {
			return nil
		}
		return next
	})
}

// look takes a lane, or not, that has its next event at position, and returns where to look next.
func (f *laneSearch) look(partition, typ string, position uint64) (next []byte) {
	if f.types != nil {
		i, wanted := slices.BinarySearch(f.types, typ)
		switch {
		case i == len(f.types):
			return after(appendPartition(nil, partition))
		case !wanted:
			return appendBodyKey(nil, partition, f.types[i], f.from)
		}
	}
	if position < f.from {
		return appendBodyKey(nil, partition, typ, f.from)
	}
	if position <= f.to {
		f.found = append(f.found, lane{partition, typ})
	}
	return after(appendLane(nil, partition, typ))
}

// seekLanes shows body keys between low and high: the first, and then each first one at or after the key that visit
// returned, until that is nil.
func (s *Store) seekLanes(ctx context.Context, low, high []byte, visit func(partition, typ []byte, position uint64) (next []byte)) error {
	return s.use(ctx, func() error {
		rows, err := s.rows(low, high, false)
		if err != nil {
			return err
		}
		defer rows.Close()
		for ok := rows.next(); ok; {
			if err := ctx.Err(); err != nil {
				return err
			}
			partition, typ, position, ours := splitBody(rows.key())
			if !ours {
				return damage(fmt.Sprintf("key %q", rows.key()), "not a key of the log")
			}
			next := visit(partition, typ, position)
			if next == nil {
				return nil
			}
			ok = rows.seek(next)
		}
		return rows.err()
	})
}

// after returns the first key that sorts after all that begin with prefix.
func after(prefix []byte) []byte {
	next := slices.Clone(prefix)
	for i := len(next) - 1; i >= 0; i-- {
		if next[i]++; next[i] != 0 {
			return next[:i+1]
		}
	}
	return nil
}
