package follow

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"daybook/eventstore"
)

// Outcomes tells those who wait how their streams go on: a request, say, whose command is answered by an event that
// another process appends. All who wait are told by one follower of the feed; nobody asks again and again. Safe for
// concurrent use.
type Outcomes struct {
	feed *Feed
	log  *slog.Logger

	mu      sync.Mutex
	waiting map[string]map[*waiter]bool // by stream
}

// NewOutcomes returns an Outcomes of a feed's log. Nobody is told anything before Run.
func NewOutcomes(feed *Feed, log *slog.Logger) *Outcomes {
	return &Outcomes{feed: feed, log: log, waiting: map[string]map[*waiter]bool{}}
}

// toldMax bounds how many events a waiter is told that it has not looked at. After more, it reads its stream.
const toldMax = 64

// waiter is one who waits. Its fields are the Outcomes' to lock, but for news.
type waiter struct {
	told []eventstore.Event // of its stream, in order
	read bool               // something may not have been told: read the stream
	news chan struct{}      // signals, of capacity one
}

// Await returns the first event of a stream, from a revision on, that ends what is waited for. ends is asked about each
// event once, in order, by the caller's goroutine. Await returns at the context's end, with its error: give it a
// deadline. Other errors are those of reading the stream.
func (o *Outcomes) Await(ctx context.Context, stream string, from eventstore.Revision, ends func(eventstore.Event) bool) (eventstore.Event, error) {
	w := &waiter{read: true, news: make(chan struct{}, 1)}
	o.enter(stream, w)
	defer o.leave(stream, w)
	for next := from; ; {
		told, read := o.take(w)
		if read { // what was told and what is told from now on comes after it, or again
			e, ended, err := o.readOn(ctx, stream, &next, ends)
			if ended || err != nil {
				return e, err
			}
		}
		for _, e := range told {
			if e.Revision < next {
				continue
			}
			if next = e.Revision + 1; ends(e) {
				return e, nil
			}
		}
		select {
		case <-w.news:
		case <-ctx.Done():
			return eventstore.Event{}, ctx.Err()
		}
	}
}

// readOn asks about the events of a stream from next on, which it moves.
func (o *Outcomes) readOn(ctx context.Context, stream string, next *eventstore.Revision, ends func(eventstore.Event) bool) (eventstore.Event, bool, error) {
	for e, err := range o.feed.store.ReadStream(ctx, stream, eventstore.StreamRead{From: *next, Fresh: true}) {
		if err != nil {
			return eventstore.Event{}, false, err
		}
		if *next = e.Revision + 1; ends(e) {
			return e, true, nil
		}
	}
	return eventstore.Event{}, false, nil
}

func (o *Outcomes) enter(stream string, w *waiter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting[stream] == nil {
		o.waiting[stream] = map[*waiter]bool{}
	}
	o.waiting[stream][w] = true
}

func (o *Outcomes) leave(stream string, w *waiter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if delete(o.waiting[stream], w); len(o.waiting[stream]) == 0 {
		delete(o.waiting, stream)
	}
}

// take returns what a waiter was told since the last time, and whether it has to read.
func (o *Outcomes) take(w *waiter) (told []eventstore.Event, read bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	told, read = w.told, w.read
	w.told, w.read = nil, false
	return told, read
}

// tell tells an event to those who wait for its stream.
func (o *Outcomes) tell(e eventstore.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for w := range o.waiting[e.Stream] {
		if w.told = append(w.told, e); len(w.told) > toldMax {
			w.told, w.read = nil, true
		}
		w.signal()
	}
}

// readAll has everybody read their streams.
func (o *Outcomes) readAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, waiters := range o.waiting {
		for w := range waiters {
			w.read = true
			w.signal()
		}
	}
}

func (w *waiter) signal() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// Run tells those who wait, whatever breaks, until its context ends or the log is closed.
func (o *Outcomes) Run(ctx context.Context) {
	closed := func(err error) bool { return errors.Is(err, eventstore.ErrClosed) }
	_ = keep(ctx, o.log, closed, func() (bool, error) { return o.follow(ctx) })
}

// follow tells what is appended from now on. What was appended before, and not told, everybody reads.
func (o *Outcomes) follow(ctx context.Context) (told bool, err error) {
	head, err := o.feed.store.Head(ctx)
	if err != nil {
		return false, err
	}
	sub, err := o.feed.Subscribe(ctx, head, eventstore.Filter{})
	if err != nil {
		return false, err
	}
	defer sub.Close()
	for o.readAll(); ; told = true {
		batch, err := sub.Next(ctx)
		if err != nil {
			return told, err
		}
		for _, e := range batch.Events {
			o.tell(e)
		}
	}
}
