package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"

	"daybook/eventstore"
)

// Find is eventstore.Indexed's. For an id that the log does not know, the filters of Pebble's tables answer from memory.
func (s *Store) Find(ctx context.Context, id uuid.UUID) (e eventstore.Event, found bool, err error) {
	err = s.use(ctx, func() error {
		var position uint64
		position, found, err = s.positionOf(id)
		if err != nil || !found || position > s.head.Load() {
			found = false
			return err
		}
		e, err = s.eventOf(id, position)
		return err
	})
	return e, found && err == nil, err
}

// positionOf returns where the append that began with an id begins.
func (s *Store) positionOf(id uuid.UUID) (position uint64, found bool, err error) {
	var buffer [1 + len(id)]byte
	key := appendIDKey(buffer[:0], id)
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, trouble(fmt.Sprintf("id %s", id), err)
	}
	defer closer.Close()
	if position, err = parseIDValue(key, value); err != nil {
		return 0, false, damage(fmt.Sprintf("id %s", id), "entry by id: %w", err)
	}
	return position, true, nil
}

// eventOf fetches the event at a position, which must have the id.
func (s *Store) eventOf(id uuid.UUID, position uint64) (eventstore.Event, error) {
	key := appendIndexKey(nil, position)
	entry, err := s.get(key)
	if err != nil {
		return eventstore.Event{}, err
	}
	typ, stream, err := parseIndex(key, entry)
	if err != nil {
		return eventstore.Event{}, damage(atPosition(position), "index entry: %w", err)
	}
	e, err := s.event(position, string(stream), string(typ), &slab{})
	if err == nil && e.ID != id {
		err = damage(atPosition(position), "the event there has id %s, not %s", e.ID, id)
	}
	return e, err
}
