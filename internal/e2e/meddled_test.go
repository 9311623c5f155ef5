package e2e

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// put appends an event past the protocol, as an operator of the server or another application may have done.
func (l *logServer) put(stream, typ, data string) eventstore.Revision {
	l.t.Helper()
	last := eventstore.NoStream
	for e, err := range l.log.ReadStream(l.t.Context(), stream, eventstore.StreamRead{From: eventstore.Last, Direction: eventstore.Backward, Limit: 1}) {
		if err != nil {
			l.t.Fatal(err)
		}
		last = e.Revision
	}
	at, err := l.log.Append(l.t.Context(), stream, last, []eventstore.NewEvent{{ID: uuid.New(), Type: typ, Data: []byte(data)}})
	if err != nil {
		l.t.Fatal(err)
	}
	return at.Revision
}

// tabs are the streams of tabs with several events.
func (l *logServer) tabs() (names []string) {
	l.t.Helper()
	for e, err := range l.log.ReadAll(l.t.Context(), eventstore.LogRead{}) {
		if err != nil {
			l.t.Fatal(err)
		}
		if strings.HasPrefix(e.Stream, "tab-") && e.Revision == 1 {
			names = append(names, e.Stream)
		}
	}
	return names
}

// TestVerifyNamesStreamsThatWereMeddledWith: whatever was done to a stream on the server, verify names it, all of them at
// once, and counts what it looked at.
func TestVerifyNamesStreamsThatWereMeddledWith(t *testing.T) {
	l := serveLog(t)
	in := install(t, l.env()...)
	s := in.serve()
	in.awaitReady()
	f := newFloor(t, in.owner("anna").cafe(t, 4), 17)
	f.serveGuests(80)
	if code := s.stop(); code != 0 {
		t.Fatalf("exit code %d after SIGTERM", code)
	}
	if out := in.succeed("verify"); strings.Contains(out, "log        0 entries") {
		t.Errorf("verify: %s", out)
	}
	tabs := l.tabs()
	if len(tabs) < 5 {
		t.Fatalf("%d tabs", len(tabs))
	}
	l.put("$$"+tabs[0], "$metadata", `{"$maxCount":1}`)
	l.put("$$"+tabs[1], "$metadata", fmt.Sprintf(`{"$tb":%d}`, math.MaxInt64))
	l.put(tabs[2], "$streamDeleted", `{}`)
	foreign := l.put(tabs[3], "note.added", `{}`)
	l.put(tabs[4], "$>", `0@`+tabs[0])
	link := l.put(tabs[4], "note.added", `{}`)
	opened := l.put("store-billing", "store.opened.v1", `{"hello":true}`)
	l.put("$$store-"+f.r.storeID, "$metadata", `{"$tb":1}`)
	in.refused([]string{"verify"},
		"stream "+tabs[0]+", revision ",
		"stream "+tabs[1]+" reads as empty",
		tabs[2],
		fmt.Sprintf("stream %s revision %d: an event of type", tabs[3], foreign),
		fmt.Sprintf("stream %s: after revision %d comes %d", tabs[4], link-2, link),
		fmt.Sprintf("stream store-billing revision %d", opened),
		"stream store-"+f.r.storeID+", revision 1",
	)
}

// TestVerifyOfNothing: a directory that is not there, as after a slip of the pen, does not agree with anything.
func TestVerifyOfNothing(t *testing.T) {
	in := install(t)
	in.refused([]string{"verify"}, "there is no directory", in.data)
	if _, err := os.Stat(in.data); !os.IsNotExist(err) {
		t.Errorf("%s was made: %v", in.data, err)
	}
}
