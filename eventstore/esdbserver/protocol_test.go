package esdbserver_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
)

// connect speaks the protocol without the client, which never sends what is wrong.
func connect(t *testing.T, options esdbserver.Options) streams.StreamsClient {
	t.Helper()
	options.Logger = quiet
	address, _ := serve(t, esdbserver.New(openStore(t), options), "127.0.0.1:0")
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return streams.NewStreamsClient(connection)
}

func wantStatus(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("%s: %v (%v), want %v", what, got, err, want)
	}
}

func appendRaw(t *testing.T, client streams.StreamsClient, messages ...*streams.AppendReq) error {
	t.Helper()
	call, err := client.Append(context10(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if call.Send(m) != nil { // the reason comes with CloseAndRecv
			break
		}
	}
	_, err = call.CloseAndRecv()
	return err
}

func TestBadRequestsAreRefused(t *testing.T) {
	client := connect(t, esdbserver.Options{})
	to := &shared.StreamIdentifier{StreamName: []byte("s")}
	head := func(o *streams.AppendReq_Options) *streams.AppendReq {
		return &streams.AppendReq{Content: &streams.AppendReq_Options_{Options: o}}
	}
	event := func(typ, content string) *streams.AppendReq {
		return &streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: &streams.AppendReq_ProposedMessage{
			Id: textUUID(), Metadata: map[string]string{"type": typ, "content-type": content},
		}}}
	}
	whenever := head(&streams.AppendReq_Options{StreamIdentifier: to,
		ExpectedStreamRevision: &streams.AppendReq_Options_Any{Any: &shared.Empty{}}})
	wantStatus(t, "no options", appendRaw(t, client, event("t", "c")), codes.InvalidArgument)
	wantStatus(t, "no expectation", appendRaw(t, client, head(&streams.AppendReq_Options{StreamIdentifier: to})), codes.InvalidArgument)
	wantStatus(t, "options twice", appendRaw(t, client, whenever, whenever), codes.InvalidArgument)
	wantStatus(t, "no content type", appendRaw(t, client, whenever, event("t", "")), codes.InvalidArgument)
	wantStatus(t, "no type", appendRaw(t, client, whenever, event("", "c")), codes.Unknown)
	wantStatus(t, "a tombstone", appendRaw(t, client, whenever, event("$streamDeleted", "c")), codes.InvalidArgument)
	wantStatus(t, "a good event", appendRaw(t, client, whenever, event("t", "c")), codes.OK)
	_, err := client.Delete(context10(t), &streams.DeleteReq{Options: &streams.DeleteReq_Options{StreamIdentifier: to}})
	wantStatus(t, "delete without an expectation", err, codes.InvalidArgument)
	_, err = client.Tombstone(context10(t), &streams.TombstoneReq{})
	wantStatus(t, "tombstone without options", err, codes.InvalidArgument)
}

func TestBadReadsAreRefused(t *testing.T) {
	client := connect(t, esdbserver.Options{})
	all := &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{}}
	one := &streams.ReadReq_Options_Count{Count: 1}
	pattern := func(regex string, prefixes ...string) *streams.ReadReq_Options_Filter {
		return &streams.ReadReq_Options_Filter{Filter: &streams.ReadReq_Options_FilterOptions{
			Filter: &streams.ReadReq_Options_FilterOptions_EventType{
				EventType: &streams.ReadReq_Options_FilterOptions_Expression{Regex: regex, Prefix: prefixes}},
		}}
	}
	for name, o := range map[string]*streams.ReadReq_Options{
		"nothing":             nil,
		"no count":            {StreamOption: all},
		"no stream":           {CountOption: one},
		"an empty filter":     {StreamOption: all, CountOption: one, FilterOption: pattern("")},
		"two filters":         {StreamOption: all, CountOption: one, FilterOption: pattern("a", "b")},
		"a bad pattern":       {StreamOption: all, CountOption: one, FilterOption: pattern("(")},
		"a stream of no name": {StreamOption: &streams.ReadReq_Options_Stream{}, CountOption: one},
		"a subscription back": {StreamOption: all, ReadDirection: streams.ReadReq_Options_Backwards,
			CountOption: &streams.ReadReq_Options_Subscription{}},
	} {
		call, err := client.Read(context10(t), &streams.ReadReq{Options: o})
		if err != nil {
			t.Fatal(err)
		}
		_, err = call.Recv()
		want := codes.InvalidArgument
		if name == "a stream of no name" { // as with EventStoreDB
			want = codes.Unknown
		}
		wantStatus(t, name, err, want)
	}
}

func TestFilteredRead(t *testing.T) {
	client := connect(t, esdbserver.Options{})
	for i, stream := range []string{"a", "b", "a", "b", "a"} {
		err := appendRaw(t, client,
			&streams.AppendReq{Content: &streams.AppendReq_Options_{Options: &streams.AppendReq_Options{
				StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte(stream)},
				ExpectedStreamRevision: &streams.AppendReq_Options_Any{Any: &shared.Empty{}}}}},
			&streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: &streams.AppendReq_ProposedMessage{
				Id: textUUID(), Metadata: map[string]string{"type": fmt.Sprint("t", i), "content-type": "application/json"}}}})
		wantStatus(t, "append", err, codes.OK)
	}
	call, err := client.Read(context10(t), &streams.ReadReq{Options: &streams.ReadReq_Options{
		ReadDirection: streams.ReadReq_Options_Backwards,
		StreamOption: &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
			AllOption: &streams.ReadReq_Options_AllOptions_End{End: &shared.Empty{}}}},
		CountOption: &streams.ReadReq_Options_Count{Count: 2},
		FilterOption: &streams.ReadReq_Options_Filter{Filter: &streams.ReadReq_Options_FilterOptions{
			Filter: &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
				StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Prefix: []string{"a"}}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for {
		resp, err := call.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, resp.GetEvent().GetEvent().GetMetadata()["type"])
	}
	wantEqual(t, "what passes, backwards", types, []string{"t4", "t2"})
}

// A client that demands the leader's answer is sent there by a follower. (The Go client means to, and does not say it.)
func TestFollowerSendsToTheLeader(t *testing.T) {
	client := connect(t, esdbserver.Options{Follower: true, Members: []string{"leader.test:2113", "other.test:2113"}})
	ctx := metadata.AppendToOutgoingContext(context10(t), "requires-leader", "true")
	var trailer metadata.MD
	_, err := client.Tombstone(ctx, &streams.TombstoneReq{}, grpc.Trailer(&trailer))
	wantStatus(t, "a follower", err, codes.NotFound)
	wantEqual(t, "the trailers", trailer.Get("exception")[0]+" "+trailer.Get("leader-endpoint-host")[0]+" "+
		trailer.Get("leader-endpoint-port")[0], "not-leader leader.test 2113")
}

func TestPasswords(t *testing.T) {
	client := connect(t, esdbserver.Options{Users: map[string]esdbserver.User{
		"admin": {Password: "changeit"}, "guest": {Password: "see", ReadOnly: true}, "none": {}}})
	for authorization, want := range map[string]codes.Code{
		"":                            codes.Unauthenticated,
		"Basic YWRtaW46Y2hhbmdlaXQ=":  codes.InvalidArgument, // admin:changeit, and then no options
		"Basic YWRtaW46Y2hhbmdlaXU=":  codes.Unauthenticated, // admin:changeiu
		"Basic Z3Vlc3Q6Y2hhbmdlaXQ=":  codes.Unauthenticated, // guest:changeit
		"Basic bm9ib2R5Og==":          codes.Unauthenticated, // nobody, with the password of nobody
		"Bearer YWRtaW46Y2hhbmdlaXQ=": codes.Unauthenticated,
		"Basic ?":                     codes.Unauthenticated,
	} {
		ctx := context10(t)
		if authorization != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", authorization)
		}
		_, err := client.Tombstone(ctx, &streams.TombstoneReq{})
		wantStatus(t, authorization, err, want)
	}
	ctx := metadata.AppendToOutgoingContext(context10(t), "authorization", "Basic Z3Vlc3Q6c2Vl") // guest:see
	_, err := client.Tombstone(ctx, &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
		StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte("s")},
		ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}}}})
	wantStatus(t, "a guest who writes", err, codes.PermissionDenied)
}

func TestLongestStreamName(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	name := strings.Repeat("n", eventstore.StreamNameMax)
	mustAppend(t, client, name, esdb.NoStream{}, note(0))
	read, err := client.ReadStream(context10(t), name, esdb.ReadStreamOptions{}, 9)
	wantEqual(t, "what was written", datas(t, read, err), []string{"0"})
	_, err = client.AppendToStream(context10(t), name+"n", esdb.AppendToStreamOptions{}, note(0))
	if err == nil {
		t.Error("a longer name was taken")
	}
}
