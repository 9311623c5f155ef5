package kurrent

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/eventstore"
)

// proposals copies events into the library's form: a call whose context ended may still be reading them.
func proposals(events []eventstore.NewEvent) []esdb.EventData {
	list := make([]esdb.EventData, len(events))
	for i, e := range events {
		list[i] = esdb.EventData{EventID: e.ID, EventType: e.Type, ContentType: esdb.ContentTypeBinary, Data: slices.Clone(e.Data), Metadata: slices.Clone(e.Metadata)}
		if json.Valid(e.Data) { // what the server's own tools look at
			list[i].ContentType = esdb.ContentTypeJson
		}
	}
	return list
}

// received takes over what the library read.
func received(r *esdb.RecordedEvent) (eventstore.Event, error) {
	e := eventstore.Event{
		Stream: r.StreamID, Revision: eventstore.Revision(r.EventNumber), Position: place(r.Position),
		ID: r.EventID, Type: r.EventType, Created: r.CreatedDate.UTC(), Data: r.Data, Metadata: r.UserMetadata,
	}
	if len(e.Metadata) == 0 {
		e.Metadata = nil
	}
	if !known(r.Position) {
		return e, fmt.Errorf("the server gives no position with event %d of stream %s: it is older than what is supported", r.EventNumber, r.StreamID)
	}
	return e, nil
}

func place(p esdb.Position) eventstore.Position {
	return eventstore.Position{Commit: p.Commit, Prepare: p.Prepare}
}

// known tells a position from the ways in which servers say that they have none.
func known(p esdb.Position) bool {
	return p.Commit != math.MaxUint64 && p.Prepare != math.MaxUint64 && p != esdb.Position{}
}

// ours tells events that users of the port may see from the server's own, links to events, and the log's identity.
func ours(stream, typ string) bool {
	return !strings.HasPrefix(stream, "$") && !strings.HasPrefix(typ, "$") && stream != identityStream
}

// ours leaves out other applications' events, too.
func (s *Store) ours(stream, typ string) bool {
	return ours(stream, typ) && eventstore.Filter{Prefixes: s.prefixes}.Matches(stream, typ)
}
