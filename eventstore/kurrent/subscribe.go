package kurrent

import (
	"context"
	"fmt"
	"time"

	"daybook/eventstore"
)

const (
	// quietMax is how long a position that moved past others' events is kept back, to be told with what follows.
	quietMax = 25 * time.Millisecond
	// headMax is how long a batch waits to learn whether it reaches the end, and headPause the time between questions
	// that failed. A question that takes longer goes on.
	headMax   = 500 * time.Millisecond
	headPause = 100 * time.Millisecond
)

// subscription is fed by a goroutine that follows the server, on one connection after the other. The fields below box
// belong to Next.
type subscription struct {
	store  *Store
	filter eventstore.Filter
	life   context.Context
	end    context.CancelCauseFunc
	box    *inbox
	log    uint64 // the log's history when it began

	held     []eventstore.Event
	position eventstore.Position // after held
	told     eventstore.Position // in the last batch
	saidEnd  bool                // with it: CaughtUp
	moved    time.Time           // when position first differed from told
	ask      time.Time           // not before, the head
	asked    *search             // a question for the head that is under way
	live     bool                // what was taken last was all that the server had
	final    error
}

// Subscribe is eventstore.Store's. A position after the end shows up in Next as eventstore.ErrInvalid: it is of another
// log, or this one was replaced by an older copy.
func (s *Store) Subscribe(ctx context.Context, after eventstore.Position, filter eventstore.Filter) (eventstore.Subscription, error) {
	_, done, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	done()
	f := &subscription{store: s, filter: filter, log: s.History(), box: newInbox(after), position: after, told: after}
	f.life, f.end = context.WithCancelCause(s.life)
	if !s.spawn(func() { f.run(after) }) {
		return nil, eventstore.ErrClosed
	}
	return f, nil
}

// Close is eventstore.Subscription's.
func (f *subscription) Close() error {
	f.end(eventstore.ErrClosed)
	return nil
}

// run follows the log for ever, from where the last connection stopped.
func (f *subscription) run(at eventstore.Position) {
	pauses := backoff{first: callPauseFirst, max: callPauseMax}
	for {
		before := at
		err := f.session(&at)
		switch {
		case f.life.Err() != nil:
			f.box.finish(eventstore.ErrClosed)
			return
		case !isLost(err):
			f.box.finish(err)
			return
		}
		f.store.logger.Debug("event store: subscription interrupted", "after", at.String(), "error", err)
		if before != at {
			pauses.reset()
		}
		pauses.wait(f.life)
	}
}

// session follows on one connection and keeps at where it stands.
func (f *subscription) session(at *eventstore.Position) error {
	l, err := f.store.connection(f.life)
	if err != nil {
		return err
	}
	if l.history != f.log {
		return errWentBack
	}
	put := func(e eventstore.Event) bool {
		if !f.store.ours(e.Stream, e.Type) || !at.Before(e.Position) {
			return true
		}
		*at = e.Position
		f.store.meet(l, e)
		return f.box.put(f.life, e, f.filter.Matches(e.Stream, e.Type))
	}
	f.box.reached(false)
	// The server may have been replaced unnoticed. What is learned now stays true while this subscription lives.
	began := func() error {
		if err := f.store.sameLog(f.life, l); err != nil {
			return err
		}
		return f.store.reaches(f.life, l, *at)
	}
	return l.follow(f.life, *at, f.store.serverFilter(eventstore.Filter{}), follower{
		began: began, event: put,
		caughtUp:   func() bool { f.box.reached(true); return true },
		fellBehind: func() { f.box.reached(false) },
	})
}

// reaches returns ErrInvalid if a position is after the end of the server's log, where a subscription would hear nothing.
func (s *Store) reaches(ctx context.Context, l *link, position eventstore.Position) error {
	if position.IsZero() {
		return nil
	}
	var end eventstore.Position
	for e, err := range s.page(ctx, l, logPage(eventstore.Position{}, eventstore.Backward, 1)) {
		if err != nil {
			return err
		}
		end = e.Position
	}
	if end.Before(position) {
		return fmt.Errorf("%w: position %v is after the end of this log, %v", eventstore.ErrInvalid, position, end)
	}
	return nil
}

// Next is eventstore.Subscription's.
func (f *subscription) Next(ctx context.Context) (eventstore.Batch, error) {
	for {
		switch {
		case f.life.Err() != nil:
			return eventstore.Batch{}, eventstore.ErrClosed
		case ctx.Err() != nil:
			return eventstore.Batch{}, ctx.Err()
		}
		f.absorb()
		if f.final != nil {
			return eventstore.Batch{}, f.final
		}
		if b, ok := f.batch(ctx); ok {
			return b, nil
		}
		if f.final == nil {
			f.wait(ctx)
		}
	}
}

// absorb takes what came, unless events of before are still held.
func (f *subscription) absorb() {
	if len(f.held) > 0 {
		return
	}
	events, position, live, over, err := f.box.take()
	if f.position == f.told && position != f.position {
		f.moved = time.Now()
	}
	f.held, f.position, f.live = events, position, live
	if over && len(events) == 0 {
		f.final = err
	}
}

// batch makes one, if there is something to say.
func (f *subscription) batch(ctx context.Context) (eventstore.Batch, bool) {
	if len(f.held) == 0 && f.position != f.told && time.Since(f.moved) < quietMax {
		return eventstore.Batch{}, false
	}
	end := f.atEnd(ctx)
	news := f.position != f.told || end && !f.saidEnd
	if f.final != nil || !news || ctx.Err() != nil {
		return eventstore.Batch{}, false
	}
	b := eventstore.Batch{Events: f.held, Position: f.position, CaughtUp: end}
	f.held, f.told, f.saidEnd = nil, f.position, end
	return b, true
}

// atEnd says whether the position is the end of the log now, as far as the server tells that: the subscription is told
// once when it has caught up, and from then on gets each event as it comes. Before that, and with servers that do not
// tell, the head is asked for; where the answer does not come soon, the answer is no, and it is looked at when it comes.
func (f *subscription) atEnd(ctx context.Context) bool {
	switch {
	case f.position.Before(f.store.extent().met) || f.position == f.told && f.saidEnd:
		return false
	case f.live && f.box.isLive():
		return true
	case f.asked == nil && time.Now().Before(f.ask):
		return false
	}
	if f.asked == nil && !f.askHead() {
		return false
	}
	timer := time.NewTimer(headMax)
	defer timer.Stop()
	select {
	case <-f.asked.done:
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	}
	head, err := f.asked.head, f.asked.err
	f.asked = nil
	if err != nil {
		f.ask = time.Now().Add(headPause)
		return false
	}
	return !f.position.Before(head) && !f.store.extent().clear.Before(f.position) // one after the end is of another log
}

// askHead begins to ask for the head.
func (f *subscription) askHead() bool {
	asked := &search{done: make(chan struct{})}
	f.asked = asked
	return f.store.spawn(func() {
		defer close(asked.done)
		asked.head, asked.err = f.store.headOf(f.life)
	})
}

// wait returns when Next should look again.
func (f *subscription) wait(ctx context.Context) {
	var again <-chan time.Time
	var answered <-chan struct{}
	if f.asked != nil {
		answered = f.asked.done
	}
	due := time.Until(f.ask)
	if f.position != f.told {
		due = quietMax - time.Since(f.moved)
	}
	if due > 0 {
		timer := time.NewTimer(due)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-f.box.more:
	case <-again:
	case <-answered:
	case <-ctx.Done():
	case <-f.life.Done():
	}
}
