package embedded

import (
	"context"
	"fmt"
	"sync"
	"time"

	"daybook/eventstore"
)

// quietMax is how long a subscription that found nothing keeps the new position to itself, so that a busy log does not
// wake every follower at each append of others. The port allows 100 ms.
const quietMax = 25 * time.Millisecond

// subscription is pulled: Next reads from where it stands to the published head, then waits for the head to move.
// However slow its user is, it holds nothing and loses nothing.
type subscription struct {
	store    *Store
	filter   eventstore.Filter
	position uint64 // everything up to here was delivered or does not match
	told     uint64 // the position in the last batch
	quiet    time.Time
	greeted  bool // CaughtUp was said at least once
	final    error

	ended chan struct{}
	end   sync.Once
}

// Subscribe is eventstore.Store's. A position after the end is eventstore.ErrInvalid: it is of another log, or this
// log was replaced by an older copy, and waiting would hide that.
func (s *Store) Subscribe(ctx context.Context, after eventstore.Position, filter eventstore.Filter) (eventstore.Subscription, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if err := ownPosition(after); err != nil {
		return nil, err
	}
	if head := s.head.Load(); after.Commit > head {
		return nil, fmt.Errorf("%w: position %d is after the end of this log, %d", eventstore.ErrInvalid, after.Commit, head)
	}
	return &subscription{store: s, filter: filter, position: after.Commit, told: after.Commit, ended: make(chan struct{})}, nil
}

// Close ends the subscription; a waiting Next returns.
func (f *subscription) Close() error {
	f.end.Do(func() { close(f.ended) })
	return nil
}

func (f *subscription) Next(ctx context.Context) (eventstore.Batch, error) {
	for f.final == nil {
		changed := f.store.change.wait()
		if err := f.usable(ctx); err != nil {
			return eventstore.Batch{}, err
		}
		head := f.store.head.Load()
		events, err := f.advance(ctx, head)
		if len(events) > 0 { // an error after them shows up again next time
			return f.batch(events, head), nil
		}
		if err != nil {
			if ctx.Err() != nil {
				return eventstore.Batch{}, ctx.Err()
			}
			f.final = err
			break
		}
		if f.due(head) {
			return f.batch(nil, head), nil
		}
		f.wait(ctx, changed)
	}
	return eventstore.Batch{}, f.final
}

// usable also makes the end of the subscription or its store final.
func (f *subscription) usable(ctx context.Context) error {
	select {
	case <-f.ended:
		f.final = eventstore.ErrClosed
	case <-f.store.done:
		f.final = eventstore.ErrClosed
	default:
		return ctx.Err()
	}
	return f.final
}

// advance reads one piece towards the head.
func (f *subscription) advance(ctx context.Context, head uint64) ([]eventstore.Event, error) {
	if f.position >= head {
		return nil, nil
	}
	w := &walk{store: f.store, filter: newMatcher(f.filter), low: f.position + 1, high: head}
	if err := w.plan(ctx, 0); err != nil {
		return nil, err
	}
	events, err := w.piece(ctx, w.pieceMax(), nil)
	if f.position == f.told && w.low-1 > f.told {
		f.quiet = time.Now()
	}
	f.position = w.low - 1
	return events, err
}

// due says whether an empty batch is owed: the first that reaches the end, or one that moves the position.
func (f *subscription) due(head uint64) bool {
	if f.position < head || !f.greeted {
		return true
	}
	return f.position > f.told && time.Since(f.quiet) >= quietMax
}

func (f *subscription) batch(events []eventstore.Event, head uint64) eventstore.Batch {
	b := eventstore.Batch{Events: events, Position: place(f.position), CaughtUp: f.position == head}
	f.told = f.position
	f.greeted = f.greeted || b.CaughtUp
	return b
}

// wait returns when Next should look again.
func (f *subscription) wait(ctx context.Context, changed <-chan struct{}) {
	var due <-chan time.Time
	if f.position > f.told {
		timer := time.NewTimer(quietMax - time.Since(f.quiet))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-changed:
	case <-due:
	case <-ctx.Done():
	case <-f.ended:
	case <-f.store.done:
	}
}
