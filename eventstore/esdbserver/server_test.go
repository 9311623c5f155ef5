package esdbserver_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
)

func TestAppendRepeatsAndConflicts(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	first := notes(0, 3)
	a := mustAppend(t, client, "s", esdb.NoStream{}, first...)
	wantEqual(t, "revision", a.NextExpectedVersion, 2)
	wantEqual(t, "position", a.CommitPosition, 3*esdbserver.Stride)
	again := mustAppend(t, client, "s", esdb.NoStream{}, first...)
	wantEqual(t, "a repetition", again, a)
	mustAppend(t, client, "s", esdb.Revision(2), note(3))
	_, err := client.AppendToStream(context10(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.Revision(2)}, note(4))
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	_, err = client.AppendToStream(context10(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.Revision(9)}, note(4))
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	_, err = client.AppendToStream(context10(t), "none", esdb.AppendToStreamOptions{ExpectedRevision: esdb.StreamExists{}}, note(4))
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	once := note(4)
	b := mustAppend(t, client, "s", esdb.Any{}, once)
	wantEqual(t, "a repetition without a revision", mustAppend(t, client, "s", esdb.Any{}, once), b)
	wantEqual(t, "an empty append", mustAppend(t, client, "s", esdb.Any{}).NextExpectedVersion, 4)
}

func TestAppendTakesWhatIsNotTooMuch(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	big := note(0)
	big.Data = make([]byte, eventstore.AppendBytesMax-2*len(big.EventType)-len(big.Metadata))
	mustAppend(t, client, "s", esdb.NoStream{}, big)
	big.Data = make([]byte, 1<<20)
	_, err := client.AppendToStream(context10(t), "s", esdb.AppendToStreamOptions{}, big)
	if err == nil {
		t.Error("too large an append was taken")
	}
	wantEqual(t, "next revision", mustAppend(t, client, "s", esdb.Any{}, note(1)).NextExpectedVersion, 1)
}

func TestReadStreamBothWays(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	mustAppend(t, client, "s", esdb.NoStream{}, notes(0, 5)...)
	for _, c := range []struct {
		name  string
		from  esdb.StreamPosition
		back  esdb.Direction
		count uint64
		want  []string
	}{
		{"from the start", esdb.Start{}, esdb.Forwards, 3, []string{"0", "1", "2"}},
		{"from a revision on", esdb.Revision(3), esdb.Forwards, 9, []string{"3", "4"}},
		{"after the end", esdb.Revision(5), esdb.Forwards, 9, nil},
		{"from the end back", esdb.End{}, esdb.Backwards, 2, []string{"4", "3"}},
		{"from a revision back", esdb.Revision(1), esdb.Backwards, 9, []string{"1", "0"}},
		{"from the start back", esdb.Start{}, esdb.Backwards, 9, []string{"0"}},
	} {
		read, err := client.ReadStream(context10(t), "s", esdb.ReadStreamOptions{From: c.from, Direction: c.back}, c.count)
		wantEqual(t, c.name, datas(t, read, err), c.want)
	}
}

func TestReadAllBothWays(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	mustAppend(t, client, "s", esdb.NoStream{}, notes(0, 5)...)
	at := func(n uint64) esdb.Position {
		return esdb.Position{Commit: n * esdbserver.Stride, Prepare: n * esdbserver.Stride}
	}
	for _, c := range []struct {
		name string
		from esdb.AllPosition
		back esdb.Direction
		want []string
	}{
		{"from the start", esdb.Start{}, esdb.Forwards, []string{"0", "1", "2"}},
		{"from a position on", at(4), esdb.Forwards, []string{"3", "4"}},
		{"from the end on", esdb.End{}, esdb.Forwards, nil},
		{"far after the end", at(1 << 50), esdb.Forwards, nil},
		{"from the end back", esdb.End{}, esdb.Backwards, []string{"4", "3", "2"}},
		{"before a position", at(3), esdb.Backwards, []string{"1", "0"}},
		{"before the start", esdb.Start{}, esdb.Backwards, nil},
	} {
		read, err := client.ReadAll(context10(t), esdb.ReadAllOptions{From: c.from, Direction: c.back}, 3)
		wantEqual(t, c.name, datas(t, read, err), c.want)
	}
}

func TestDeletedStreamBeginsAnew(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	mustAppend(t, client, "s", esdb.NoStream{}, notes(0, 2)...)
	_, err := client.DeleteStream(context10(t), "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(0)})
	if err == nil {
		t.Error("deleted at a wrong revision")
	}
	if _, err := client.DeleteStream(context10(t), "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(1)}); err != nil {
		t.Fatal(err)
	}
	read, err := client.ReadStream(context10(t), "s", esdb.ReadStreamOptions{}, 9)
	if err != nil {
		t.Fatal(err)
	}
	_, err = read.Recv()
	wantCode(t, err, esdb.ErrorCodeResourceNotFound)
	_, err = client.AppendToStream(context10(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.StreamExists{}}, note(2))
	if err == nil || !strings.Contains(err.Error(), "got 'no_stream'") {
		t.Errorf("an append to a deleted stream that must exist: %v", err)
	}
	wantEqual(t, "revision", mustAppend(t, client, "s", esdb.NoStream{}, note(2)).NextExpectedVersion, 2)
	read, err = client.ReadStream(context10(t), "s", esdb.ReadStreamOptions{}, 9)
	wantEqual(t, "what is seen", datas(t, read, err), []string{"2"})
	read, err = client.ReadStream(context10(t), "s", esdb.ReadStreamOptions{From: esdb.End{}, Direction: esdb.Backwards}, 9)
	wantEqual(t, "what is seen backwards", datas(t, read, err), []string{"2"})
}

// Of many who begin a deleted stream anew, one does, and the others are told.
func TestDeletedStreamBeginsAnewOnce(t *testing.T) {
	client, store := start(t, esdbserver.Options{})
	mustAppend(t, client, "s", esdb.NoStream{}, note(0))
	if _, err := client.DeleteStream(context10(t), "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
		t.Fatal(err)
	}
	const many = 20
	results := make(chan error, many)
	for range many {
		go func() {
			_, err := client.AppendToStream(context10(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, note(1))
			results <- err
		}()
	}
	won := 0
	for range many {
		err := <-results
		if err == nil {
			won++
			continue
		}
		wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	}
	wantEqual(t, "winners", won, 1)
	for e, err := range store.ReadStream(t.Context(), "s", eventstore.StreamRead{From: eventstore.Last, Direction: eventstore.Backward, Limit: 1}) {
		wantEqual(t, "last revision", e.Revision, 1)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTombstoneIsTheEnd(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	mustAppend(t, client, "s", esdb.NoStream{}, note(0))
	if _, err := client.TombstoneStream(context10(t), "s", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Revision(0)}); err != nil {
		t.Fatal(err)
	}
	for _, expected := range []esdb.ExpectedRevision{esdb.Any{}, esdb.NoStream{}, esdb.StreamExists{}, esdb.Revision(0), esdb.Revision(1)} {
		_, err := client.AppendToStream(context10(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: expected}, note(1))
		wantCode(t, err, esdb.ErrorCodeStreamDeleted)
	}
	_, err := client.SubscribeToStream(context10(t), "s", esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
	_, err = client.DeleteStream(context10(t), "s", esdb.DeleteStreamOptions{})
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
}

func TestRetentionHidesEvents(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	mustAppend(t, client, "s", esdb.NoStream{}, notes(0, 5)...)
	metadata := esdb.StreamMetadata{}
	metadata.SetMaxCount(2)
	if _, err := client.SetStreamMetadata(context10(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, metadata); err != nil {
		t.Fatal(err)
	}
	read, err := client.ReadStream(context10(t), "s", esdb.ReadStreamOptions{}, 9)
	wantEqual(t, "with $maxCount", datas(t, read, err), []string{"3", "4"})
	metadata.SetTruncateBefore(4)
	if _, err := client.SetStreamMetadata(context10(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.Revision(0)}, metadata); err != nil {
		t.Fatal(err)
	}
	read, err = client.ReadStream(context10(t), "s", esdb.ReadStreamOptions{}, 9)
	wantEqual(t, "with $tb", datas(t, read, err), []string{"4"})
	found, err := client.GetStreamMetadata(context10(t), "s", esdb.ReadStreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "the newest metadata", *found.TruncateBefore(), 4)
}

func TestLinksAreResolved(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	mustAppend(t, client, "s", esdb.NoStream{}, notes(0, 2)...)
	link := func(to string) esdb.EventData {
		return esdb.EventData{EventID: uuid.New(), EventType: "$>", Data: []byte(to)}
	}
	metadata := esdb.StreamMetadata{}
	metadata.SetTruncateBefore(1)
	if _, err := client.SetStreamMetadata(context10(t), "s", esdb.AppendToStreamOptions{}, metadata); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, client, "links", esdb.NoStream{}, link("1@s"), link("7@s"), link("0@s"), link("?"))
	read, err := client.ReadStream(context10(t), "links", esdb.ReadStreamOptions{ResolveLinkTos: true}, 9)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	good, err := read.Recv()
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "resolved", string(good.Event.Data)+" by "+string(good.Link.Data), "1 by 1@s")
	for range 3 {
		bad, err := read.Recv()
		if err != nil || bad.Event != nil || bad.Link == nil {
			t.Errorf("a link that leads nowhere: %+v, %v", bad, err)
		}
	}
}

func TestReadersMayNotWrite(t *testing.T) {
	client, _ := start(t, esdbserver.Options{ReadOnly: true})
	_, err := client.AppendToStream(context10(t), "s", esdb.AppendToStreamOptions{}, note(0))
	wantCode(t, err, esdb.ErrorCodeAccessDenied)
	_, err = client.TombstoneStream(context10(t), "s", esdb.TombstoneStreamOptions{})
	wantCode(t, err, esdb.ErrorCodeAccessDenied)
}

func TestWhatIsNotOffered(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	err := client.CreatePersistentSubscription(context10(t), "s", "g", esdb.PersistentStreamSubscriptionOptions{})
	wantCode(t, err, esdb.ErrorCodeUnsupportedFeature)
}

func TestExposureNeedsTLSAndUsers(t *testing.T) {
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := esdbserver.New(openStore(t), esdbserver.Options{}).Serve(ctx, listener); !errors.Is(err, esdbserver.ErrExposed) {
		t.Errorf("got %v", err)
	}
}
