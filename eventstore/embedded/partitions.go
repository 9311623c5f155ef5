package embedded

import (
	"bytes"
	"container/heap"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"daybook/eventstore"
)

// Partitions is eventstore.Partitioned's.
func (s *Store) Partitions(ctx context.Context, category string) ([]string, error) {
	found, err := s.partitions(ctx, category, s.head.Load(), 0)
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
		w := &walk{store: s, filter: matcher{types: read.Types}, high: s.head.Load(), partitions: []string{partition}}
		w.low = min(read.After.Commit, w.high) + 1
		if !read.To.IsZero() {
			w.high = min(w.high, read.To.Commit)
		}
		w.run(ctx, 0, yield)
	}
}

// partitions returns those that can hold a stream with the given prefix and hold an event at or before bound; at most
// max, if it is not zero.
func (s *Store) partitions(ctx context.Context, prefix string, bound uint64, max int) (found []string, err error) {
	partition := PartitionOf(prefix)
	err = s.use(ctx, func() error {
		low, high := append([]byte{tagBody}, prefix...), after(append([]byte{tagBody}, prefix...))
		if partition != prefix { // the prefix reaches past the second '-'
			low, high = appendBodyKey(nil, partition, 0), appendBodyKey(nil, partition, bound+1)
		}
		rows, err := s.rows(low, high, false)
		if err != nil {
			return err
		}
		defer rows.Close()
		for ok := rows.next(); ok; {
			if err := ctx.Err(); err != nil {
				return err
			}
			name, position, split := splitNamed(rows.key())
			if !split {
				return damage(fmt.Sprintf("key %q", rows.key()), "not a key of the log")
			}
			past := after(append(append([]byte{tagBody}, name...), 0))
			if position <= bound {
				found = append(found, string(name))
				if len(found) == max {
					return nil
				}
			}
			ok = rows.seek(past)
		}
		return rows.err()
	})
	return found, err
}

// after returns the first key that sorts after all that begin with prefix. It changes prefix.
func after(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i]++; prefix[i] != 0 {
			return prefix[:i+1]
		}
	}
	return nil
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// alongPartitions merges the partitions' records by position.
func (w *walk) alongPartitions(p *piece) error {
	m := merge{backward: w.backward}
	defer m.close()
	for _, partition := range w.partitions {
		rows, err := w.store.rows(appendBodyKey(nil, partition, w.low), appendBodyKey(nil, partition, w.high+1), w.backward)
		if err != nil {
			return err
		}
		if err := m.take(&lane{rows: rows, partition: partition}); err != nil {
			return err
		}
	}
	heap.Init(&m)
	for len(m.lanes) > 0 {
		l := m.lanes[0]
		if err := w.recorded(l, p); err != nil {
			return err
		}
		w.passed(l.position)
		if full, err := p.full(); full {
			return err
		}
		if err := m.step(); err != nil {
			return err
		}
	}
	w.passedAll()
	return nil
}

// recorded looks at the record that a lane stands at, and takes it if it matches.
func (w *walk) recorded(l *lane, p *piece) error {
	value, err := l.rows.value()
	if err != nil {
		return trouble(atPosition(l.position), err)
	}
	r, err := parseRecord(l.rows.key(), value)
	if err != nil {
		return damage(atPosition(l.position), "partition %s: %w", l.partition, err)
	}
	if w.filter.matches(r.stream, r.typ) {
		p.add(r.event(l.position, &w.names))
	}
	return nil
}

// lane is one partition of a merge and the position that it stands at.
type lane struct {
	rows      *rows
	partition string
	position  uint64
}

func (l *lane) next() (bool, error) {
	if !l.rows.next() {
		return false, l.rows.err()
	}
	name, position, ok := splitNamed(l.rows.key())
	if !ok || !bytes.Equal(name, []byte(l.partition)) {
		return false, damage(fmt.Sprintf("key %q", l.rows.key()), "not a key of the log")
	}
	l.position = position
	return true, nil
}

// merge is a heap of lanes, the next in log order on top.
type merge struct {
	lanes    []*lane
	backward bool
	opened   []*lane
}

// take adds a lane unless it is empty.
func (m *merge) take(l *lane) error {
	m.opened = append(m.opened, l)
	ok, err := l.next()
	if ok {
		m.lanes = append(m.lanes, l)
	}
	return err
}

// step moves the lane on top.
func (m *merge) step() error {
	ok, err := m.lanes[0].next()
	switch {
	case err != nil:
		return err
	case ok:
		heap.Fix(m, 0)
	default:
		heap.Pop(m)
	}
	return nil
}

func (m *merge) close() {
	for _, l := range m.opened {
		l.rows.Close()
	}
}

func (m *merge) Len() int           { return len(m.lanes) }
func (m *merge) Less(i, j int) bool { return m.lanes[i].position < m.lanes[j].position != m.backward }
func (m *merge) Swap(i, j int)      { m.lanes[i], m.lanes[j] = m.lanes[j], m.lanes[i] }
func (m *merge) Push(l any)         { m.lanes = append(m.lanes, l.(*lane)) }
func (m *merge) Pop() any {
	last := len(m.lanes) - 1
	l := m.lanes[last]
	m.lanes = m.lanes[:last]
	return l
}
