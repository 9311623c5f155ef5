package esdbserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
)

// TestHostileIsSilent: nothing comes, and nothing is lost; what was asked meanwhile is answered when it is over.
func TestHostileIsSilent(t *testing.T) {
	front := new(esdbserver.Front)
	r := raw{t, connect(t, esdbserver.Options{Hostile: &esdbserver.Hostile{Front: front}})}
	r.mustAppend("s", noStream(), proposed("t", 1))
	front.Silent(true)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	call, err := r.Read(ctx, &streams.ReadReq{Options: ofStream("s", 1, false, forwards)})
	if err == nil {
		_, err = call.Recv()
	}
	wantStatus(t, "while it is silent", err, codes.DeadlineExceeded)
	waits := make(chan error, 1)
	go func() {
		_, err := r.read(ofStream("s", 1, false, forwards))
		waits <- err
	}()
	front.Silent(false)
	if err := <-waits; err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestHostileStandsBehindAnIngress(t *testing.T) {
	front := new(esdbserver.Front)
	r := raw{t, connect(t, esdbserver.Options{Hostile: &esdbserver.Hostile{Front: front}})}
	r.mustAppend("s", noStream(), proposed("t", 1))
	for _, code := range []int{http.StatusNotFound, http.StatusForbidden} {
		front.Ingress(code)
		for { // a call may meet the connection that ends
			_, err := r.read(ofStream("s", 1, false, forwards))
			if err == nil {
				t.Fatal("the server answers")
			}
			if strings.Contains(err.Error(), fmt.Sprint("unexpected HTTP status code received from server: ", code)) {
				break
			}
			wantStatus(t, "at first", err, codes.Unavailable)
		}
	}
	front.Ingress(0)
	for { // the same
		_, err := r.read(ofStream("s", 1, false, forwards))
		if err == nil {
			return
		}
		wantStatus(t, "afterwards", err, codes.Unavailable)
	}
}

// TestHostileHasScavenged: what is gone leaves no place in $all where a read may begin.
func TestHostileHasScavenged(t *testing.T) {
	r := raw{t, connect(t, esdbserver.Options{Hostile: &esdbserver.Hostile{
		Scavenged: func(e eventstore.Event) bool { return e.Stream == "gone" },
	}})}
	gone := r.mustAppend("gone", noStream(), proposed("t", 1)).GetPosition().GetCommitPosition()
	kept := r.mustAppend("kept", noStream(), proposed("t", 1)).GetPosition().GetCommitPosition()
	positions, err := r.read(allFrom(0, 0, forwards))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "the log", positions, []uint64{kept})
	_, err = r.read(allFrom(gone, gone, forwards))
	r.want("a read from what is gone", err, codes.Unknown, "Unexpected ReadAllResult: InvalidPosition")
	_, err = r.read(following(allFrom(gone, gone, forwards)))
	r.want("a subscription from there", err, codes.InvalidArgument, "Trying to read from an invalid position.")
}

// TestHostileTakesFewCallsAtOnce: further calls of a connection wait in the client, without an error.
func TestHostileTakesFewCallsAtOnce(t *testing.T) {
	r := raw{t, connect(t, esdbserver.Options{Hostile: &esdbserver.Hostile{CallsMax: 3}})}
	r.mustAppend("s", noStream(), proposed("t", 1))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 3 {
		call, err := r.Read(ctx, &streams.ReadReq{Options: following(allFrom(0, 0, forwards))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := call.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	short, end := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer end()
	_, err := r.Read(short, &streams.ReadReq{Options: ofStream("s", 1, false, forwards)})
	wantStatus(t, "a fourth", err, codes.DeadlineExceeded)
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := r.read(ofStream("s", 1, false, forwards)); err != nil {
			t.Errorf("a fourth, when one has ended: %v", err)
		}
	})
	cancel()
	all.Wait()
}

// TestHostileBreaksConnections: a call that is open ends at once.
func TestHostileBreaksConnections(t *testing.T) {
	front := new(esdbserver.Front)
	r := raw{t, connect(t, esdbserver.Options{Hostile: &esdbserver.Hostile{Front: front}})}
	call, err := r.Read(context10(t), &streams.ReadReq{Options: following(allFrom(0, 0, forwards))})
	if err == nil {
		_, err = call.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	front.Break()
	for err == nil {
		_, err = call.Recv()
	}
	if errors.Is(err, io.EOF) || status.Code(err) != codes.Unavailable {
		t.Errorf("it ended with %v", err)
	}
}
