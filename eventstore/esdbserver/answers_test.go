package esdbserver_test

import (
	"errors"
	"io"
	"math"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"daybook/eventstore/esdbserver"
)

// These tests hold the server to what EventStoreDB 24.10 was seen to answer, word for word where clients have nothing else
// to go by:
//
//	an append of 1,048,576 bytes or more     TestAnswerToTooLargeAnAppend
//	2,000, 5,000, 10,000 small events        TestAnswerToManySmallEvents
//	an append of no events                   TestAnswerToAnAppendOfNothing
//	"any" with an id that the stream holds   TestAnswerToAnIdThatTheStreamHolds
//	an empty type, an empty stream name      TestAnswerToEmptyNames
//	a stream with count 0, or from its end   TestAnswersToReadsOfNothing
//	$all either way from beyond the end,
//	  from inside a record, or with a
//	  prepare position above the commit's    TestAnswersToPositions
//	a subscription from inside a record      TestAnswersToPositions
//	a subscription from beyond the end       TestAnswerToASubscriptionBeyondTheEnd
//	the deletion of a missing stream         TestAnswerToTheDeletionOfAMissingStream
//	a deleted stream, $maxCount              TestAnswersToStreamsThatLostTheirBeginning, TestDeletedStreamBeginsAnew
//	a tombstoned stream                      TestAnswersToATombstonedStream
//	a version with a suffix                  TestAnswerWithTheVersion
//	what has no exception trailer            TestAnswersWithoutAnException
//
// How the server fails, and what becomes of that, is listed in package kurrent's failures_test.go.

// raw speaks the protocol as no careful client would.
type raw struct {
	*testing.T
	streams.StreamsClient
}

type proposal = streams.AppendReq_ProposedMessage

func newRaw(t *testing.T) raw { return raw{t, connect(t, esdbserver.Options{})} }

func anyRevision() *streams.AppendReq_Options {
	return &streams.AppendReq_Options{ExpectedStreamRevision: &streams.AppendReq_Options_Any{Any: &shared.Empty{}}}
}

func noStream() *streams.AppendReq_Options {
	return &streams.AppendReq_Options{ExpectedStreamRevision: &streams.AppendReq_Options_NoStream{NoStream: &shared.Empty{}}}
}

func proposed(typ string, bytes int) *proposal {
	return &proposal{
		Id: textUUID(), Metadata: map[string]string{"type": typ, "content-type": "application/octet-stream"},
		Data: make([]byte, bytes),
	}
}

func (r raw) append(stream string, o *streams.AppendReq_Options, events ...*proposal) (*streams.AppendResp, metadata.MD, error) {
	r.Helper()
	call, err := r.Append(context10(r.T))
	if err != nil {
		r.Fatal(err)
	}
	o.StreamIdentifier = &shared.StreamIdentifier{StreamName: []byte(stream)}
	err = call.Send(&streams.AppendReq{Content: &streams.AppendReq_Options_{Options: o}})
	for _, e := range events {
		if err == nil {
			err = call.Send(&streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: e}})
		}
	}
	if err != nil && !errors.Is(err, io.EOF) { // the reason comes with the answer
		r.Fatal(err)
	}
	resp, err := call.CloseAndRecv()
	return resp, call.Trailer(), err
}

func (r raw) mustAppend(stream string, o *streams.AppendReq_Options, events ...*proposal) *streams.AppendResp_Success {
	r.Helper()
	resp, _, err := r.append(stream, o, events...)
	if err != nil || resp.GetSuccess() == nil {
		r.Fatalf("append to %q: %v, %v", stream, resp, err)
	}
	return resp.GetSuccess()
}

// read returns the positions of the events that a read yields, and how it ends.
func (r raw) read(o *streams.ReadReq_Options) (positions []uint64, err error) {
	r.Helper()
	call, err := r.Read(context10(r.T), &streams.ReadReq{Options: o})
	if err != nil {
		r.Fatal(err)
	}
	for {
		resp, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return positions, nil
		}
		if err != nil {
			return positions, err
		}
		if e := resp.GetEvent(); e != nil {
			positions = append(positions, e.GetEvent().GetCommitPosition())
		}
	}
}

func (r raw) want(what string, err error, code codes.Code, message string) {
	r.Helper()
	if status.Code(err) != code || status.Convert(err).Message() != message {
		r.Errorf("%s: %v, want %v %q", what, err, code, message)
	}
}

func allFrom(commit, prepare uint64, direction streams.ReadReq_Options_ReadDirection) *streams.ReadReq_Options {
	return &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
			AllOption: &streams.ReadReq_Options_AllOptions_Position{
				Position: &streams.ReadReq_Options_Position{CommitPosition: commit, PreparePosition: prepare}}}},
		ReadDirection: direction, CountOption: &streams.ReadReq_Options_Count{Count: 10},
	}
}

func following(o *streams.ReadReq_Options) *streams.ReadReq_Options {
	o.CountOption = &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}}
	return o
}

// filtered lets through streams that begin with "s".
func filtered(o *streams.ReadReq_Options) *streams.ReadReq_Options {
	o.FilterOption = &streams.ReadReq_Options_Filter{Filter: &streams.ReadReq_Options_FilterOptions{
		Filter: &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
			StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Prefix: []string{"s"}}},
		Window: &streams.ReadReq_Options_FilterOptions_Max{Max: 32}, CheckpointIntervalMultiplier: 1,
	}}
	return o
}

func ofStream(stream string, count uint64, end bool, direction streams.ReadReq_Options_ReadDirection) *streams.ReadReq_Options {
	o := &streams.ReadReq_Options_StreamOptions{
		StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(stream)},
		RevisionOption:   &streams.ReadReq_Options_StreamOptions_Start{Start: &shared.Empty{}},
	}
	if end {
		o.RevisionOption = &streams.ReadReq_Options_StreamOptions_End{End: &shared.Empty{}}
	}
	return &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_Stream{Stream: o}, ReadDirection: direction,
		CountOption: &streams.ReadReq_Options_Count{Count: count},
	}
}

const (
	forwards  = streams.ReadReq_Options_Forwards
	backwards = streams.ReadReq_Options_Backwards
)

func TestAnswerToTooLargeAnAppend(t *testing.T) {
	r := newRaw(t)
	const half = 524_288
	for _, c := range []struct {
		what  string
		sizes []int
		taken bool
	}{
		{"one event just below", []int{1_048_570}, true},
		{"one event of a mebibyte", []int{1_048_576}, false},
		{"two halves of a mebibyte", []int{half, half}, false},
		{"two somewhat smaller", []int{half - 88, half - 88}, true},
	} {
		var events []*proposal
		for _, size := range c.sizes {
			events = append(events, proposed("t", size))
		}
		_, trailer, err := r.append(c.what, noStream(), events...)
		if c.taken {
			wantStatus(t, c.what, err, codes.OK)
			continue
		}
		wantStatus(t, c.what, err, codes.InvalidArgument)
		wantEqual(t, c.what, trailer.Get("exception"), []string{"maximum-append-size-exceeded"})
		wantEqual(t, c.what, trailer.Get("maximum-append-size"), []string{"1048576"})
	}
}

func TestAnswerToManySmallEvents(t *testing.T) {
	r := newRaw(t)
	for _, n := range []int{2000, 5000, 10_000} {
		events := make([]*proposal, n)
		for i := range events {
			events[i] = proposed("t", 1)
		}
		at := r.mustAppend("many"+string(rune('a'+n/1000)), noStream(), events...)
		wantEqual(t, "revision", at.GetCurrentRevision(), uint64(n-1))
	}
}

func TestAnswerToAnAppendOfNothing(t *testing.T) {
	r := newRaw(t)
	first := r.mustAppend("s", noStream(), proposed("t", 1), proposed("t", 1))
	for stream, want := range map[string]uint64{"s": 1, "missing": 0} {
		o := anyRevision()
		if stream == "missing" {
			o = noStream()
		}
		at := r.mustAppend(stream, o)
		if at.GetCurrentRevision() != want || at.GetPosition().GetCommitPosition() < first.GetPosition().GetCommitPosition() {
			t.Errorf("%s: %v", stream, at)
		}
	}
}

func TestAnswerToAnIdThatTheStreamHolds(t *testing.T) {
	r := newRaw(t)
	event := proposed("t", 1)
	first := r.mustAppend("s", noStream(), event)
	r.mustAppend("s", anyRevision(), proposed("t", 2))
	again := r.mustAppend("s", anyRevision(), event)
	if again.GetPosition().GetCommitPosition() != first.GetPosition().GetCommitPosition() || again.GetCurrentRevision() != 0 {
		t.Errorf("first %v, again %v", first, again)
	}
	positions, err := r.read(ofStream("s", 10, false, forwards))
	if err != nil || len(positions) != 2 {
		t.Errorf("%d events, %v", len(positions), err)
	}
	if elsewhere := r.mustAppend("other", anyRevision(), event); elsewhere.GetPosition() == first.GetPosition() {
		t.Errorf("in another stream: %v", elsewhere)
	}
}

func TestAnswerToEmptyNames(t *testing.T) {
	const thrown = "Exception was thrown by handler."
	r := newRaw(t)
	_, _, err := r.append("s", noStream(), proposed("", 1))
	r.want("an event without a type", err, codes.Unknown, thrown)
	_, _, err = r.append("", noStream(), proposed("t", 1))
	r.want("a stream without a name", err, codes.Unknown, thrown)
	_, err = r.read(ofStream("", 1, false, forwards))
	r.want("a read of it", err, codes.Unknown, thrown)
	call, err := r.BatchAppend(context10(t))
	if err != nil {
		t.Fatal(err)
	}
	resp := exchange(t, call, batchOf(textUUID(), toNewStream(""), true, "1"))
	wantEqual(t, "in the batch call", codes.Code(resp.GetError().GetCode()), codes.Unknown)
	if !resp.GetError().GetDetails()[0].MessageIs(&shared.Unknown{}) {
		t.Errorf("in the batch call: %v", resp.GetError())
	}
}

func TestAnswersToReadsOfNothing(t *testing.T) {
	const refused = "Unexpected ReadStreamResult: Error"
	r := newRaw(t)
	r.mustAppend("s", noStream(), proposed("t", 1))
	_, err := r.read(ofStream("s", 0, false, forwards))
	r.want("count 0", err, codes.Unknown, refused)
	_, err = r.read(ofStream("s", 10, true, forwards))
	r.want("forward from the end", err, codes.Unknown, refused)
}

func TestAnswersToPositions(t *testing.T) {
	r := newRaw(t)
	last := r.mustAppend("s", noStream(), proposed("t", 1), proposed("t", 1)).GetPosition().GetCommitPosition()
	const inside, error, thrown = "Unexpected ReadAllResult: InvalidPosition", "Unexpected ReadAllResult: Error", "Exception was thrown by handler."
	far := last + 1000*esdbserver.Stride
	for _, c := range []struct {
		what            string
		commit, prepare uint64
		direction       streams.ReadReq_Options_ReadDirection
		code            codes.Code
		message         string
		want            int
	}{
		{"forward from the last", last, last, forwards, codes.OK, "", 1},
		{"backward from the last", last, last, backwards, codes.OK, "", 1},
		{"forward from beyond the end", far, far, forwards, codes.OK, "", 0},
		{"backward from beyond the end", far, far, backwards, codes.Unknown, error, 0},
		{"backward from what means the end", math.MaxUint64, math.MaxUint64, backwards, codes.OK, "", 2},
		{"forward from inside a record", last - 1, last - 1, forwards, codes.Unknown, inside, 0},
		{"backward from inside a record", last - 1, last - 1, backwards, codes.Unknown, inside, 0},
		{"prepared after it was committed", last, last + 1, forwards, codes.Unknown, thrown, 0},
	} {
		positions, err := r.read(allFrom(c.commit, c.prepare, c.direction))
		r.want(c.what, err, c.code, c.message)
		wantEqual(t, c.what, len(positions), c.want)
	}
	for _, o := range []*streams.ReadReq_Options{allFrom(last-1, last-1, forwards), filtered(allFrom(last-1, last-1, forwards))} {
		_, err := r.read(following(o))
		r.want("a subscription inside a record", err, codes.InvalidArgument, "Trying to read from an invalid position.")
	}
}

// TestAnswersWithoutAnException: what is wrong with a read is told by the text only.
func TestAnswersWithoutAnException(t *testing.T) {
	r := newRaw(t)
	last := r.mustAppend("s", noStream(), proposed("t", 1)).GetPosition().GetCommitPosition()
	far := last + 1000*esdbserver.Stride
	for what, o := range map[string]*streams.ReadReq_Options{
		"backward from beyond the end":   allFrom(far, far, backwards),
		"inside a record":                allFrom(last-1, last-1, forwards),
		"a subscription inside a record": following(allFrom(last-1, last-1, forwards)),
		"forward from the stream's end":  ofStream("s", 1, true, forwards),
	} {
		call, err := r.Read(context10(t), &streams.ReadReq{Options: o})
		if err == nil {
			_, err = call.Recv()
		}
		if err == nil || len(call.Trailer().Get("exception")) > 0 {
			t.Errorf("%s: %v, %v", what, err, call.Trailer())
		}
	}
}

// TestAnswerWithTheVersion: servers tell it as it is, also one that the Go client cannot read.
func TestAnswerWithTheVersion(t *testing.T) {
	const version = "24.10.0-prerelease"
	address, _ := serve(t, esdbserver.New(openStore(t), esdbserver.Options{Logger: quiet, Version: version}), "127.0.0.1:0")
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	methods, err := serverfeatures.NewServerFeaturesClient(connection).GetSupportedMethods(context10(t), &shared.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "version", methods.GetEventStoreServerVersion(), version)
	if _, err := dial(t, address).GetServerVersion(); err == nil {
		t.Error("the client can use it")
	}
}

// TestAnswerToASubscriptionBeyondTheEnd: no error, "caught up" at once, then silence until the log has grown past it.
func TestAnswerToASubscriptionBeyondTheEnd(t *testing.T) {
	for name, as := range map[string]func(*streams.ReadReq_Options) *streams.ReadReq_Options{"all": following, "filtered": func(o *streams.ReadReq_Options) *streams.ReadReq_Options {
		return filtered(following(o))
	}} {
		t.Run(name, func(t *testing.T) { followBeyondTheEnd(t, as) })
	}
}

func followBeyondTheEnd(t *testing.T, as func(*streams.ReadReq_Options) *streams.ReadReq_Options) {
	r := newRaw(t)
	at := r.mustAppend("s", noStream(), proposed("t", 1)).GetPosition().GetCommitPosition()
	beyond := at + 2*esdbserver.Stride
	call, err := r.Read(context10(t), &streams.ReadReq{Options: as(allFrom(beyond, beyond, forwards))})
	if err != nil {
		t.Fatal(err)
	}
	receive := func() *streams.ReadResp {
		t.Helper()
		resp, err := call.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	if receive().GetConfirmation() == nil || receive().GetCaughtUp() == nil {
		t.Fatal("not caught up at once")
	}
	for range 3 { // up to the position and past it
		r.mustAppend("s", anyRevision(), proposed("t", 1))
	}
	for {
		resp := receive()
		if e := resp.GetEvent(); e != nil {
			wantEqual(t, "the first event", e.GetEvent().GetCommitPosition(), beyond+esdbserver.Stride)
			return
		}
	}
}

func TestAnswerToTheDeletionOfAMissingStream(t *testing.T) {
	r := newRaw(t)
	var trailer metadata.MD
	_, err := r.Delete(context10(t), &streams.DeleteReq{Options: &streams.DeleteReq_Options{
		StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte("missing")},
		ExpectedStreamRevision: &streams.DeleteReq_Options_Any{Any: &shared.Empty{}},
	}}, grpc.Trailer(&trailer))
	wantStatus(t, "delete", err, codes.FailedPrecondition)
	wantEqual(t, "the trailers", []string{trailer.Get("exception")[0], trailer.Get("expected-version")[0], trailer.Get("actual-version")[0]},
		[]string{"wrong-expected-version", "-2", "-1"})
}

func TestAnswersToATombstonedStream(t *testing.T) {
	r := newRaw(t)
	r.mustAppend("s", noStream(), proposed("t", 1))
	if _, err := r.Tombstone(context10(t), &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
		StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte("s")},
		ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}},
	}}); err != nil {
		t.Fatal(err)
	}
	_, trailer, err := r.append("s", anyRevision(), proposed("t", 1))
	wantStatus(t, "append", err, codes.FailedPrecondition)
	wantEqual(t, "append", trailer.Get("exception"), []string{"stream-deleted"})
	call, err := r.Read(context10(t), &streams.ReadReq{Options: ofStream("s", 1, false, forwards)})
	if err == nil {
		_, err = call.Recv()
	}
	wantStatus(t, "read", err, codes.FailedPrecondition)
	wantEqual(t, "read", call.Trailer().Get("exception"), []string{"stream-deleted"})
}

// TestAnswersToStreamsThatLostTheirBeginning: what is left keeps its revisions, and nothing else tells.
func TestAnswersToStreamsThatLostTheirBeginning(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	for _, c := range []struct {
		what string
		lose func(stream string)
		want []uint64
	}{
		{"$maxCount", func(stream string) {
			metadata := esdb.StreamMetadata{}
			metadata.SetMaxCount(1)
			if _, err := client.SetStreamMetadata(context10(t), stream, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}}, metadata); err != nil {
				t.Fatal(err)
			}
		}, []uint64{1}},
		{"deleted, written to again", func(stream string) {
			if _, err := client.DeleteStream(context10(t), stream, esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
				t.Fatal(err)
			}
			_, err := client.ReadStream(context10(t), stream, esdb.ReadStreamOptions{}, 9)
			if err == nil {
				wantEqual(t, "revision", mustAppend(t, client, stream, esdb.NoStream{}, note(2)).NextExpectedVersion, 2)
			}
		}, []uint64{2}},
	} {
		mustAppend(t, client, c.what, esdb.NoStream{}, notes(0, 2)...)
		c.lose(c.what)
		read, err := client.ReadStream(context10(t), c.what, esdb.ReadStreamOptions{}, 9)
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		var revisions []uint64
		for e, err := read.Recv(); err == nil; e, err = read.Recv() {
			revisions = append(revisions, e.OriginalEvent().EventNumber)
		}
		wantEqual(t, c.what, revisions, c.want)
	}
}
