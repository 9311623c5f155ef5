package embedded

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"fmt"
	"sync"
)

// alongLanes merges the lanes' records by position.
func (w *walk) alongLanes(p *piece) error {
	m, err := w.merged()
	if err != nil {
		return err
	}
	if m != w.kept {
		defer m.close()
	}
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

// merged returns the merge of the lanes, which stands at the next record. A read for reuse keeps it from piece to piece,
// as its reader is never away for long: opening it for each is a twentieth of a rebuild.
func (w *walk) merged() (*merge, error) {
	if w.kept != nil {
		return w.kept, w.kept.step()
	}
	m := &merge{backward: w.backward}
	if err := w.openLanes(m); err != nil {
		m.close()
		return nil, err
	}
	if w.memory.reuse {
		w.kept = m
		w.store.kept.add(m)
	}
	return m, nil
}

// openLanes fills a merge, and forgets the lanes in which nothing is left.
func (w *walk) openLanes(m *merge) error {
	left := w.lanes[:0]
	for _, l := range w.lanes {
		low := appendBodyKey(nil, l.partition, l.typ, w.low)
		rows, err := w.store.rows(low, appendBodyKey(nil, l.partition, l.typ, w.high+1), w.backward)
		if err != nil {
			return err
		}
		open := &openLane{lane: l, rows: rows, prefix: low[:len(low)-numberBytes]}
		more, err := m.take(open)
		if err != nil {
			return err
		}
		if more {
			left = append(left, l)
		}
	}
	w.lanes = left
	heap.Init(m)
	return nil
}

// recorded looks at the record that a lane stands at, and takes it if it matches.
func (w *walk) recorded(l *openLane, p *piece) error {
	value, err := l.rows.value()
	if err != nil {
		return trouble(atPosition(l.position), err)
	}
	r, err := parseRecord(l.rows.key(), value)
	if err != nil {
		return damage(atPosition(l.position), "type %s in partition %s: %w", l.typ, l.partition, err)
	}
	if !w.filter.matchesStream(r.stream) {
		return nil
	}
	stream := w.names.stream(r.stream)
	if string(r.typ) != l.typ || PartitionOf(stream) != l.partition {
		return damage(atPosition(l.position), "an event of stream %s and type %s stands among those of partition %s and type %s", stream, r.typ, l.partition, l.typ)
	}
	r.into(p.add(len(r.data)+len(r.metadata)), l.position, stream, l.typ, &w.memory)
	return nil
}

// openLane is one lane of a merge and the position that it stands at.
type openLane struct {
	lane
	rows     *rows
	prefix   []byte // of its keys
	position uint64
}

func (l *openLane) next() (bool, error) {
	if !l.rows.next() {
		return false, l.rows.err()
	}
	key := l.rows.key()
	if len(key) != len(l.prefix)+numberBytes || !bytes.HasPrefix(key, l.prefix) {
		return false, damage(fmt.Sprintf("key %q", key), "not a key of the log")
	}
	l.position = binary.BigEndian.Uint64(key[len(l.prefix):])
	return true, nil
}

// merge is a heap of lanes, the next in log order on top.
type merge struct {
	lanes    []*openLane
	backward bool
	opened   []*openLane
}

// take adds a lane unless nothing is in it, and says which.
func (m *merge) take(l *openLane) (bool, error) {
	m.opened = append(m.opened, l)
	ok, err := l.next()
	if ok {
		m.lanes = append(m.lanes, l)
	}
	return ok, err
}

// step moves the lane on top.
func (m *merge) step() error {
	ok, err := m.lanes[0].next()
	switch {
	case err != nil:
		return err
	case !ok:
		heap.Pop(m)
	case len(m.lanes) > 1:
		heap.Fix(m, 0)
	}
	return nil
}

func (m *merge) close() {
	for _, l := range m.opened {
		l.rows.Close()
	}
}

// merges are those that reads keep open between their pieces. Pebble wants them closed before itself.
type merges struct {
	mu   sync.Mutex
	open map[*merge]struct{}
}

func (k *merges) add(m *merge) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open == nil {
		k.open = map[*merge]struct{}{}
	}
	k.open[m] = struct{}{}
}

// close closes a merge, unless closeAll has.
func (k *merges) close(m *merge) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, open := k.open[m]; open {
		delete(k.open, m)
		m.close()
	}
}

func (k *merges) closeAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for m := range k.open {
		delete(k.open, m)
		m.close()
	}
}

func (m *merge) Len() int           { return len(m.lanes) }
func (m *merge) Less(i, j int) bool { return m.lanes[i].position < m.lanes[j].position != m.backward }
func (m *merge) Swap(i, j int)      { m.lanes[i], m.lanes[j] = m.lanes[j], m.lanes[i] }
func (m *merge) Push(l any)         { m.lanes = append(m.lanes, l.(*openLane)) }
func (m *merge) Pop() any {
	last := len(m.lanes) - 1
	l := m.lanes[last]
	m.lanes = m.lanes[:last]
	return l
}
