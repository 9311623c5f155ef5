package esdbserver

import (
	"context"
	"errors"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"

	"daybook/eventstore"
)

// Delete hides a stream's events. It can be written again, and then goes on counting where it ended.
func (s *streamsService) Delete(ctx context.Context, req *streams.DeleteReq) (*streams.DeleteResp, error) {
	at, err := s.end(ctx, req.GetOptions(), s.hide)
	if err != nil {
		return nil, err
	}
	position := &streams.DeleteResp_Position{CommitPosition: served(at.Position), PreparePosition: served(at.Position)}
	return &streams.DeleteResp{PositionOption: &streams.DeleteResp_Position_{Position: position}}, nil
}

// Tombstone ends a stream for ever: it can neither be read nor written.
func (s *streamsService) Tombstone(ctx context.Context, req *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	at, err := s.end(ctx, req.GetOptions(), s.bury)
	if err != nil {
		return nil, err
	}
	position := &streams.TombstoneResp_Position{CommitPosition: served(at.Position), PreparePosition: served(at.Position)}
	return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{Position: position}}, nil
}

type ending func(ctx context.Context, stream string, state streamState) (eventstore.Appended, error)

// end ends a stream in one of the two ways, if it is where the caller expects it. Who was overtaken looks again.
func (s *streamsService) end(ctx context.Context, o expecting, how ending) (eventstore.Appended, error) {
	stream := streamName(o.GetStreamIdentifier())
	expected, err := parseExpectation(o)
	if err == nil {
		err = s.mayWrite(ctx, stream)
	}
	if err != nil {
		return eventstore.Appended{}, err
	}
	for {
		state, err := s.state(ctx, stream)
		if err != nil {
			return eventstore.Appended{}, err
		}
		if state.tombstoned {
			return eventstore.Appended{}, streamDeleted(stream)
		}
		if after, ok := expected.resolve(state); !ok || after != state.last || state.last == eventstore.NoStream {
			return eventstore.Appended{}, &wrongVersion{stream, expected, state.visibleLast()}
		}
		at, err := how(ctx, stream, state)
		if conflict := (*eventstore.Conflict)(nil); !errors.As(err, &conflict) {
			return at, err
		}
	}
}

func (s *streamsService) hide(ctx context.Context, stream string, state streamState) (eventstore.Appended, error) {
	return s.truncate(ctx, stream, state, deletedRevision)
}

func (s *streamsService) bury(ctx context.Context, stream string, state streamState) (eventstore.Appended, error) {
	e := eventstore.NewEvent{ID: uuid.New(), Type: tombstoneType}
	return s.store.Append(ctx, stream, state.last, []eventstore.NewEvent{e})
}
