package esdbserver

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"daybook/eventstore"
)

// batchesMax bounds the batches of one call that are begun and not final.
const batchesMax = 64

// batch is an append of BatchAppend, which may come in several messages.
type batch struct {
	id       *shared.UUID
	options  *streams.BatchAppendReq_Options
	deadline time.Time // zero: none
	proposals
}

// BatchAppend takes appends, each in one or more messages of the same correlation id, and answers each with success or
// an error of its own. Appends are done one after another in the order in which they became final, which is more than
// EventStoreDB promises.
func (s *streamsService) BatchAppend(call streams.Streams_BatchAppendServer) error {
	begun := map[uuid.UUID]*batch{}
	for {
		req, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		id, err := parseID(req.GetCorrelationId())
		if err != nil {
			return err
		}
		b := begun[id]
		if b == nil {
			b = &batch{id: req.GetCorrelationId()}
			if len(begun) == batchesMax {
				return invalid("more than " + strconv.Itoa(batchesMax) + " batches are not final")
			}
			begun[id] = b
		}
		err = b.take(req, s.options.Now())
		if err == nil && !req.GetIsFinal() {
			continue
		}
		delete(begun, id)
		if err := call.Send(s.appendBatch(call.Context(), b, err)); err != nil {
			return err
		}
	}
}

func (b *batch) take(req *streams.BatchAppendReq, now time.Time) error {
	if o := req.GetOptions(); o != nil {
		b.options = o
		switch {
		case o.GetDeadline() != nil:
			b.deadline = now.Add(o.GetDeadline().AsDuration())
		case o.GetDeadline_21_10_0() != nil:
			b.deadline = o.GetDeadline_21_10_0().AsTime()
		}
	}
	if b.options == nil {
		return invalid("the first message of a batch must have its options")
	}
	for _, message := range req.GetProposedMessages() {
		if err := b.add(message); err != nil {
			return err
		}
	}
	return nil
}

// appendBatch appends what was taken, unless that failed, and makes the answer.
func (s *streamsService) appendBatch(ctx context.Context, b *batch, err error) *streams.BatchAppendResp {
	resp := &streams.BatchAppendResp{CorrelationId: b.id, StreamIdentifier: b.options.GetStreamIdentifier()}
	b.repeatExpectation(resp)
	var w written
	if err == nil {
		w, err = s.writeBatch(ctx, b)
	}
	if err != nil {
		resp.Result = &streams.BatchAppendResp_Error{Error: s.batchError(b, err)}
		return resp
	}
	resp.Result = batchSucceeded(w)
	return resp
}

func (s *streamsService) writeBatch(ctx context.Context, b *batch) (written, error) {
	if !b.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, b.deadline)
		defer cancel()
	}
	stream := streamName(b.options.GetStreamIdentifier())
	if stream == "" {
		return written{}, errThrown
	}
	expected, err := b.expectation()
	if err == nil {
		err = s.mayWrite(ctx, stream)
	}
	if err != nil {
		return written{}, err
	}
	w, err := s.write(ctx, stream, expected, b.events)
	if err == nil {
		err = s.trouble.loseAnswer(ctx)
	}
	return w, err
}

func (b *batch) expectation() (expectation, error) {
	switch o := b.options; {
	case !given(o, "expected_stream_position"):
		return 0, errNoExpectation
	case o.GetNoStream() != nil:
		return noStream, nil
	case o.GetAny() != nil:
		return anyRevision, nil
	case o.GetStreamExists() != nil:
		return streamExists, nil
	}
	n, err := revision(b.options.GetStreamPosition())
	return expectation(n), err
}

// repeatExpectation puts what was expected into the answer.
func (b *batch) repeatExpectation(resp *streams.BatchAppendResp) {
	switch o := b.options; {
	case o.GetNoStream() != nil:
		resp.ExpectedStreamPosition = &streams.BatchAppendResp_NoStream{NoStream: &emptypb.Empty{}}
	case o.GetAny() != nil:
		resp.ExpectedStreamPosition = &streams.BatchAppendResp_Any{Any: &emptypb.Empty{}}
	case o.GetStreamExists() != nil:
		resp.ExpectedStreamPosition = &streams.BatchAppendResp_StreamExists{StreamExists: &emptypb.Empty{}}
	default:
		resp.ExpectedStreamPosition = &streams.BatchAppendResp_StreamPosition{StreamPosition: b.options.GetStreamPosition()}
	}
}

func batchSucceeded(w written) *streams.BatchAppendResp_Success_ {
	success := &streams.BatchAppendResp_Success{
		CurrentRevisionOption: &streams.BatchAppendResp_Success_NoStream{NoStream: &emptypb.Empty{}},
		PositionOption:        &streams.BatchAppendResp_Success_NoPosition{NoPosition: &emptypb.Empty{}},
	}
	if w.revision != eventstore.NoStream {
		success.CurrentRevisionOption = &streams.BatchAppendResp_Success_CurrentRevision{CurrentRevision: uint64(w.revision)}
	}
	if !w.position.IsZero() {
		success.PositionOption = &streams.BatchAppendResp_Success_Position{Position: &shared.AllStreamPosition{
			CommitPosition: served(w.position), PreparePosition: served(w.position),
		}}
	}
	return &streams.BatchAppendResp_Success_{Success: success}
}

// batchError is an error as a batch is told it: in the answer, with a message of its own for each kind.
func (s *streamsService) batchError(b *batch, err error) *rpcstatus.Status {
	details := batchDetails(streamName(b.options.GetStreamIdentifier()), err)
	_, err = s.wireError(streams.Streams_BatchAppend_FullMethodName, err)
	answer := &rpcstatus.Status{Code: int32(status.Code(err)), Message: status.Convert(err).Message()}
	if packed, err := anypb.New(details); err == nil {
		answer.Details = []*anypb.Any{packed}
	}
	return answer
}

func batchDetails(stream string, err error) proto.Message {
	if wrong := (*wrongVersion)(nil); errors.As(err, &wrong) {
		return batchWrongVersion(wrong)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &shared.Timeout{}
	}
	named := &exception{}
	errors.As(err, &named)
	switch named.name {
	case accessDeniedName:
		return &shared.AccessDenied{}
	case streamDeletedName:
		return &shared.StreamDeleted{StreamIdentifier: identifier(stream)}
	case tooLargeName:
		return &shared.MaximumAppendSizeExceeded{MaxAppendSize: appendBytesMax}
	}
	return &shared.Unknown{}
}

func batchWrongVersion(wrong *wrongVersion) *shared.WrongExpectedVersion {
	v := &shared.WrongExpectedVersion{
		CurrentStreamRevisionOption: &shared.WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &emptypb.Empty{}},
	}
	if wrong.actual != eventstore.NoStream {
		v.CurrentStreamRevisionOption = &shared.WrongExpectedVersion_CurrentStreamRevision{CurrentStreamRevision: uint64(wrong.actual)}
	}
	switch wrong.expected {
	case anyRevision:
		v.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedAny{ExpectedAny: &emptypb.Empty{}}
	case streamExists:
		v.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &emptypb.Empty{}}
	case noStream:
		v.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &emptypb.Empty{}}
	default:
		v.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamPosition{ExpectedStreamPosition: uint64(wrong.expected)}
	}
	return v
}
