package kurrent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/eventstore"
)

// follower is who hears of a subscription.
type follower struct {
	began      func() error // before anything else; its error ends the subscription
	event      func(eventstore.Event) bool
	caughtUp   func() bool // the server says that there is no more for now
	fellBehind func()      // it takes that back
}

// follow runs one subscription of the library, from a position that the server may or may not include, until one of the
// follower's functions returns false (nil) or the subscription is dropped.
func (l *link) follow(ctx context.Context, after eventstore.Position, filter *esdb.SubscriptionFilter, f follower) error {
	options := esdb.SubscribeToAllOptions{
		From: esdb.Start{}, Filter: filter,
		MaxSearchWindow: 1024, CheckpointInterval: 64, // few checkpoints: none is believed
	}
	if !after.IsZero() {
		options.From = esdb.Position{Commit: after.Commit, Prepare: after.Prepare}
	}
	sub, err := guard(ctx, l, func(ctx context.Context) (*esdb.Subscription, error) {
		return l.client.SubscribeToAll(ctx, options)
	})
	if err != nil {
		return err
	}
	defer sub.Close()
	l.heard()
	if err := f.began(); err != nil {
		return err
	}
	for {
		notice, err := l.notice(sub)
		switch {
		case err != nil:
			return err
		case notice.EventAppeared != nil:
			e, err := l.event(notice.EventAppeared)
			if errors.Is(err, errNotAnEvent) {
				continue
			}
			if err != nil {
				return err
			}
			if !f.event(e) {
				return nil
			}
		case notice.CaughtUp != nil && !f.caughtUp():
			return nil
		case notice.FellBehind != nil:
			f.fellBehind()
		}
	}
}

// notice waits for the next message of a subscription.
func (l *link) notice(sub *esdb.Subscription) (notice *esdb.SubscriptionEvent, err error) {
	defer l.survive(&err)
	notice = sub.Recv()
	dropped := notice.SubscriptionDropped
	if dropped == nil {
		l.heard()
	}
	switch {
	case dropped == nil:
		return notice, l.stillTied()
	case dropped.Error == nil || errors.Is(dropped.Error, io.EOF):
		return nil, &lost{errors.New("the server ended the subscription")}
	}
	return nil, l.judge(dropped.Error)
}

// filtered yields what the server finds for filter after a position, until the server says that there is no more. It
// takes a subscription, as reads of the log have no filter in this library.
func (s *Store) filtered(ctx context.Context, l *link, after eventstore.Position, filter *esdb.SubscriptionFilter) iter.Seq2[eventstore.Event, error] {
	return s.pull(ctx, func(ctx context.Context, box *inbox) error {
		put := func(e eventstore.Event) bool { return box.put(ctx, e, true) }
		err := l.follow(toLeader(ctx), after, filter, follower{
			began: func() error { return nil }, event: put, caughtUp: func() bool { return false }, fellBehind: func() {},
		})
		if err == nil {
			err = ctx.Err()
		}
		return err
	})
}

// serverFilter lets through at least what filter matches, of this log. A server filters by stream or by type, not both.
func (s *Store) serverFilter(filter eventstore.Filter) *esdb.SubscriptionFilter {
	switch {
	case len(filter.Prefixes) > 0:
		return &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: filter.Prefixes}
	case len(filter.Types) > 0:
	case len(s.prefixes) > 0:
		return &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: s.prefixes}
	default:
		return esdb.ExcludeSystemEventsFilter()
	}
	quoted := make([]string, len(filter.Types))
	for i, typ := range filter.Types {
		quoted[i] = regexp.QuoteMeta(typ)
	}
	return &esdb.SubscriptionFilter{Type: esdb.EventFilterType, Regex: fmt.Sprintf("^(%s)$", strings.Join(quoted, "|"))}
}
