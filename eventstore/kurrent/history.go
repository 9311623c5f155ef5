package kurrent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// witness is the last event of ours that this process has met, by reading or by writing it. A log that no longer has it is
// an older copy, which was put in the place of the one that it was met in. The zero witness: none was met.
type witness struct {
	position eventstore.Position
	id       uuid.UUID
}

// errWentBack ends whatever began before the log went back, and would go on as if it had not.
var errWentBack = fmt.Errorf("%w: an older copy of the log is in its place", eventstore.ErrUnavailable)

// History is eventstore.Restorable's.
func (s *Store) History() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history
}

// met returns the last event that was met.
func (s *Store) met() witness {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// meet notes an event that a read has met on a link, by which the log reaches to its position at least.
func (s *Store) meet(l *link, e eventstore.Event) {
	s.learn(l, extent{e.Position, e.Position})
	s.saw(l, witness{e.Position, e.ID})
}

// saw notes an event of ours that is in the log.
func (s *Store) saw(l *link, w witness) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.history == s.history && s.last.position.Before(w.position) {
		s.last = w
	}
}

// sameHistory makes sure that the server still has what was met, before the link is used.
func (s *Store) sameHistory(ctx context.Context, l *link) error {
	l.history = s.History()
	last := s.met()
	holds, err := s.holds(ctx, l, last)
	if err == nil && !holds {
		s.wentBack(l, last)
		l.history = s.History()
	}
	return err
}

// suspect looks whether the log has gone back on a link that is in use, as something was not there that was met before.
// It returns errWentBack if so, and gives the link up.
func (s *Store) suspect(ctx context.Context, l *link, met witness) error {
	holds, err := s.holds(ctx, l, met)
	if err != nil || holds {
		return err
	}
	s.wentBack(l, met)
	l.kill(errWentBack)
	return errWentBack
}

// looks is how often an event is looked for that is not there: a server that has just elected its leader may be behind for
// a moment.
const (
	looks     = 3
	lookPause = 20 * time.Millisecond
)

// holds says whether an event is in the server's log. Only the leader may say that it is not: a follower may not have it yet.
func (s *Store) holds(ctx context.Context, l *link, w witness) (is bool, err error) {
	if w == (witness{}) {
		return true, nil
	}
	if is, err = s.standsAt(ctx, l, w, false); is || err != nil {
		return is, err
	}
	for n := 0; n < looks; {
		sleep(ctx, lookPause)
		is, err = s.standsAt(ctx, l, w, true)
		switch {
		case errors.Is(err, errNotLeader) && ctx.Err() == nil && l.alive(): // the library goes to the leader that was named
			continue
		case is || err != nil:
			return is, err
		}
		n++
	}
	return false, nil
}

func (s *Store) standsAt(ctx context.Context, l *link, w witness, fresh bool) (bool, error) {
	for e, err := range s.page(ctx, l, logPageOf(w.position, eventstore.Forward, 1, fresh)) {
		if errors.Is(err, errPosition) {
			return false, nil
		}
		return err == nil && e.Position == w.position && e.ID == w.id, err
	}
	return false, nil
}

// wentBack begins another history than that of a link, unless somebody else has, and tells who wants to know.
func (s *Store) wentBack(l *link, missing witness) {
	s.mu.Lock()
	first := s.history == l.history
	if first {
		s.history++
		s.known, s.last = extent{}, witness{}
	}
	s.mu.Unlock()
	if first && s.onBack != nil {
		s.onBack(missing.position)
	}
}
