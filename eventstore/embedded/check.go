package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"

	"daybook/eventstore"
)

// checkPiece rows are checked between two reports of progress, for which others (Close) may have to wait.
const checkPiece = 2048

// Check reads the whole log and returns the first fault as a *eventstore.Corruption with its place: a checksum that
// does not match, a missing position or revision, an event that an index does not know, an entry without its event.
// It covers what was in the log when it began, and may run while the log is in use. progress, if not nil, is called
// from time to time with how many of total rows are done.
func (s *Store) Check(ctx context.Context, progress func(done, total int64)) error {
	head := s.head.Load()
	c := &checker{Store: s, head: head, total: 4 * int64(head), progress: progress}
	for _, step := range []func(context.Context) error{c.index, c.bodies, c.streams, c.ids, c.nothingElse} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if progress != nil { // appends of several events have fewer entries by id than were counted on
		progress(c.total, c.total)
	}
	return nil
}

// checkRange checks the events from one position to another, both included.
func (s *Store) checkRange(ctx context.Context, from, to uint64) error {
	c := &checker{Store: s, head: to, next: from - 1}
	return c.index(ctx)
}

// checker is one run of Check.
type checker struct {
	*Store
	head        uint64 // what comes after it is not looked at
	next        uint64 // the last position that index has seen
	done, total int64
	progress    func(done, total int64)
}

// index goes through all positions: none is missing, each has its record, and its stream knows it.
func (c *checker) index(ctx context.Context) error {
	low, high := appendIndexKey(nil, c.next+1), appendIndexKey(nil, c.head+1)
	err := c.each(ctx, low, high, func(key, value []byte) error {
		position, ok := splitIndex(key)
		if !ok || position != c.next+1 {
			return damage(atPosition(c.next+1), "the index entry is missing")
		}
		c.next = position
		typ, stream, err := parseIndex(key, value)
		if err != nil {
			return damage(atPosition(position), "index entry: %w", err)
		}
		return c.indexed(position, string(stream), string(typ))
	})
	if err == nil && c.next < c.head {
		return damage(atPosition(c.next+1), "the index entry is missing")
	}
	return err
}

// indexed checks the record of an index entry and the stream's entry for it.
func (c *checker) indexed(position uint64, stream, typ string) error {
	var revision eventstore.Revision
	err := c.withRecord(position, stream, typ, func(r record) error {
		revision = r.revision
		if !r.first {
			return nil
		}
		return c.found(r.id, position)
	})
	if err != nil {
		return err
	}
	key := appendStreamKey(nil, stream, revision)
	value, closer, err := c.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return damage(atRevision(stream, revision), "the entry for position %d is missing", position)
	}
	if err != nil {
		return trouble(atRevision(stream, revision), err)
	}
	defer closer.Close()
	found, foundType, err := parseStreamValue(key, value)
	if err != nil {
		return damage(atRevision(stream, revision), "stream entry: %w", err)
	}
	if found != position || string(foundType) != typ {
		return damage(atRevision(stream, revision), "the entry says position %d and type %s, the event is at %d and of %s", found, foundType, position, typ)
	}
	return nil
}

// bodies goes through all records and looks for ones that no index entry stands for.
func (c *checker) bodies(ctx context.Context) error {
	return c.each(ctx, []byte{tagBody}, []byte{tagBody + 1}, func(key, value []byte) error {
		partition, typ, position, ok := splitBody(key)
		if !ok {
			return damage(fmt.Sprintf("key %q", key), "not a key of the log")
		}
		if position > c.head {
			return nil
		}
		indexKey := appendIndexKey(nil, position)
		entry, err := c.get(indexKey)
		if err != nil {
			return err
		}
		indexType, stream, err := parseIndex(indexKey, entry)
		if err != nil {
			return damage(atPosition(position), "index entry: %w", err)
		}
		if PartitionOf(string(stream)) != string(partition) || !bytes.Equal(typ, indexType) {
			return damage(atPosition(position), "there is an event of type %s in partition %s that the index does not know", typ, partition)
		}
		return nil
	})
}

// streams goes through all streams: revisions begin at 0, none is missing, and each entry's event says the same.
func (c *checker) streams(ctx context.Context) error {
	var stream string
	var next eventstore.Revision
	return c.each(ctx, []byte{tagStream}, []byte{tagStream + 1}, func(key, value []byte) error {
		name, revision, ok := splitStream(key)
		if !ok {
			return damage(fmt.Sprintf("key %q", key), "not a key of the log")
		}
		position, typ, err := parseStreamValue(key, value)
		if err != nil {
			return damage(atRevision(string(name), revision), "stream entry: %w", err)
		}
		if position > c.head {
			return nil
		}
		if string(name) != stream {
			stream, next = string(name), 0
		}
		if revision != next {
			return damage(atRevision(stream, next), "the revision is missing")
		}
		next++
		return c.withRecord(position, stream, string(typ), func(r record) error {
			if r.revision != revision {
				return damage(atRevision(stream, revision), "the event at its position %d has revision %d", position, r.revision)
			}
			return nil
		})
	})
}

// found checks that the first event of an append is known by its id. A later append may have begun with the same one.
func (c *checker) found(id uuid.UUID, position uint64) error {
	at, found, err := c.positionOf(id)
	if err == nil && (!found || at < position) {
		return damage(atPosition(position), "the append that begins here is not known by its id %s", id)
	}
	return err
}

// ids goes through all entries by id: each has its event.
func (c *checker) ids(ctx context.Context) error {
	return c.each(ctx, []byte{tagID}, []byte{tagID + 1}, func(key, value []byte) error {
		id, ok := splitID(key)
		if !ok {
			return damage(fmt.Sprintf("key %q", key), "not a key of the log")
		}
		position, err := parseIDValue(key, value)
		if err != nil {
			return damage(fmt.Sprintf("id %s", id), "entry by id: %w", err)
		}
		if position > c.head {
			return nil
		}
		_, err = c.eventOf(id, position)
		return err
	})
}

// nothingElse looks for keys that this package does not write.
func (c *checker) nothingElse(ctx context.Context) error {
	tags := []byte{0, tagBody, tagID, tagMeta, tagIndex, tagStream, 255}
	for i := range tags[1:] {
		err := c.each(ctx, []byte{tags[i] + 1}, []byte{tags[i+1]}, func(key, _ []byte) error {
			return damage(fmt.Sprintf("key %q", key), "not a key of the log")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// each calls visit for the keys from low to high, in pieces, so that nothing else waits for it.
func (c *checker) each(ctx context.Context, low, high []byte, visit func(key, value []byte) error) error {
	for low != nil {
		err := c.use(ctx, func() (err error) {
			low, err = c.piece(ctx, low, high, visit)
			return err
		})
		if err != nil {
			return err
		}
		if c.progress != nil {
			c.progress(min(c.done, c.total), c.total)
		}
	}
	return nil
}

// piece returns where the next begins, nil at the end.
func (c *checker) piece(ctx context.Context, low, high []byte, visit func(key, value []byte) error) (next []byte, err error) {
	rows, err := c.rows(low, high, false)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for i := range checkPiece {
		if i%contextStride == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !rows.next() {
			return nil, rows.err()
		}
		value, err := rows.value()
		if err != nil {
			return nil, trouble(fmt.Sprintf("key %q", rows.key()), err)
		}
		if err := visit(rows.key(), value); err != nil {
			return nil, err
		}
		c.done++
		next = append(append(next[:0], rows.key()...), 0)
	}
	return next, nil
}
