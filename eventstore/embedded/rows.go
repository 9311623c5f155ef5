package embedded

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"daybook/eventstore"
)

// keyBuffer is enough for any key, so that it can live on the stack.
const keyBuffer = 1 + eventstore.StreamNameMax + 1 + eventstore.TypeNameMax + 1 + numberBytes

// rows walks keys in one direction.
type rows struct {
	it       *pebble.Iterator
	low      []byte
	backward bool
	begun    bool
}

// rows walks the keys from low (inclusive) to high (exclusive), or back.
func (s *Store) rows(low, high []byte, backward bool) (*rows, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return nil, trouble(s.options.Dir, err)
	}
	return &rows{it: it, low: low, backward: backward}, nil
}

func (r *rows) next() bool {
	begun := r.begun
	r.begun = true
	switch {
	case begun && r.backward:
		return r.it.Prev()
	case begun:
		return r.it.Next()
	case r.backward:
		return r.it.Last()
	}
	return r.it.First()
}

// seek goes on at the first key at or after key.
func (r *rows) seek(key []byte) bool {
	r.begun = true
	return r.it.SeekGE(key)
}

// key is valid until the next step.
func (r *rows) key() []byte { return r.it.Key() }

// value is valid until the next step.
func (r *rows) value() ([]byte, error) { return r.it.ValueAndErr() }

// err tells why next returned false, nil at the end.
func (r *rows) err() error {
	if err := r.it.Error(); err != nil {
		return trouble(fmt.Sprintf("keys from %q", r.low), err)
	}
	return nil
}

func (r *rows) Close() { _ = r.it.Close() } // its only error is the one that err has told

// get returns a copy of one value.
func (s *Store) get(key []byte) ([]byte, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, damage(s.options.Dir, "key %q is missing", key)
	}
	if err != nil {
		return nil, trouble(fmt.Sprintf("key %q", key), err)
	}
	defer closer.Close()
	return append([]byte(nil), value...), nil
}

// event fetches the event of a stream and type that stands at a position, where there must be one.
func (s *Store) event(position uint64, stream, typ string, memory *slab) (e eventstore.Event, err error) {
	err = s.withRecord(position, stream, typ, func(r record) error {
		r.into(&e, position, stream, typ, memory)
		return nil
	})
	return e, err
}

// withRecord shows the checked record of a stream's event of a type.
func (s *Store) withRecord(position uint64, stream, typ string, look func(r record) error) error {
	var buffer [keyBuffer]byte
	key := appendBodyKey(buffer[:0], PartitionOf(stream), typ, position)
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return damage(atPosition(position), "the event of stream %s and type %s is missing", stream, typ)
	}
	if err != nil {
		return trouble(atPosition(position), err)
	}
	defer closer.Close()
	r, err := parseRecord(key, value)
	if err != nil {
		return damage(atPosition(position), "stream %s: %w", stream, err)
	}
	if string(r.stream) != stream || string(r.typ) != typ {
		return damage(atPosition(position), "the event there is not of stream %s and type %s but of %s and %s", stream, typ, r.stream, r.typ)
	}
	return look(r)
}

// Places for eventstore.Corruption.
func atPosition(position uint64) string { return fmt.Sprintf("position %d", position) }

func atRevision(stream string, revision eventstore.Revision) string {
	return fmt.Sprintf("stream %s revision %d", stream, revision)
}

// lastPosition returns the position of the last event in the database, 0 if there is none.
func (s *Store) lastPosition() (uint64, error) {
	rows, err := s.rows([]byte{tagIndex}, []byte{tagIndex + 1}, true)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	if !rows.next() {
		return 0, rows.err()
	}
	position, ok := splitIndex(rows.key())
	if !ok {
		return 0, damage(fmt.Sprintf("key %q", rows.key()), "not a position")
	}
	return position, nil
}
