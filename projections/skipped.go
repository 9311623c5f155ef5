package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"daybook/domain/event"
	"daybook/domain/parked"
	"daybook/domain/stream"
	"daybook/eventstore"
)

// eventPlace names an event by its stream, which is the same in every copy of a log.
type eventPlace struct {
	stream   string
	revision eventstore.Revision
}

// skipped are the events that a read model leaves out for good. They stand in the log, so that whoever makes the read
// model anew leaves out the same.
type skipped struct {
	events map[eventPlace]bool
	end    eventstore.Revision // of the stream that they stand in
}

func readSkipped(ctx context.Context, store eventstore.Store, model string) (skipped, error) {
	s := skipped{events: map[eventPlace]bool{}, end: eventstore.NoStream}
	for e, err := range store.ReadStream(ctx, stream.Parked(model), eventstore.StreamRead{Fresh: true}) {
		if err != nil {
			return s, err
		}
		decoded, err := parked.Catalog.Decode(e.Type, e.Data)
		if err != nil {
			return s, fmt.Errorf("stream %s revision %d: %w", e.Stream, e.Revision, err)
		}
		if is, ok := decoded.(parked.Skipped); ok {
			s.events[eventPlace{is.Stream, eventstore.Revision(is.Revision)}] = true
		}
		s.end = e.Revision
	}
	return s, nil
}

// skipAttempts bounds how often a skip is recorded anew because others recorded theirs meanwhile.
const skipAttempts = 20

// recordSkips notes in the log that a read model leaves out the events that some streams stopped at. What is noted already
// is not noted again.
func recordSkips(ctx context.Context, store eventstore.Store, model string, stopped []Parked) error {
	for attempt := 1; ; attempt++ {
		known, err := readSkipped(ctx, store, model)
		if err != nil {
			return err
		}
		err = known.append(ctx, store, model, stopped)
		var conflict *eventstore.Conflict
		if !errors.As(err, &conflict) || attempt == skipAttempts {
			return err
		}
	}
}

func (s skipped) append(ctx context.Context, store eventstore.Store, model string, stopped []Parked) error {
	var events []eventstore.NewEvent
	for i, p := range stopped {
		if !s.events[eventPlace{p.Stream, p.Revision}] {
			e, err := newSkipped(model, p)
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		if len(events) == skipsAtOnce || i == len(stopped)-1 && len(events) > 0 {
			at, err := store.Append(ctx, stream.Parked(model), s.end, events)
			if err != nil {
				return err
			}
			s.end, events = at.Revision, nil
		}
	}
	return nil
}

// skipsAtOnce is how many events go into one append: each may name a stream of half a kilobyte, and an error.
const skipsAtOnce = 200

func newSkipped(model string, p Parked) (eventstore.NewEvent, error) {
	id := uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "%s/%s/%d", stream.Parked(model), p.Stream, p.Revision))
	e := parked.Skipped{Stream: p.Stream, Revision: int64(p.Revision), Type: p.Type, Error: p.Error}
	data, err := event.Encode(e)
	metadata := fmt.Appendf(nil, `{"schema":1,"commandId":%q,"actor":"operator"}`, id)
	return eventstore.NewEvent{ID: id, Type: e.EventType(), Data: data, Metadata: metadata}, err
}
