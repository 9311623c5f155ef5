package embedded

import (
	"context"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// request is an append on its way to the committer.
type request struct {
	ctx      context.Context
	stream   string
	expected eventstore.Revision
	once     bool // unless an append with this first id was taken before
	drafts   []draft
	types    []string
	ids      []uuid.UUID
	bytes    int
	answer   chan answer // takes one without blocking
}

type answer struct {
	appended eventstore.Appended
	err      error
}

// newRequest copies what the caller may change once Append has returned, which at a context's end is before the
// committer has.
func newRequest(ctx context.Context, stream string, expected eventstore.Revision, events []eventstore.NewEvent) *request {
	r := &request{
		ctx:      ctx,
		stream:   stream,
		expected: expected,
		drafts:   make([]draft, len(events)),
		types:    make([]string, len(events)),
		ids:      make([]uuid.UUID, len(events)),
		answer:   make(chan answer, 1),
	}
	for i, e := range events {
		version := byte(recordPlain)
		if i == 0 {
			version = recordFirst
		}
		r.drafts[i] = newDraft(version, stream, expected+1+eventstore.Revision(i), e)
		r.types[i], r.ids[i] = e.Type, e.ID
		r.bytes += len(r.drafts[i].body) + trailerBytes
	}
	return r
}

// last is the revision of the request's last event, if it is appended.
func (r *request) last() eventstore.Revision {
	return r.expected + eventstore.Revision(len(r.drafts))
}

// Append is eventstore.Store's. After a failed write it returns eventstore.ErrUnavailable, or a *eventstore.Corruption
// if that was why, until the log is opened again.
func (s *Store) Append(ctx context.Context, stream string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	return s.append(ctx, stream, expected, events, false)
}

// AppendOnce is eventstore.Indexed's. Its errors are Append's, and eventstore.ErrTaken.
func (s *Store) AppendOnce(ctx context.Context, stream string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	return s.append(ctx, stream, expected, events, true)
}

func (s *Store) append(ctx context.Context, stream string, expected eventstore.Revision, events []eventstore.NewEvent, once bool) (eventstore.Appended, error) {
	if err := s.usable(ctx); err != nil {
		return eventstore.Appended{}, err
	}
	if err := eventstore.CheckWithin(s.options.AppendBytesMax, stream, expected, events); err != nil {
		return eventstore.Appended{}, err
	}
	r := newRequest(ctx, stream, expected, events)
	r.once = once
	select {
	case s.queue <- r:
	case <-ctx.Done():
		return eventstore.Appended{}, ctx.Err()
	case <-s.done:
		return eventstore.Appended{}, eventstore.ErrClosed
	case <-s.failure.happened:
		return eventstore.Appended{}, s.failure.error()
	}
	return s.await(r)
}

func (s *Store) await(r *request) (eventstore.Appended, error) {
	var none error
	select {
	case a := <-r.answer:
		return a.appended, a.err
	case <-r.ctx.Done():
		none = r.ctx.Err()
	case <-s.stopped:
		none = eventstore.ErrClosed
	case <-s.failure.abandoned:
		none = s.failure.error()
	}
	select { // an answer that came at the same moment is worth more
	case a := <-r.answer:
		return a.appended, a.err
	default:
		return eventstore.Appended{}, none
	}
}
