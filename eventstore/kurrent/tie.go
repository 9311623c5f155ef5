package kurrent

import (
	"context"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/eventstore"
)

// tie binds a link to its connection: a subscription on which nothing comes stays open for as long as the link lives, and
// when it ends, the link does, at once, and not when somebody needs it.
func (s *Store) tie(l *link) error {
	sub, err := guard(s.life, l, func(ctx context.Context) (*esdb.Subscription, error) {
		return l.client.SubscribeToStream(ctx, identityStream, esdb.SubscribeToStreamOptions{From: esdb.End{}})
	})
	if err != nil {
		return err
	}
	if !s.spawn(func() { s.tied(l, sub) }) {
		_ = sub.Close() // never an error
		return eventstore.ErrClosed
	}
	return nil
}

// tied waits for the end. Where the library itself closed the connection, to go to a leader that it was told of, the link
// lives on, if the same log is there.
func (s *Store) tied(l *link, sub *esdb.Subscription) {
	defer sub.Close()
	var err error
	for err == nil {
		_, err = l.notice(sub)
	}
	if status.Code(err) == codes.Canceled && l.alive() {
		if err = s.tie(l); err == nil {
			err = s.sameLog(s.life, l)
		}
		if err == nil {
			err = s.suspect(s.life, l, s.met())
		}
	}
	if err != nil {
		l.kill(err)
	}
}
