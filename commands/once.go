package commands

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"daybook/domain/event"
	"daybook/domain/stream"
	"daybook/eventstore"
)

// Place is where the last event of a command stands, the one that recorded its answer.
type Place struct {
	Stream   string
	Revision eventstore.Revision
}

// RequestIndex finds commands by their id. It may lag behind the log, and even fail: then more of the log is read.
type RequestIndex interface {
	// Find returns where a store's command is, whether it is known at all, and the position up to which the index knows
	// every command.
	Find(ctx context.Context, storeID, commandID string) (at Place, found bool, upTo eventstore.Position, err error)
}

// once carries out a command of a store unless it was carried out before, on whatever stream: then it gets its first
// answer, or ErrKeyReused if that was something else. Commands of one key take turns.
//
// A stream by itself recognises what it has; this looks everywhere else in the store: for the order whose tab is closed
// by now, and for the key that was used for something else.
func (s *Service) once(ctx context.Context, req Request, do func() (Answer, error)) (Answer, error) {
	if !req.Keyed || req.StoreID == "" {
		return do()
	}
	done, err := s.running.begin(ctx, req.CommandID)
	if err != nil {
		return Answer{}, err
	}
	defer done()
	at, found, err := s.find(ctx, req)
	if err != nil {
		return Answer{}, err
	}
	if !found {
		return do()
	}
	return firstAnswer(ctx, s.log, at, req)
}

// firstAnswer reads the answer that was recorded with a command's last event. Error: ErrKeyReused.
func firstAnswer(ctx context.Context, log eventstore.Store, at Place, req Request) (Answer, error) {
	for e, err := range log.ReadStream(ctx, at.Stream, eventstore.StreamRead{From: at.Revision, Limit: 1}) {
		if err != nil {
			return Answer{}, err
		}
		return req.repeated(e)
	}
	return Answer{}, fmt.Errorf("stream %s has lost revision %d", at.Stream, at.Revision)
}

// executeOnce executes on one stream what was not carried out before anywhere in the store.
func executeOnce[S, C any, E event.Stored](ctx context.Context, s *Service, a *aggregate[S, C, E], name string, req Request, d decision[S, C, E]) (Answer, error) {
	return s.once(ctx, req, func() (Answer, error) { return a.execute(ctx, name, req, d) })
}

// find asks the index, and then what is newer than the index.
func (s *Service) find(ctx context.Context, req Request) (Place, bool, error) {
	at, found, upTo, err := s.requests.Find(ctx, req.StoreID, req.CommandID.String())
	if failed := err != nil; s.indexFailed.Swap(failed) != failed { // once, not for every command
		if failed {
			s.logger.WarnContext(ctx, "no request index: stores' logs are read instead until it is back", "error", err)
		} else {
			s.logger.InfoContext(ctx, "the request index is back")
		}
	}
	if err != nil {
		found, upTo = false, eventstore.Position{}
	}
	if found {
		return at, true, nil
	}
	return s.recent.find(ctx, s.log, req.StoreID, upTo, req.CommandID)
}

// running lets commands of one key take turns.
type running struct {
	mu   sync.Mutex
	keys map[uuid.UUID]chan struct{} // closed when the command is done
}

func (r *running) begin(ctx context.Context, id uuid.UUID) (done func(), err error) {
	for {
		r.mu.Lock()
		busy, is := r.keys[id]
		if !is {
			mine := make(chan struct{})
			if r.keys == nil {
				r.keys = map[uuid.UUID]chan struct{}{}
			}
			r.keys[id] = mine
			r.mu.Unlock()
			return func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				delete(r.keys, id)
				close(mine)
			}, nil
		}
		r.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// recent knows the commands of each store that the index does not know yet: few, as long as the index keeps up.
type recent struct {
	mu     sync.Mutex
	stores map[string]*recentStore
}

type recentStore struct {
	turn
	to       eventstore.Position // read up to here
	commands map[uuid.UUID]Place
}

// recentStoresMax bounds how many stores are remembered; forgetting one costs reading it again.
const recentStoresMax = 2000

func (r *recent) hold(ctx context.Context, storeID string) (*recentStore, func(), error) {
	r.mu.Lock()
	s, known := r.stores[storeID]
	if !known {
		if r.stores == nil || len(r.stores) >= recentStoresMax {
			r.stores = map[string]*recentStore{}
		}
		s = &recentStore{turn: newTurn()}
		r.stores[storeID] = s
	}
	r.mu.Unlock()
	release, err := s.take(ctx)
	return s, release, err
}

// find looks for a command among the store's events after a position.
func (r *recent) find(ctx context.Context, log eventstore.Store, storeID string, upTo eventstore.Position, id uuid.UUID) (Place, bool, error) {
	s, release, err := r.hold(ctx, storeID)
	if err != nil {
		return Place{}, false, err
	}
	defer release()
	if s.commands == nil || !upTo.Before(s.to) { // the index knows all that was remembered here
		s.to, s.commands = upTo, map[uuid.UUID]Place{}
	}
	read := eventstore.LogRead{After: s.to, Filter: eventstore.Filter{Prefixes: stream.Prefixes(storeID)}}
	for e, err := range log.ReadAll(ctx, read) {
		if err != nil {
			return Place{}, false, err
		}
		meta, err := readMetadata(e)
		if err != nil {
			return Place{}, false, err
		}
		if meta.Answer != nil {
			s.commands[meta.CommandID] = Place{e.Stream, e.Revision}
		}
		s.to = e.Position
	}
	at, found := s.commands[id]
	return at, found, nil
}
