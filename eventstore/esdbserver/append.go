package esdbserver

import (
	"errors"
	"io"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"daybook/eventstore"
)

// streamsService is the service that everything is about.
type streamsService struct {
	streams.UnimplementedStreamsServer
	*node
}

// Append takes the options, then events, and answers when all are durable.
func (s *streamsService) Append(call streams.Streams_AppendServer) error {
	first, err := call.Recv()
	if err != nil {
		return err
	}
	options := first.GetOptions()
	if options == nil {
		return invalid("the first message of an append must be its options")
	}
	expected, err := parseExpectation(options)
	if err != nil {
		return err
	}
	stream := streamName(options.GetStreamIdentifier())
	if stream == "" {
		return errThrown
	}
	if err := s.mayWrite(call.Context(), stream); err != nil {
		return err
	}
	events, err := receiveEvents(call)
	if err != nil {
		return err
	}
	w, err := s.write(call.Context(), stream, expected, events)
	if wrong := (*wrongVersion)(nil); errors.As(err, &wrong) {
		return call.SendAndClose(&streams.AppendResp{Result: appendRefused(wrong)})
	}
	if err == nil {
		err = s.trouble.loseAnswer(call.Context())
	}
	if err != nil {
		return err
	}
	return call.SendAndClose(&streams.AppendResp{Result: appendSucceeded(w)})
}

// receiveEvents takes an append's events until the client has sent all, or too many.
func receiveEvents(call streams.Streams_AppendServer) ([]eventstore.NewEvent, error) {
	var batch proposals
	for {
		req, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return batch.events, nil
		}
		if err != nil {
			return nil, err
		}
		message := req.GetProposedMessage()
		if message == nil {
			return nil, invalid("a message of an append is no event")
		}
		if err := batch.add(message); err != nil {
			return nil, err
		}
	}
}

// appendBytesMax is what EventStoreDB refuses in one append, by default: this and more.
const appendBytesMax = 1 << 20

// proposals gathers events up to the server's limits.
type proposals struct {
	events []eventstore.NewEvent
	bytes  int
}

func (p *proposals) add(message proposed) error {
	e, err := newEvent(message)
	if err != nil {
		return err
	}
	p.bytes += len(e.Data) + len(e.Metadata) + 2*len(e.Type) // the server counts a type's name in UTF-16
	if p.bytes >= appendBytesMax {
		return appendTooLarge()
	}
	if len(p.events) == eventstore.AppendMax {
		return invalid("more than " + strconv.Itoa(eventstore.AppendMax) + " events in one append")
	}
	p.events = append(p.events, e)
	return nil
}

func appendSucceeded(w written) *streams.AppendResp_Success_ {
	success := &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_NoStream{NoStream: &shared.Empty{}},
		PositionOption:        &streams.AppendResp_Success_NoPosition{NoPosition: &shared.Empty{}},
	}
	if w.revision != eventstore.NoStream {
		success.CurrentRevisionOption = &streams.AppendResp_Success_CurrentRevision{CurrentRevision: uint64(w.revision)}
	}
	if !w.position.IsZero() {
		success.PositionOption = &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{
			CommitPosition: served(w.position), PreparePosition: served(w.position),
		}}
	}
	return &streams.AppendResp_Success_{Success: success}
}

// appendRefused fills in the fields of today and those that clients before 20.6 look at.
func appendRefused(wrong *wrongVersion) *streams.AppendResp_WrongExpectedVersion_ {
	type (
		version  = streams.AppendResp_WrongExpectedVersion
		empty    = shared.Empty
		current  = streams.AppendResp_WrongExpectedVersion_CurrentRevision
		current0 = streams.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0
	)
	v := &version{
		CurrentRevisionOption:        &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &empty{}},
		CurrentRevisionOption_20_6_0: &streams.AppendResp_WrongExpectedVersion_NoStream_20_6_0{NoStream_20_6_0: &empty{}},
	}
	if wrong.actual != eventstore.NoStream {
		v.CurrentRevisionOption = &current{CurrentRevision: uint64(wrong.actual)}
		v.CurrentRevisionOption_20_6_0 = &current0{CurrentRevision_20_6_0: uint64(wrong.actual)}
	}
	switch wrong.expected {
	case anyRevision:
		v.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &empty{}}
		v.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_Any_20_6_0{Any_20_6_0: &empty{}}
	case streamExists:
		v.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &empty{}}
		v.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_StreamExists_20_6_0{StreamExists_20_6_0: &empty{}}
	case noStream:
		v.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &empty{}}
	default:
		n := uint64(wrong.expected)
		v.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: n}
		v.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: n}
	}
	return &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: v}
}
