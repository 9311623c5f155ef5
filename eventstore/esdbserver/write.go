package esdbserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// written is what a write came to.
type written struct {
	revision eventstore.Revision // the stream's last, NoStream if it has none
	position eventstore.Position // zero if nothing was written
}

// write appends events. Its errors are *wrongVersion, *exception, and the store's.
func (n *node) write(ctx context.Context, stream string, expected expectation, events []eventstore.NewEvent) (written, error) {
	for {
		state, err := n.state(ctx, stream)
		if err != nil {
			return written{}, err
		}
		if state.tombstoned {
			return written{}, streamDeleted(stream)
		}
		after, ok := expected.resolve(state)
		if !ok || len(events) == 0 && after != state.last && expected != anyRevision {
			return written{}, &wrongVersion{stream, expected, state.visibleLast()}
		}
		if len(events) == 0 {
			return n.nothing(ctx, state)
		}
		if !expected.exact() && !n.trouble.forgets() {
			if w, found, err := n.held(ctx, stream, events); found || err != nil {
				return w, err
			}
		}
		w, err := n.writeAfter(ctx, stream, expected, after, state, events)
		if conflict := (*eventstore.Conflict)(nil); errors.As(err, &conflict) {
			if !expected.exact() || conflict.Stream != stream {
				continue
			}
			err = &wrongVersion{stream, expected, conflict.Actual}
		}
		return w, err
	}
}

// nothing answers an append of no events: with the end of the log, and 0 for a stream that does not exist.
func (n *node) nothing(ctx context.Context, state streamState) (written, error) {
	head, err := n.store.Head(ctx)
	return written{revision: max(0, state.visibleLast()), position: head}, err
}

// held finds events that a stream holds already, by the id of the first: whoever does not say where they belong is told
// where they are.
func (n *node) held(ctx context.Context, stream string, events []eventstore.NewEvent) (written, bool, error) {
	first, found, err := n.store.Find(ctx, events[0].ID)
	if err != nil || !found || first.Stream != stream {
		return written{}, false, err
	}
	w, i := written{}, 0
	for e, err := range n.store.ReadStream(ctx, stream, eventstore.StreamRead{From: first.Revision, Limit: len(events)}) {
		if err != nil {
			return written{}, false, err
		}
		if e.ID != events[i].ID {
			return written{}, false, nil
		}
		w = written{e.Revision, e.Position}
		i++
	}
	return w, i == len(events), nil
}

// writeAfter appends events after a revision. A conflict is about the stream or, if it is deleted, its metadata.
func (n *node) writeAfter(ctx context.Context, stream string, expected expectation, after eventstore.Revision,
	state streamState, events []eventstore.NewEvent) (written, error) {
	if state.deleted() && after == state.last {
		// First, so that after a crash in between a repetition does not find the stream deleted and append twice.
		if _, err := n.truncate(ctx, stream, state, int64(state.last)+1); err != nil {
			return written{}, err
		}
	}
	key := newRecentKey(stream, events)
	if !expected.exact() && !n.trouble.forgets() {
		if w, ok := n.recent.get(key); ok {
			return w, nil
		}
	}
	appended, err := n.store.Append(ctx, stream, after, events)
	if err != nil {
		return written{}, err
	}
	w := written{appended.Revision, appended.Position}
	if !expected.exact() {
		n.recent.put(key, w)
	}
	return w, nil
}

// recentMax bounds how many writes without an exact expectation are remembered.
const recentMax = 4096

// recent remembers such writes by their event ids, so that a repetition is most often recognised, as with EventStoreDB.
type recent struct {
	mu      sync.Mutex
	entries map[recentKey]written
	order   []recentKey // a ring once it is full
	oldest  int
}

type recentKey struct {
	stream string
	ids    [sha256.Size]byte
}

func newRecentKey(stream string, events []eventstore.NewEvent) recentKey {
	ids := make([]byte, 0, len(events)*len(uuid.UUID{}))
	for _, e := range events {
		ids = append(ids, e.ID[:]...)
	}
	return recentKey{stream, sha256.Sum256(ids)}
}

func (r *recent) get(key recentKey) (written, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.entries[key]
	return w, ok
}

func (r *recent) put(key recentKey, w written) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries == nil {
		r.entries = map[recentKey]written{}
	}
	if len(r.order) < recentMax {
		r.order = append(r.order, key)
	} else {
		delete(r.entries, r.order[r.oldest])
		r.order[r.oldest] = key
		r.oldest = (r.oldest + 1) % recentMax
	}
	r.entries[key] = w
}
