package kurrent

import (
	"context"

	"daybook/eventstore"
)

// Head is eventstore.Store's, as the leader sees it.
func (s *Store) Head(ctx context.Context) (eventstore.Position, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return eventstore.Position{}, err
	}
	defer done()
	return s.headOf(ctx)
}

func (s *Store) headOf(ctx context.Context) (head eventstore.Position, err error) {
	err = s.try(ctx, func(l *link) (bool, error) {
		head, err = s.lastOf(ctx, l)
		return false, err
	})
	return head, err
}

// lastOf looks backward for the last event that is not the server's own, in growing pages: on a quiet server, the
// newest are its statistics. It need not look past what was met before.
func (s *Store) lastOf(ctx context.Context, l *link) (eventstore.Position, error) {
	met := s.met()
	var from eventstore.Position
	for count := 1; ; count = min(16*count, pageEvents) {
		got := 0
		for e, err := range s.page(ctx, l, logPage(from, eventstore.Backward, count)) {
			switch {
			case err != nil:
				return eventstore.Position{}, err
			case !met.Before(e.Position):
				return met, nil
			case ours(e.Stream, e.Type):
				s.meet(e.Position)
				return e.Position, nil
			}
			from = e.Position
			got++
		}
		if got < count {
			return met, nil
		}
	}
}
