package embedded

import (
	"context"
	"fmt"
	"iter"
	"math"

	"daybook/eventstore"
)

// Reads take the log in pieces: nothing of Pebble is held while the caller handles an event, however long that takes (but
// see walk.merged). The first piece is small, for readers that stop early; then they grow.
const (
	pieceFirst    = 64
	pieceEvents   = 2048
	pieceReused   = 64
	pieceBytes    = 4 << 20
	contextStride = 256 // rows between two looks at the context
)

// ReadStream is eventstore.Store's. It yields nothing that was appended after it was called, and always the newest
// state: Fresh changes nothing.
func (s *Store) ReadStream(ctx context.Context, stream string, read eventstore.StreamRead) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		fail := func(err error) { yield(eventstore.Event{}, err) }
		if err := eventstore.CheckStreamRead(stream, read); err != nil {
			fail(err)
			return
		}
		c := &streamCursor{store: s, stream: stream, backward: read.Direction == eventstore.Backward, next: read.From, bound: s.head.Load()}
		if c.backward && read.From == eventstore.Last {
			c.next = math.MaxInt64
		}
		left := read.Limit
		for size := pieceFirst; ; size = min(2*size, pieceEvents) {
			if read.Limit > 0 {
				size = min(size, left)
			}
			events, err := c.piece(ctx, size)
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			left -= len(events)
			switch {
			case err != nil:
				fail(err)
				return
			case c.ended || read.Limit > 0 && left == 0:
				return
			}
		}
	}
}

// streamCursor walks one stream.
type streamCursor struct {
	store          *Store
	stream         string
	backward       bool
	next           eventstore.Revision // the next to yield; backward, it may be after the end before the first piece
	bound          uint64              // positions after it are not yielded
	started, ended bool
	names          interner
	memory         slab
}

// piece returns up to n events, fewer if they are large or the stream ends, which sets c.ended. Events that were read
// before an error are returned with it.
func (c *streamCursor) piece(ctx context.Context, n int) (events []eventstore.Event, err error) {
	err = c.store.use(ctx, func() error {
		rows, err := c.rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		bytes := 0
		for i := 0; i < n && bytes < pieceBytes; i++ {
			if i%contextStride == contextStride-1 && ctx.Err() != nil {
				return ctx.Err()
			}
			e, ok, err := c.row(rows)
			if err != nil || !ok {
				c.ended = true
				return err
			}
			events = append(events, e)
			bytes += len(e.Data) + len(e.Metadata)
		}
		return nil
	})
	return events, err
}

// rows iterates the stream's index from where the cursor stands.
func (c *streamCursor) rows() (*rows, error) {
	first, last := eventstore.Revision(0), c.next
	if !c.backward {
		first, last = c.next, math.MaxInt64
	}
	if last < math.MaxInt64 {
		last++
	}
	return c.store.rows(appendStreamKey(nil, c.stream, first), appendStreamKey(nil, c.stream, last), c.backward)
}

// row reads the next event. ok is false at the end of what may be seen.
func (c *streamCursor) row(rows *rows) (e eventstore.Event, ok bool, err error) {
	for rows.next() {
		_, revision, split := splitStream(rows.key())
		value, err := rows.value()
		if err != nil {
			return e, false, trouble(atRevision(c.stream, revision), err)
		}
		position, typ, err := parseStreamValue(rows.key(), value)
		if err != nil || !split {
			return e, false, damage(atRevision(c.stream, revision), "index entry: %w", err)
		}
		switch {
		case position > c.bound && c.backward:
			continue
		case position > c.bound:
			return e, false, nil
		case revision != c.next && (c.started || !c.backward):
			return e, false, damage(atRevision(c.stream, revision), "revision %d is missing", c.next)
		}
		e, err = c.store.event(position, c.stream, c.names.typ(typ), &c.memory)
		if err != nil {
			return e, false, err
		}
		if e.Revision != revision {
			return e, false, damage(atRevision(c.stream, revision), "the event there has revision %d", e.Revision)
		}
		c.started = true
		c.next = revision + 1
		if c.backward {
			c.next = revision - 1
		}
		return e, true, nil
	}
	err = rows.err()
	if err == nil && c.backward && c.started && c.next >= 0 {
		return e, false, damage(atRevision(c.stream, c.next), "the revision is missing")
	}
	return e, false, err
}

// lastRevision returns a stream's last revision in the database, for the committer, which knows that all of it is durable.
func (s *Store) lastRevision(stream string) (eventstore.Revision, error) {
	rows, err := s.rows(appendStreamKey(nil, stream, 0), appendStreamKey(nil, stream, math.MaxInt64), true)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	if !rows.next() {
		return eventstore.NoStream, rows.err()
	}
	_, revision, ok := splitStream(rows.key())
	if !ok {
		return 0, damage(fmt.Sprintf("key %q", rows.key()), "not a key of the log")
	}
	return revision, nil
}

// repeated looks whether a request's events stand at their places already, and where its last one is.
func (s *Store) repeated(r *request) (appended eventstore.Appended, same bool, err error) {
	c := &streamCursor{store: s, stream: r.stream, next: r.expected + 1, bound: s.head.Load()}
	rows, err := c.rows()
	if err != nil {
		return appended, false, err
	}
	defer rows.Close()
	for _, id := range r.ids {
		e, ok, err := c.row(rows)
		if err != nil || !ok || e.ID != id {
			return appended, false, err
		}
		appended = eventstore.Appended{Revision: e.Revision, Position: e.Position}
	}
	return appended, true, nil
}
