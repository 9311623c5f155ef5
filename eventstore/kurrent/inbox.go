package kurrent

import (
	"context"
	"sync"

	"daybook/eventstore"
)

// What an inbox holds at most, beyond one event.
const (
	inboxEvents = 1024
	inboxBytes  = 4 << 20
)

// inbox hands events from the goroutine that talks to the library to the one that wants them.
type inbox struct {
	mu       sync.Mutex
	events   []eventstore.Event
	bytes    int
	position eventstore.Position // of the last event put, wanted or not
	live     bool                // all that the server had was put
	over     bool
	err      error

	more, room chan struct{} // signals, of capacity one
}

func newInbox(position eventstore.Position) *inbox {
	return &inbox{position: position, more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put waits for room. Of an event that is not wanted it keeps the position only. It returns false if the context ended.
func (b *inbox) put(ctx context.Context, e eventstore.Event, wanted bool) bool {
	for !b.offer(e, wanted) {
		select {
		case <-b.room:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

func (b *inbox) offer(e eventstore.Event, wanted bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) >= inboxEvents || b.bytes >= inboxBytes {
		return false
	}
	b.position = e.Position
	if wanted {
		b.events = append(b.events, e)
		b.bytes += len(e.Data) + len(e.Metadata)
	}
	signal(b.more)
	return true
}

// reached says whether all that the server had was put.
func (b *inbox) reached(end bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.live = end
	signal(b.more)
}

// isLive says whether what was taken last reached the end, by what the server says.
func (b *inbox) isLive() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.live
}

// finish says that nothing more comes, because of err if it is not nil.
func (b *inbox) finish(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over, b.err = true, err
	signal(b.more)
}

// take empties the inbox. The position is that of the last event put. If live, that was all the server had. If over, nothing will be put any more.
func (b *inbox) take() (events []eventstore.Event, position eventstore.Position, live, over bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	events, b.events, b.bytes = b.events, nil, 0
	signal(b.room)
	return events, b.position, b.live, b.over, b.err
}
