package follow

import (
	"context"
	"sync"
	"time"

	"daybook/eventstore"
)

// quietMax is how long a member that is served by the shared subscription keeps a position to itself that moved past
// events which it does not want, to tell it with what follows. The port allows 100 ms.
const quietMax = 25 * time.Millisecond

// member is one who follows a feed: by a subscription of its own, or by the shared one.
type member struct {
	feed   *Feed
	filter eventstore.Filter
	ended  chan struct{}
	once   sync.Once

	// The feed's to lock. If neither own nor shared is there, it must begin to catch up.
	own    eventstore.Subscription
	shared *shared
	next   int // number of the shared batch to take next
	closed bool

	// Next's.
	held     []eventstore.Event
	position eventstore.Position // after held
	end      bool                // that was the end of the log
	told     eventstore.Position // in the last batch
	saidEnd  bool                // with it: CaughtUp
	moved    time.Time           // when position first differed from told
	final    error
}

// Close is eventstore.Subscription's.
func (m *member) Close() error {
	m.once.Do(func() {
		close(m.ended)
		m.feed.leave(m)
	})
	return nil
}

// Next is eventstore.Subscription's.
func (m *member) Next(ctx context.Context) (eventstore.Batch, error) {
	for {
		select {
		case <-m.ended:
			return eventstore.Batch{}, eventstore.ErrClosed
		default:
		}
		switch {
		case ctx.Err() != nil:
			return eventstore.Batch{}, ctx.Err()
		case m.final != nil:
			return eventstore.Batch{}, m.final
		}
		own, s := m.served()
		if s == nil {
			return m.nextOwn(ctx, own)
		}
		if b, ok := m.nextShared(ctx, s); ok {
			return b, nil
		}
	}
}

// served returns what serves the member now, nil and nil if it fell off the shared subscription.
func (m *member) served() (eventstore.Subscription, *shared) {
	m.feed.mu.Lock()
	defer m.feed.mu.Unlock()
	if m.shared != nil && !m.shared.members[m] {
		m.shared = nil
	}
	return m.own, m.shared
}

// catchUp gives the member a subscription of its own.
func (m *member) catchUp(ctx context.Context) (eventstore.Subscription, error) {
	own, err := m.feed.store.Subscribe(ctx, m.position, m.filter)
	if err != nil {
		return nil, err
	}
	m.feed.mu.Lock()
	defer m.feed.mu.Unlock()
	if m.closed {
		_ = own.Close()
		return nil, eventstore.ErrClosed
	}
	m.own = own
	m.feed.own++
	return own, nil
}

// nextOwn takes a batch of the member's own subscription, which it opens if there is none.
func (m *member) nextOwn(ctx context.Context, own eventstore.Subscription) (b eventstore.Batch, err error) {
	if own == nil {
		own, err = m.catchUp(ctx)
	}
	if err == nil {
		b, err = own.Next(ctx)
	}
	if err != nil {
		if ctx.Err() == nil {
			m.final = err
		}
		return eventstore.Batch{}, err
	}
	m.position, m.told, m.end, m.saidEnd = b.Position, b.Position, b.CaughtUp, b.CaughtUp
	if b.CaughtUp {
		if unused := m.feed.join(ctx, m); unused != nil {
			_ = unused.Close()
		}
	}
	return b, nil
}

// nextShared takes what the shared subscription has delivered, and makes a batch of it if there is something to say.
// Otherwise it waits until there may be.
func (m *member) nextShared(ctx context.Context, s *shared) (eventstore.Batch, bool) {
	batches, changed, err := m.take(s)
	if changed == nil {
		return eventstore.Batch{}, false
	}
	for _, b := range batches {
		m.hold(b)
	}
	quiet := m.position != m.told && len(m.held) == 0 && time.Since(m.moved) < quietMax && err == nil
	if !quiet && (m.position != m.told || m.end && !m.saidEnd) {
		b := eventstore.Batch{Events: m.held, Position: m.position, CaughtUp: m.end}
		m.held, m.told, m.saidEnd = nil, m.position, m.end
		return b, true
	}
	if err != nil {
		m.final = err
		return eventstore.Batch{}, false
	}
	var due <-chan time.Time
	if quiet {
		timer := time.NewTimer(quietMax - time.Since(m.moved))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-changed:
	case <-due:
	case <-ctx.Done():
	case <-m.ended:
	}
	return eventstore.Batch{}, false
}

// take returns what the shared subscription has delivered since the last time, and with what error it ended if it did.
// changed tells when there is more; it is nil if the member fell off meanwhile.
func (m *member) take(s *shared) (batches []eventstore.Batch, changed <-chan struct{}, err error) {
	m.feed.mu.Lock()
	defer m.feed.mu.Unlock()
	if !s.members[m] {
		return nil, nil, nil
	}
	batches = append(batches, s.window[m.next-s.first:]...)
	m.next += len(batches)
	return batches, s.changed, s.err
}

// hold keeps what the member wants of a batch, for its next one.
func (m *member) hold(b eventstore.Batch) {
	if b.Position.Before(m.position) { // it joined ahead of this
		return
	}
	for _, e := range b.Events {
		if m.position.Before(e.Position) && m.filter.Matches(e.Stream, e.Type) {
			m.held = append(m.held, e)
		}
	}
	if m.position == m.told && m.told.Before(b.Position) {
		m.moved = time.Now()
	}
	m.position, m.end = b.Position, b.CaughtUp
}
