package follow

import (
	"context"
	"slices"
	"sync"

	"daybook/eventstore"
)

// windowBytes bounds what a feed keeps of what its shared subscription has delivered: enough that a follower which rests
// between two batches, or writes one to a sink, does not fall behind it.
const windowBytes = 4 << 20

// eventOverhead is what an event takes beside its data, metadata and stream name, in bytes, roughly.
const eventOverhead = 160

// Feed serves all who follow one log in this process from one subscription to it. Each follower begins with a
// subscription of its own. Once that has caught up, it joins the shared one, which the first to catch up opens. A
// follower that is slower than the log falls off the shared subscription, catches up by one of its own again, and
// joins again: nobody waits for it, and what the feed keeps is bounded. The shared subscription ends with the last
// follower that it serves.
//
// All methods may be called concurrently.
type Feed struct {
	store       eventstore.Store
	windowBytes int

	mu     sync.Mutex
	shared *shared // nil: nobody has caught up
	own    int     // subscriptions of single followers
}

// NewFeed returns a feed of a log that has no follower yet.
func NewFeed(store eventstore.Store) *Feed { return &Feed{store: store, windowBytes: windowBytes} }

// Subscriptions returns how many subscriptions to the log are open: those of followers that catch up, and the shared
// one.
func (f *Feed) Subscriptions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shared != nil {
		return f.own + 1
	}
	return f.own
}

// Head is the log's.
func (f *Feed) Head(ctx context.Context) (eventstore.Position, error) { return f.store.Head(ctx) }

// Subscribe is eventstore.Store's, and keeps its promises.
func (f *Feed) Subscribe(ctx context.Context, after eventstore.Position, filter eventstore.Filter) (eventstore.Subscription, error) {
	m := &member{feed: f, filter: filter, position: after, told: after, ended: make(chan struct{})}
	if _, err := m.catchUp(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// join has a member that has caught up served by the shared subscription, and returns what served it until now. It does
// nothing where what comes after the member's position is kept no more.
func (f *Feed) join(ctx context.Context, m *member) (unused eventstore.Subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.closed {
		return nil
	}
	if f.shared == nil {
		sub, err := f.store.Subscribe(ctx, m.position, eventstore.Filter{})
		if err != nil {
			return nil // it may be better next time
		}
		f.shared = newShared(f, sub, m.position)
		go f.shared.pump()
	}
	s := f.shared
	if m.position.Before(s.begin) {
		return nil
	}
	after, _ := slices.BinarySearchFunc(s.window, m.position, func(b eventstore.Batch, p eventstore.Position) int {
		if p.Before(b.Position) {
			return 1
		}
		return -1
	})
	unused, m.own = m.own, nil
	f.own--
	m.shared, m.next = s, s.first+after
	s.members[m] = true
	return unused
}

// leave ends what serves a member.
func (f *Feed) leave(m *member) {
	f.mu.Lock()
	own, s := m.own, m.shared
	m.own, m.shared, m.closed = nil, nil, true
	if own != nil {
		f.own--
	}
	if s != nil {
		delete(s.members, m)
		s.endUnused()
	}
	f.mu.Unlock()
	if own != nil {
		_ = own.Close() // whoever waits for it is told, and nothing else can fail
	}
	if s != nil && s.life.Err() != nil {
		<-s.done
	}
}

// shared is the subscription that all followers of a feed share who have caught up, and the last that it delivered. Its
// fields are the feed's to lock, but for those that never change.
type shared struct {
	feed *Feed
	sub  eventstore.Subscription
	life context.Context
	end  context.CancelFunc
	done chan struct{} // closed when nothing is read from sub any more

	members map[*member]bool
	begin   eventstore.Position // everything after it that was delivered is in the window
	window  []eventstore.Batch
	first   int // number of the window's first batch
	bytes   int // of the window
	err     error
	changed chan struct{} // closed, and replaced, when something was delivered
}

func newShared(f *Feed, sub eventstore.Subscription, after eventstore.Position) *shared {
	s := &shared{
		feed: f, sub: sub, done: make(chan struct{}), members: map[*member]bool{}, begin: after, changed: make(chan struct{}),
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// pump takes what the log delivers, whether followers are ready for it or not, until nobody is served any more.
func (s *shared) pump() {
	defer close(s.done)
	defer s.sub.Close()
	defer s.end()
	for s.life.Err() == nil {
		b, err := s.sub.Next(s.life)
		s.add(b, err)
		if err != nil {
			return
		}
	}
}

// add puts a batch, or the end of the subscription, where the members find it.
func (s *shared) add(b eventstore.Batch, err error) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	if s.err = err; err == nil {
		s.window = append(s.window, b)
		s.bytes += bytesOf(b)
		s.trim()
	} else if s.feed.shared == s {
		s.feed.shared = nil
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// trim forgets the oldest batches where there are too many. Members that have not taken them fall off.
func (s *shared) trim() {
	n := 0
	for ; s.bytes > s.feed.windowBytes && n < len(s.window)-1; n++ {
		s.bytes -= bytesOf(s.window[n])
		s.begin = s.window[n].Position
	}
	if n == 0 {
		return
	}
	s.first += n
	clear(s.window[:n])
	s.window = s.window[n:]
	for m := range s.members {
		if m.next < s.first {
			delete(s.members, m)
		}
	}
	s.endUnused()
}

// endUnused ends the subscription if it serves nobody.
func (s *shared) endUnused() {
	if len(s.members) > 0 {
		return
	}
	s.end()
	if s.feed.shared == s {
		s.feed.shared = nil
	}
}

// bytesOf is what a batch takes, roughly.
func bytesOf(b eventstore.Batch) int {
	bytes := eventOverhead
	for _, e := range b.Events {
		bytes += len(e.Data) + len(e.Metadata) + len(e.Stream) + eventOverhead
	}
	return bytes
}
