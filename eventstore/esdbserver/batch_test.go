package esdbserver_test

import (
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"daybook/eventstore/esdbserver"
)

// The client has no batch append, so these tests speak the protocol.
func startBatches(t *testing.T, options esdbserver.Options) streams.Streams_BatchAppendClient {
	t.Helper()
	call, err := connect(t, options).BatchAppend(context10(t))
	if err != nil {
		t.Fatal(err)
	}
	return call
}

func textUUID() *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewString()}}
}

func batchOf(id *shared.UUID, options *streams.BatchAppendReq_Options, final bool, data ...string) *streams.BatchAppendReq {
	req := &streams.BatchAppendReq{CorrelationId: id, Options: options, IsFinal: final}
	for _, d := range data {
		req.ProposedMessages = append(req.ProposedMessages, &streams.BatchAppendReq_ProposedMessage{
			Id:       textUUID(),
			Metadata: map[string]string{"type": "noted.v1", "content-type": "application/json"},
			Data:     []byte(d),
		})
	}
	return req
}

func toNewStream(stream string) *streams.BatchAppendReq_Options {
	return &streams.BatchAppendReq_Options{
		StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte(stream)},
		ExpectedStreamPosition: &streams.BatchAppendReq_Options_NoStream{NoStream: &emptypb.Empty{}},
	}
}

func exchange(t *testing.T, call streams.Streams_BatchAppendClient, reqs ...*streams.BatchAppendReq) *streams.BatchAppendResp {
	t.Helper()
	for _, req := range reqs {
		if err := call.Send(req); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := call.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestBatchAppend(t *testing.T) {
	call := startBatches(t, esdbserver.Options{})
	one, two := textUUID(), textUUID()
	resp := exchange(t, call,
		batchOf(one, toNewStream("one"), false, "1", "2"),
		batchOf(two, toNewStream("two"), false, "1"),
		batchOf(one, nil, true, "3"))
	wantEqual(t, "answered", resp.CorrelationId.GetString_(), one.GetString_())
	wantEqual(t, "revision", resp.GetSuccess().GetCurrentRevision(), 2)
	wantEqual(t, "position", resp.GetSuccess().GetPosition().GetCommitPosition(), 3*esdbserver.Stride)
	resp = exchange(t, call, batchOf(two, nil, true))
	wantEqual(t, "answered", resp.CorrelationId.GetString_(), two.GetString_())
	wantEqual(t, "position", resp.GetSuccess().GetPosition().GetCommitPosition(), 4*esdbserver.Stride)

	resp = exchange(t, call, batchOf(one, toNewStream("three"), true, "1"))
	wantEqual(t, "revision of a batch that has an old one's id", resp.GetSuccess().GetCurrentRevision(), 0)

	resp = exchange(t, call, batchOf(textUUID(), toNewStream("one"), true, "4"))
	wantEqual(t, "code", codes.Code(resp.GetError().GetCode()), codes.FailedPrecondition)
	var wrong shared.WrongExpectedVersion
	if err := resp.GetError().GetDetails()[0].UnmarshalTo(&wrong); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "current revision", wrong.GetCurrentStreamRevision(), 2)
	if wrong.GetExpectedNoStream() == nil || resp.GetNoStream() == nil {
		t.Errorf("what was expected: %v", resp)
	}
}

func TestBatchAppendRefusals(t *testing.T) {
	call := startBatches(t, esdbserver.Options{ReadOnly: true})
	resp := exchange(t, call, batchOf(textUUID(), toNewStream("one"), true, "1"))
	wantEqual(t, "code", codes.Code(resp.GetError().GetCode()), codes.PermissionDenied)
	if !resp.GetError().GetDetails()[0].MessageIs(&shared.AccessDenied{}) {
		t.Errorf("details: %v", resp.GetError())
	}
	resp = exchange(t, call, batchOf(textUUID(), nil, true, "1"))
	wantEqual(t, "code without options", codes.Code(resp.GetError().GetCode()), codes.InvalidArgument)
}

// A call that never ends does not keep the server from ending.
func TestServerEndsWhileACallIsOpen(t *testing.T) {
	address, stop := serve(t, esdbserver.New(openStore(t), esdbserver.Options{Logger: quiet}), "127.0.0.1:0")
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	call, err := streams.NewStreamsClient(connection).BatchAppend(context10(t))
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, call, batchOf(textUUID(), toNewStream("one"), true, "1"))
	stop()
	if _, err := call.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the call ended with %v", err)
	}
}
