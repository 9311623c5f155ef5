package commands

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/google/uuid"

	"daybook/domain/command"
	"daybook/domain/event"
	"daybook/domain/stream"
	"daybook/eventstore"
	"daybook/internal/cache"
)

// aggregate loads, decides and appends for all streams of one kind. It keeps what it folded, so that most commands read
// nothing: they decide on what is folded, and the revision that they append at tells whether that was the newest.
//
// Of each stream there is one fold in a process at any time: what somebody holds stays until it is given back, even if
// the cache has no room for it.
type aggregate[S, C any, E event.Stored] struct {
	decider event.Decider[S, C, E]
	log     eventstore.Store
	keys    *keys
	others  *others
	folded  *cache.Cache[string, *foldedStream[S]]
	bytes   func(S) int // what a state refers to

	mu   sync.Mutex
	held map[string]*foldedStream[S] // those that somebody holds or waits for
}

// foldedStream is one stream as far as it was folded. Commands of one process take turns on it; between processes the
// expected revision decides.
type foldedStream[S any] struct {
	turn
	state    S
	revision eventstore.Revision
	position eventstore.Position // of the last event
	commands map[uuid.UUID]eventstore.Revision
	weighed  eventstore.Revision // that the cache knows the weight of
	began    moment              // when its fold was begun
	read     moment              // when the newest read of it began; 0: never, or its end is in doubt since

	told  atomic.Int64 // the last revision that was told of while it was held
	users int          // who hold it or wait for it, guarded by aggregate.mu
}

// neverWeighed is no revision.
const neverWeighed = eventstore.NoStream - 1

// newAggregate makes the aggregate of a category. The service keeps folded streams of it, under a name for operators, of
// so many bytes in all; bytes says how many of them a state refers to. It panics if the category is not in the list of
// kinds (domain/stream) with the decider's events: others would not know of its streams.
func newAggregate[S, C any, E event.Stored](
	s *Service, category, name string, decider event.Decider[S, C, E], keys *keys, bytesMax int64, bytes func(S) int,
) *aggregate[S, C, E] {
	kind, _ := stream.KindOf(category)
	for typ := range decider.Catalog {
		if kind.Catalog[typ] == nil {
			panic(fmt.Sprintf("the list of kinds of streams has no %s with %s", category, typ))
		}
	}
	folded := cache.New[string, *foldedStream[S]](bytesMax)
	a := &aggregate[S, C, E]{
		decider: decider, log: keys.log, keys: keys, others: s.others, folded: folded, bytes: bytes,
		held: map[string]*foldedStream[S]{},
	}
	s.caches = append(s.caches, keptCache{name, folded, bytesMax})
	s.tellers[category] = a.tell
	return a
}

// hold returns a stream for the caller alone, and how to give it back.
func (a *aggregate[S, C, E]) hold(ctx context.Context, name string) (*foldedStream[S], func(), error) {
	s := a.use(name, true)
	free, err := s.take(ctx)
	if err != nil {
		a.leave(name, s, 0)
		return nil, nil, err
	}
	a.begin(s)
	return s, func() { a.release(name, s, free) }, nil
}

// use counts the caller among the users of a stream. One that is not kept is nil, or made.
func (a *aggregate[S, C, E]) use(name string, made bool) *foldedStream[S] {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, held := a.held[name]
	if kept, is := a.folded.Get(name); !held {
		switch {
		case is:
			s = kept
		case made:
			s = &foldedStream[S]{turn: newTurn(), weighed: neverWeighed}
		default:
			return nil
		}
		a.held[name] = s
	}
	s.users++
	return s
}

// begin makes a stream ready for its holder: one that was folded before all was dropped is folded anew.
func (a *aggregate[S, C, E]) begin(s *foldedStream[S]) {
	if s.began != 0 && !a.others.dropped(s.began) {
		return
	}
	s.state, s.revision, s.position = a.decider.Initial(), eventstore.NoStream, eventstore.Position{}
	s.commands = map[uuid.UUID]eventstore.Revision{}
	s.began, s.read = a.others.tick(), 0
	s.told.Store(int64(eventstore.NoStream))
}

// release gives a stream back.
func (a *aggregate[S, C, E]) release(name string, s *foldedStream[S], free func()) {
	bytes := 0
	if s.weighed != s.revision {
		s.weighed = s.revision
		bytes = a.weigh(name, s)
	}
	a.leave(name, s, bytes)
	free()
}

// leave takes the caller from the users of a stream, which is kept with its new weight, unless that is 0.
func (a *aggregate[S, C, E]) leave(name string, s *foldedStream[S], bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if bytes > 0 {
		a.folded.Put(name, s, bytes)
	}
	if s.users--; s.users == 0 {
		delete(a.held, name)
	}
}

// weigh estimates what a stream takes that is kept. Its holder calls it.
func (a *aggregate[S, C, E]) weigh(name string, s *foldedStream[S]) int {
	return len(name) + int(unsafe.Sizeof(*s)) + turnBytes + commandsBytes(len(s.commands)) + a.bytes(s.state)
}

// refresh folds what is new in the log, and all of it anew if the log goes back meanwhile.
func (a *aggregate[S, C, E]) refresh(ctx context.Context, name string, s *foldedStream[S]) error {
	for {
		a.begin(s)
		began := a.others.tick()
		if err := a.foldNew(ctx, name, s); err != nil {
			return err
		}
		if s.read = began; !a.others.dropped(s.began) {
			return nil
		}
	}
}

func (a *aggregate[S, C, E]) foldNew(ctx context.Context, name string, s *foldedStream[S]) error {
	for e, err := range a.log.ReadStream(ctx, name, eventstore.StreamRead{From: s.revision + 1, Fresh: true}) {
		if err == nil {
			err = a.fold(s, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fold adds the next event of a stream.
func (a *aggregate[S, C, E]) fold(s *foldedStream[S], e eventstore.Event) error {
	meta, err := readMetadata(e)
	if err != nil {
		return err
	}
	if e.Type != command.UnchangedType {
		decoded, err := a.decider.Catalog.Decode(e.Type, e.Data)
		if err != nil {
			return fmt.Errorf("stream %s revision %d: %w", e.Stream, e.Revision, err)
		}
		s.state = a.decider.Evolve(s.state, decoded)
	}
	s.revision, s.position = e.Revision, e.Position
	s.commands[meta.CommandID] = e.Revision
	return nil
}

// behind says whether a stream is known to have more than what is folded, or may have.
func (s *foldedStream[S]) behind() bool {
	return s.read == 0 || s.told.Load() > int64(s.revision)
}

// load returns a stream's present state.
func (a *aggregate[S, C, E]) load(ctx context.Context, name string) (S, error) {
	asked := a.others.tick()
	return a.look(ctx, name, func(s *foldedStream[S]) bool { return a.others.none() || s.read > asked })
}

// late returns a stream's state as this process has made it, and as others had made it at some moment of the last
// lateMax.
func (a *aggregate[S, C, E]) late(ctx context.Context, name string) (S, error) {
	asked := a.others.tick()
	return a.look(ctx, name, func(s *foldedStream[S]) bool { return a.others.followed(s.read) || s.read > asked })
}

// look returns a stream's state, read anew unless what is folded will do.
func (a *aggregate[S, C, E]) look(ctx context.Context, name string, do func(*foldedStream[S]) bool) (S, error) {
	s, release, err := a.hold(ctx, name)
	if err != nil {
		var none S
		return none, err
	}
	defer release()
	if s.behind() || !do(s) {
		err = a.refresh(ctx, name, s)
	}
	return s.state, err
}

// tell folds an event of a stream that is kept, if it is the next. It waits for nobody: a stream that is held is read
// by its next holder.
func (a *aggregate[S, C, E]) tell(e eventstore.Event) {
	s := a.use(e.Stream, false)
	if s == nil {
		return
	}
	free, taken := s.try()
	if !taken {
		s.told.Store(int64(e.Revision))
		a.leave(e.Stream, s, 0)
		return
	}
	a.begin(s)
	switch next := s.revision + 1; {
	case e.Revision < next: // folded already
	case e.Revision > next, s.read == 0:
		s.told.Store(int64(e.Revision))
	case a.fold(s, e) != nil:
		s.read = 0 // who reads it is told what is wrong
	}
	a.release(e.Stream, s, free)
}

// ifKept shows a stream that is kept and not known to be behind, and returns what do says of it, false of any other.
func (a *aggregate[S, C, E]) ifKept(ctx context.Context, name string, do func(*foldedStream[S]) bool) (bool, error) {
	s := a.use(name, false)
	if s == nil {
		return false, nil
	}
	free, err := s.take(ctx)
	if err != nil {
		a.leave(name, s, 0)
		return false, err
	}
	defer a.release(name, s, free)
	a.begin(s)
	return !s.behind() && do(s), nil
}
