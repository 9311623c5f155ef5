package follow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"daybook/eventstore"
)

// Publisher appends messages to a log: it is Watermill's Publisher. A topic is a stream.
//
// The messages of one Publish are appended together or not at all, at the end of the stream, in order. Where the outcome
// of an append is unknown, Publish returns an error; to publish again may append again, unless the log is
// eventstore.Indexed, whose streams take messages that begin with the same UUID once.
//
// Commands do not use it: they append at the revision that they have read.
type Publisher struct {
	store eventstore.Store
	life  context.Context
	end   context.CancelCauseFunc

	mu sync.Mutex // one append at a time: two at one end would only conflict
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher to a log.
func NewPublisher(store eventstore.Store) *Publisher {
	p := &Publisher{store: store}
	p.life, p.end = context.WithCancelCause(context.Background())
	return p
}

const (
	// publishMax is how long Publish tries if the first message's context has no earlier end.
	publishMax = 30 * time.Second
	// publishAttempts bounds how often an append is tried again because another process was faster.
	publishAttempts = 50
)

// Publish is message.Publisher's. After Close it returns eventstore.ErrClosed.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	if p.life.Err() != nil {
		return eventstore.ErrClosed
	}
	if len(messages) == 0 {
		return nil
	}
	events := make([]eventstore.NewEvent, len(messages))
	for i, msg := range messages {
		var err error
		if events[i], err = newEvent(msg); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(messages[0].Context(), publishMax)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	p.mu.Lock()
	defer p.mu.Unlock()
	var conflict *eventstore.Conflict
	for attempt := 1; ; attempt++ {
		err := p.append(ctx, topic, events)
		if !errors.As(err, &conflict) || attempt == publishAttempts {
			return err
		}
	}
}

func (p *Publisher) append(ctx context.Context, stream string, events []eventstore.NewEvent) error {
	end := eventstore.NoStream
	last := eventstore.StreamRead{From: eventstore.Last, Direction: eventstore.Backward, Limit: 1, Fresh: true}
	for e, err := range p.store.ReadStream(ctx, stream, last) {
		if err != nil {
			return fmt.Errorf("publish to %s: %w", stream, err)
		}
		end = e.Revision
	}
	if there, err := p.holds(ctx, stream, events[0].ID); there || err != nil {
		return err
	}
	if _, err := p.store.Append(ctx, stream, end, events); err != nil {
		return fmt.Errorf("publish to %s: %w", stream, err)
	}
	return nil
}

// holds says whether a stream holds an append that began with an id, where the log knows that. It is asked after the
// stream's end was read: what came later is a conflict.
func (p *Publisher) holds(ctx context.Context, stream string, id uuid.UUID) (bool, error) {
	indexed, is := p.store.(eventstore.Indexed)
	if !is {
		return false, nil
	}
	e, found, err := indexed.Find(ctx, id)
	if err != nil {
		return false, fmt.Errorf("publish to %s: %w", stream, err)
	}
	return found && e.Stream == stream, nil
}

// Close is message.Publisher's. What is being published ends with an error.
func (p *Publisher) Close() error {
	p.end(eventstore.ErrClosed)
	return nil
}
