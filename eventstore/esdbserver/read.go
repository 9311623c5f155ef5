package esdbserver

import (
	"context"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"

	"daybook/eventstore"
)

// Read answers reads and subscriptions, of one stream or of all.
func (s *streamsService) Read(req *streams.ReadReq, call streams.Streams_ReadServer) error {
	o := req.GetOptions()
	out := &sender{node: s.node, call: call, ctx: call.Context(), resolve: o.GetResolveLinks(),
		textIDs: o.GetUuidOption().GetString_() != nil}
	_, follow := o.GetCountOption().(*streams.ReadReq_Options_Subscription)
	_, counted := o.GetCountOption().(*streams.ReadReq_Options_Count)
	limit := int(min(o.GetCount(), math.MaxInt))
	backward := o.GetReadDirection() == streams.ReadReq_Options_Backwards
	switch {
	case !follow && !counted:
		return invalid("neither a count nor a subscription")
	case follow && backward:
		return invalid("a subscription cannot go backwards")
	case o.GetStream() != nil && follow:
		return s.followStream(o.GetStream(), out)
	case o.GetStream() != nil:
		return s.readStream(o.GetStream(), backward, limit, out)
	case o.GetAll() == nil:
		return invalid("neither a stream nor $all")
	}
	f, err := newFilter(o.GetFilter())
	f.gone = s.trouble.scavenged
	switch {
	case err != nil:
		return err
	case follow:
		return s.followAll(o.GetAll(), f, out)
	}
	return s.readAll(o.GetAll(), f, backward, limit, out)
}

// readStream sends up to limit events of a stream, or says that there is no such stream.
func (s *streamsService) readStream(o *streams.ReadReq_Options_StreamOptions, backward bool, limit int, out *sender) error {
	stream := streamName(o.GetStreamIdentifier())
	if stream == "" {
		return errThrown
	}
	state, err := s.state(out.ctx, stream)
	switch {
	case err != nil:
		return err
	case state.tombstoned:
		return streamDeleted(stream)
	case limit == 0 || o.GetEnd() != nil && !backward:
		return errStreamRead
	case stream == usersStream && !state.exists():
		return s.sendUsers(o, backward, limit, out)
	case !state.exists():
		return out.notFound(stream)
	}
	read := eventstore.StreamRead{Direction: eventstore.Direction(backward), Fresh: true}
	read.From, err = revision(o.GetRevision())
	switch {
	case err != nil:
		return err
	case o.GetEnd() != nil:
		read.From = eventstore.Last
	}
	return s.sendVisible(stream, state, read, limit, out)
}

// sendVisible sends what a stream's retention does not hide.
func (s *streamsService) sendVisible(stream string, state streamState, read eventstore.StreamRead, limit int, out *sender) error {
	first := state.first()
	if read.Direction == eventstore.Forward {
		read.From = max(read.From, first)
	}
	now := s.options.Now()
	for e, err := range s.store.ReadStream(out.ctx, stream, read) {
		switch {
		case err != nil:
			return err
		case e.Revision < first: // backwards, the rest is hidden too
			return nil
		case state.outlived(e, now):
			continue
		}
		if err := out.event(e); err != nil {
			return err
		}
		if limit--; limit == 0 {
			return nil
		}
	}
	return nil
}

// sendUsers answers for the stream that tools look at to see whether the server is ready. It is not in the log.
func (s *streamsService) sendUsers(o *streams.ReadReq_Options_StreamOptions, backward bool, limit int, out *sender) error {
	begins := o.GetRevision() == 0 && (o.GetEnd() != nil) == backward
	if !begins || limit == 0 {
		return nil
	}
	return out.event(eventstore.Event{
		Stream:  usersStream,
		ID:      uuid.NewSHA1(s.id, []byte(usersStream)),
		Type:    "$User",
		Created: s.started,
		Data:    []byte(`"admin"`),
	})
}

// readAll sends up to limit events of the log. Forward it begins with the event at the given position, backward with
// the one before it.
func (s *streamsService) readAll(o *streams.ReadReq_Options_AllOptions, f filter, backward bool, limit int, out *sender) error {
	head, err := s.store.Head(out.ctx)
	if err != nil {
		return err
	}
	from, begins, err := s.asked(out.ctx, o.GetPosition().GetCommitPosition())
	if err != nil {
		return err
	}
	end := position(head.Commit + 1)
	if o.GetEnd() != nil || o.GetPosition().GetCommitPosition() == beyondAll {
		from, begins = end, true
	}
	read := eventstore.LogRead{Direction: eventstore.Direction(backward), Filter: f.store}
	switch {
	case o.GetPosition().GetPreparePosition() > o.GetPosition().GetCommitPosition():
		return errThrown
	case backward && end.Before(from):
		return errAllRead
	case !backward && !from.Before(end): // also inside what is not written yet
		return nil
	case !begins:
		return errAllInside
	case limit == 0, backward && from.IsZero():
		return nil
	case backward && from != end:
		read.After = from
	case !backward && !from.IsZero():
		read.After = position(from.Commit - 1)
	}
	for e, err := range s.store.ReadAll(out.ctx, read) {
		if err != nil {
			return err
		}
		if !f.pass(e) {
			continue
		}
		if err := out.event(e); err != nil {
			return err
		}
		if limit--; limit == 0 {
			return nil
		}
	}
	return nil
}

// position is one of the embedded store's, which has one number.
func position(n uint64) eventstore.Position { return eventstore.Position{Commit: n, Prepare: n} }

// sender writes the answers of one read or subscription.
type sender struct {
	node             *node
	call             streams.Streams_ReadServer
	ctx              context.Context
	resolve, textIDs bool
}

// event sends an event, and if it is a link that shall be resolved, what it links to.
func (o *sender) event(e eventstore.Event) error {
	read := &streams.ReadResp_ReadEvent{Event: recordedEvent(e, o.textIDs)}
	if o.resolve && e.Type == linkType {
		target, ok, err := o.node.linked(o.ctx, e)
		if err != nil {
			return err
		}
		read.Link, read.Event = read.Event, nil
		if ok {
			read.Event = recordedEvent(target, o.textIDs)
		}
	}
	read.Position = &streams.ReadResp_ReadEvent_NoPosition{NoPosition: &shared.Empty{}}
	if !e.Position.IsZero() {
		read.Position = &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: served(e.Position)}
	}
	return o.call.Send(&streams.ReadResp{Content: &streams.ReadResp_Event{Event: read}})
}

func (o *sender) notFound(stream string) error {
	return o.call.Send(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{
		StreamNotFound: &streams.ReadResp_StreamNotFound{StreamIdentifier: identifier(stream)},
	}})
}

func (o *sender) sendCheckpoint(at eventstore.Position) error {
	return o.call.Send(&streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{
		Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: served(at), PreparePosition: served(at)},
	}})
}

func (o *sender) caughtUp() error {
	return o.call.Send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}})
}

func (o *sender) fellBehind() error {
	return o.call.Send(&streams.ReadResp{Content: &streams.ReadResp_FellBehind_{FellBehind: &streams.ReadResp_FellBehind{}}})
}

func (o *sender) confirm() error {
	return o.call.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{
		Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()},
	}})
}
