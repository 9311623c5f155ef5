package esdbserver

import (
	"context"
	"errors"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/eventstore"
)

var errStopping = status.Error(codes.Unavailable, "server is shutting down")

// followAll sends every event after a position, for ever.
func (s *streamsService) followAll(o *streams.ReadReq_Options_AllOptions, f filter, out *sender) error {
	head, err := s.store.Head(out.ctx)
	if err != nil {
		return err
	}
	after, begins, err := s.asked(out.ctx, o.GetPosition().GetCommitPosition())
	if err != nil {
		return err
	}
	switch {
	case o.GetEnd() != nil:
		after = head
	case o.GetPosition().GetPreparePosition() > o.GetPosition().GetCommitPosition():
		return errThrown
	case head.Before(after): // silence until the log has grown past it
		return s.follow(follower{sender: out, after: head, silent: after, filter: f.store, pass: func(e eventstore.Event) bool {
			return after.Before(e.Position) && f.pass(e)
		}})
	case !begins:
		return errFollowedInside
	}
	return s.follow(follower{sender: out, after: after, filter: f.store, interval: f.interval, pass: f.pass})
}

// followStream sends every event of a stream after a revision, for ever. The stream need not exist yet.
func (s *streamsService) followStream(o *streams.ReadReq_Options_StreamOptions, out *sender) error {
	stream := streamName(o.GetStreamIdentifier())
	head, err := s.store.Head(out.ctx)
	if err != nil {
		return err
	}
	state, err := s.state(out.ctx, stream)
	if err != nil {
		return err
	}
	if state.tombstoned {
		return streamDeleted(stream)
	}
	f := follower{sender: out, after: head, filter: eventstore.Filter{Prefixes: []string{stream}}}
	f.pass = func(e eventstore.Event) bool { return e.Stream == stream }
	f.ends = func(e eventstore.Event) error {
		if e.Type == tombstoneType {
			return streamDeleted(stream)
		}
		return nil
	}
	if o.GetEnd() == nil {
		next := eventstore.Revision(0)
		if _, given := o.GetRevisionOption().(*streams.ReadReq_Options_StreamOptions_Revision); given {
			at, err := revision(o.GetRevision())
			if err != nil {
				return err
			}
			next = at + 1
		}
		f.past = func() error { return s.sendPast(stream, state, next, head, out) }
	}
	return s.follow(f)
}

// sendPast sends a stream's events from a revision up to a position.
func (s *streamsService) sendPast(stream string, state streamState, next eventstore.Revision, to eventstore.Position, out *sender) error {
	if next < 0 || state.deleted() {
		return nil
	}
	first, now := max(next, state.first()), s.options.Now()
	for e, err := range s.store.ReadStream(out.ctx, stream, eventstore.StreamRead{From: first}) {
		switch {
		case err != nil:
			return err
		case to.Before(e.Position):
			return nil
		case state.outlived(e, now):
			continue
		}
		if err := s.deliver(out, e); err != nil {
			return err
		}
	}
	return nil
}

// follower is one subscription.
type follower struct {
	*sender
	after    eventstore.Position
	filter   eventstore.Filter
	pass     func(e eventstore.Event) bool
	past     func() error                   // sends what was before after, nil: nothing
	ends     func(e eventstore.Event) error // says that the subscription is over with this event, nil: never
	interval uint64                         // of checkpoints, see filter; 0: none
	live     bool                           // the client was told that it has caught up
	silent   eventstore.Position            // nothing is said before it but that once; zero: no such place
	told     eventstore.Position            // of the last checkpoint
}

func (s *streamsService) follow(f follower) error {
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	subscription, err := s.store.Subscribe(ctx, f.after, f.filter)
	if err != nil {
		return err
	}
	defer subscription.Close()
	go func() { // ends with the call
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := f.confirm(); err != nil {
		return err
	}
	if f.past != nil {
		if err := f.past(); err != nil {
			return err
		}
	}
	f.told = f.after
	for {
		batch, err := subscription.Next(ctx)
		if err == nil {
			err = s.forward(&f, batch)
		}
		if err != nil {
			return s.dropped(f.ctx, err)
		}
	}
}

// dropped tells why a subscription ends: the server's end is not the client's.
func (s *streamsService) dropped(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return errStopping
	}
	return err
}

// forward sends a batch, and what it means for the client's position.
func (s *streamsService) forward(f *follower, batch eventstore.Batch) error {
	if f.live && batch.Position.Before(f.silent) {
		return nil
	}
	if f.live && !batch.CaughtUp {
		f.live = false
		if err := f.fellBehind(); err != nil {
			return err
		}
	}
	for _, e := range batch.Events {
		if !f.pass(e) {
			continue
		}
		if f.ends != nil {
			if err := f.ends(e); err != nil {
				return err
			}
		}
		if err := s.deliver(f.sender, e); err != nil {
			return err
		}
	}
	catchesUp := batch.CaughtUp && !f.live
	if err := s.checkpoint(f, batch.Position, catchesUp); err != nil || !catchesUp {
		return err
	}
	f.live = true
	return f.caughtUp()
}

// checkpoint sends one if it is due. The store's positions are dense, so their difference counts events.
func (s *streamsService) checkpoint(f *follower, at eventstore.Position, catchesUp bool) error {
	passed := at.Commit - f.told.Commit
	catchesUp = catchesUp && !s.trouble.bareCaughtUp()
	if f.interval == 0 || at.IsZero() || passed < f.interval && !(catchesUp && passed > 0) {
		return nil
	}
	f.told = at
	return f.sendCheckpoint(at)
}

// deliver sends an event to a subscriber, unless trouble ends the subscription here.
func (s *streamsService) deliver(out *sender, e eventstore.Event) error {
	if err := s.trouble.dropSubscription(); err != nil {
		return err
	}
	return out.event(e)
}
