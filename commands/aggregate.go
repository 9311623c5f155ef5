package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
	"unsafe"

	"github.com/google/uuid"

	"daybook/domain/command"
	"daybook/domain/event"
	"daybook/domain/stream"
	"daybook/eventstore"
	"daybook/internal/cache"
)

// attemptsMax bounds how often a command is decided again after a conflict with another process.
const attemptsMax = 8

// aggregate loads, decides and appends for all streams of one kind. It keeps what it folded, so that a command reads
// only what is new in its stream; every command still asks the log.
//
// A stream may have to go while a command holds it. Whoever holds it finishes, and whoever comes folds it anew; between the
// two the expected revision decides, as between processes.
type aggregate[S, C any, E event.Stored] struct {
	decider event.Decider[S, C, E]
	log     eventstore.Store
	keys    *keys
	folded  *cache.Cache[string, *foldedStream[S]]
	bytes   func(S) int // what a state refers to
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
}

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
	s.caches = append(s.caches, keptCache{name, folded, bytesMax})
	return &aggregate[S, C, E]{decider: decider, log: keys.log, keys: keys, folded: folded, bytes: bytes}
}

// hold returns a stream for the caller alone, and how to give it back.
func (a *aggregate[S, C, E]) hold(ctx context.Context, name string) (*foldedStream[S], func(), error) {
	s := a.folded.GetOrPut(name, func() (*foldedStream[S], int) {
		s := &foldedStream[S]{turn: newTurn()}
		a.reset(s)
		s.weighed = s.revision
		return s, a.weigh(name, s)
	})
	release, err := s.take(ctx)
	return s, func() {
		if s.weighed != s.revision {
			s.weighed = s.revision
			a.folded.Put(name, s, a.weigh(name, s))
		}
		release()
	}, err
}

// weigh estimates what a stream takes that is kept. Its holder calls it.
func (a *aggregate[S, C, E]) weigh(name string, s *foldedStream[S]) int {
	return len(name) + int(unsafe.Sizeof(*s)) + turnBytes + commandsBytes(len(s.commands)) + a.bytes(s.state)
}

func (a *aggregate[S, C, E]) reset(s *foldedStream[S]) {
	s.state, s.revision, s.position = a.decider.Initial(), eventstore.NoStream, eventstore.Position{}
	s.commands = map[uuid.UUID]eventstore.Revision{}
}

// refresh folds what is new in the log.
func (a *aggregate[S, C, E]) refresh(ctx context.Context, name string, s *foldedStream[S]) error {
	read := eventstore.StreamRead{From: s.revision + 1, Fresh: true}
	for e, err := range a.log.ReadStream(ctx, name, read) {
		if err != nil {
			return err
		}
		meta, err := readMetadata(e)
		if err != nil {
			return err
		}
		if e.Type != command.UnchangedType {
			decoded, err := a.decider.Catalog.Decode(e.Type, e.Data)
			if err != nil {
				return fmt.Errorf("stream %s revision %d: %w", name, e.Revision, err)
			}
			s.state = a.decider.Evolve(s.state, decoded)
		}
		s.revision, s.position = e.Revision, e.Position
		s.commands[meta.CommandID] = e.Revision
	}
	return nil
}

// load returns a stream's present state.
func (a *aggregate[S, C, E]) load(ctx context.Context, name string) (S, error) {
	s, release, err := a.hold(ctx, name)
	if err != nil {
		var none S
		return none, err
	}
	defer release()
	err = a.refresh(ctx, name, s)
	return s.state, err
}

// decision is what a use case tells execute: what is wanted, given the present state, and what to answer. With no
// events, the intended state already held, and a command with a key is recorded as having changed nothing.
type decision[S, C any, E event.Stored] struct {
	decide func(S) (C, error)
	answer func(S, []E) (body any, err error)
	status int  // of the answer
	secret bool // the answer must not stand readable in the log
}

// execute carries out a command: load, decide, append, answer. A command that was carried out before is answered as
// the first time. Errors: refusals, ErrKeyReused, and the event store's.
func (a *aggregate[S, C, E]) execute(ctx context.Context, name string, req Request, d decision[S, C, E]) (Answer, error) {
	s, release, err := a.hold(ctx, name)
	if err != nil {
		return Answer{}, err
	}
	defer release()
	for attempt := 1; ; attempt++ {
		if answer, found, err := a.keys.answered(ctx, req); found || err != nil {
			return answer, err
		}
		if err := a.refresh(ctx, name, s); err != nil {
			return Answer{}, err
		}
		if revision, repeated := s.commands[req.CommandID]; repeated {
			return firstAnswer(ctx, a.log, name, revision, req)
		}
		answer, err := a.attempt(ctx, name, s, req, d)
		var conflict *eventstore.Conflict
		again := errors.As(err, &conflict) || errors.Is(err, eventstore.ErrTaken)
		if !again || attempt == attemptsMax {
			return answer, err
		}
		select {
		case <-time.After(time.Duration(rand.Int64N(int64(attempt) * int64(2*time.Millisecond)))):
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
	}
}

func (a *aggregate[S, C, E]) attempt(ctx context.Context, name string, s *foldedStream[S], req Request, d decision[S, C, E]) (Answer, error) {
	wanted, err := d.decide(s.state)
	if err != nil {
		return Answer{}, a.keys.refused(ctx, req, name, err)
	}
	events, err := a.decider.Decide(s.state, wanted)
	if err != nil {
		return Answer{}, a.keys.refused(ctx, req, name, err)
	}
	next := a.decider.Fold(s.state, events...)
	body, err := d.answer(next, events)
	if err != nil {
		return Answer{}, err
	}
	answer, err := newAnswer(d.status, body)
	if err != nil {
		return Answer{}, err
	}
	if len(events) == 0 && !req.Keyed {
		answer.Position = s.position
		return answer, nil
	}
	written := toStore(events)
	encoded, err := encodeAll(req, written, len(written)-1, req.recorded(answer, d.secret))
	if err != nil {
		return Answer{}, err
	}
	at, err := a.keys.append(ctx, req, name, s.revision, encoded)
	if err != nil {
		return Answer{}, err
	}
	s.state, s.revision, s.position = next, at.Revision, at.Position
	s.commands[req.CommandID] = at.Revision
	answer.Position = at.Position
	return answer, nil
}

// toStore is what is written for a command's events: that nothing changed, if there are none, so that the key of the
// command is known for ever.
func toStore[E event.Stored](events []E) []event.Stored {
	if len(events) == 0 {
		return []event.Stored{command.Unchanged{}}
	}
	stored := make([]event.Stored, len(events))
	for i, e := range events {
		stored[i] = e
	}
	return stored
}

// encodeAll makes a command's events ready for the log. If the command has a key, the event by which it is found again
// says what was wanted, and what was answered unless that is nil.
func encodeAll[E event.Stored](req Request, events []E, foundBy int, answered *recordedAnswer) ([]eventstore.NewEvent, error) {
	encoded := make([]eventstore.NewEvent, len(events))
	for i, e := range events {
		data, err := event.Encode(e)
		if err != nil {
			return nil, err
		}
		meta := req.metadata()
		if req.Keyed && i == foundBy {
			meta.Fingerprint, meta.Answer, meta.Batch = req.Fingerprint, answered, req.Batch
		}
		written, err := json.Marshal(meta)
		if err != nil {
			return nil, err
		}
		encoded[i] = eventstore.NewEvent{ID: req.eventID(i), Type: e.EventType(), Data: data, Metadata: written}
	}
	return encoded, nil
}
