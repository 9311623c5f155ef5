package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// identityStream holds one event, whose data names the log. It has no '-', so it is of no category and no store.
const (
	identityStream = "daybook_log"
	identityType   = "log.identified.v1"
)

type identified struct {
	Identity string `json:"identity"`
}

// Identity is eventstore.Store's. The first call of all makes the identity up and appends it to the stream daybook_log,
// expecting no stream: of two processes that do so at once, one wins and both answer its choice.
func (s *Store) Identity(ctx context.Context) (string, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	s.mu.Lock()
	known := s.identity
	s.mu.Unlock()
	if known != "" {
		return known, nil
	}
	identity, err := s.makeIdentity(ctx)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.identity = identity
	return identity, nil
}

func (s *Store) makeIdentity(ctx context.Context) (identity string, err error) {
	read := func() error {
		return s.try(ctx, func(l *link) (bool, error) {
			identity, err = s.readIdentity(ctx, l, true)
			return false, err
		})
	}
	if err := read(); err != nil || identity != "" {
		return identity, err
	}
	data, err := json.Marshal(identified{uuid.NewString()})
	if err != nil {
		return "", err
	}
	_, err = s.Append(ctx, identityStream, eventstore.NoStream, []eventstore.NewEvent{{ID: uuid.New(), Type: identityType, Data: data}})
	var conflict *eventstore.Conflict
	if err != nil && !errors.As(err, &conflict) {
		return "", err
	}
	if err := read(); err != nil {
		return "", err
	}
	if identity == "" {
		return "", fmt.Errorf("%w: the log's identity was written and is not there", eventstore.ErrUnavailable)
	}
	return identity, nil
}

// readIdentity returns "" if the log has none, as far as the node knows, which is the leader if it shall be fresh.
func (s *Store) readIdentity(ctx context.Context, l *link, fresh bool) (string, error) {
	for e, err := range s.page(ctx, l, streamPage(identityStream, eventstore.StreamRead{Fresh: fresh}, 1)) {
		if err != nil {
			return "", err
		}
		var i identified
		if err := json.Unmarshal(e.Data, &i); err != nil || i.Identity == "" {
			return "", &eventstore.Corruption{Place: "stream " + identityStream, Err: fmt.Errorf("no identity in %.100q", e.Data)}
		}
		return i.Identity, nil
	}
	return "", nil
}

// sameLog closes a link to a server that holds another log than before: what is known of positions would be wrong
// there. It can tell once the identity was asked for. Whichever node the link has found may tell: a follower that is
// asked for what only the leader may say would send the link away before it was used.
func (s *Store) sameLog(ctx context.Context, l *link) error {
	s.mu.Lock()
	known := s.identity
	s.mu.Unlock()
	found, err := s.readIdentity(ctx, l, false)
	if err != nil || known == "" || found == known {
		return err
	}
	what := "another log, " + found + ","
	if found == "" {
		what = "no log"
	}
	err = fmt.Errorf("the server holds %s instead of %s", what, known)
	l.kill(err)
	return &lost{err} // the right one may be put back
}
