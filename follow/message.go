package follow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/google/uuid"

	"daybook/eventstore"
)

// Metadata of a message that was made of an event. Its UUID is the event's id, its payload the event's data.
const (
	EventName = "event_name" // the stored name, as tab.opened.v1
	Stream    = "stream"
	Revision  = "revision" // in the stream
	Position  = "position" // in the log, as Daybook-Position writes it
	Created   = "created"  // when the log took it, RFC 3339 in UTC
	StoreID   = "store"    // the id that leads in the stream's name, "" if it has none
	// Correlation is what the event's metadata calls correlationId. Watermill's middleware knows it by this name.
	Correlation = middleware.CorrelationIDMetadataKey
	Causation   = "causation_id" // what the event's metadata calls causationId: the event that this one follows from
	// EventMetadata is the event's metadata as it stands in the log. Its texts stand beside it, too, by their own names.
	EventMetadata = "event_metadata"
)

// Names in an event's metadata.
const (
	correlationField = "correlationId"
	causationField   = "causationId"
)

// ofTheLog are the metadata that say where an event stands. A publisher does not store them.
var ofTheLog = []string{EventName, Stream, Revision, Position, Created, StoreID, EventMetadata, Correlation, Causation}

// MessageOf returns an event as a message. The payload is the event's data, not a copy.
func MessageOf(e eventstore.Event) *message.Message {
	msg := message.NewMessage(e.ID.String(), message.Payload(e.Data))
	for name, text := range textsOf(e.Metadata) {
		msg.Metadata.Set(name, text)
	}
	_, rest, _ := strings.Cut(e.Stream, "-")
	storeID, _, _ := strings.Cut(rest, "-")
	for name, text := range map[string]string{
		EventName: e.Type, Stream: e.Stream, Revision: strconv.FormatInt(int64(e.Revision), 10), Position: e.Position.String(),
		Created: e.Created.UTC().Format(time.RFC3339Nano), StoreID: storeID, EventMetadata: string(e.Metadata),
		Correlation: msg.Metadata[correlationField], Causation: msg.Metadata[causationField],
	} {
		msg.Metadata.Set(name, text)
	}
	delete(msg.Metadata, correlationField)
	delete(msg.Metadata, causationField)
	return msg
}

// textsOf are the fields of a JSON object that are texts.
func textsOf(object []byte) map[string]string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(object, &fields) != nil {
		return nil
	}
	texts := map[string]string{}
	for name, raw := range fields {
		var text string
		if json.Unmarshal(raw, &text) == nil && string(raw) != "null" {
			texts[name] = text
		}
	}
	return texts
}

// EventOf returns the event that MessageOf made a message of. It is an error if something of that is missing.
func EventOf(msg *message.Message) (eventstore.Event, error) {
	fail := func(what string, err error) (eventstore.Event, error) {
		return eventstore.Event{}, fmt.Errorf("message %s is no event of a log: %s: %w", msg.UUID, what, err)
	}
	id, err := uuid.Parse(msg.UUID)
	if err != nil {
		return fail("id", err)
	}
	revision, err := strconv.ParseInt(msg.Metadata[Revision], 10, 64)
	if err != nil {
		return fail(Revision, err)
	}
	position, err := eventstore.ParsePosition(msg.Metadata[Position])
	if err != nil {
		return fail(Position, err)
	}
	created, err := time.Parse(time.RFC3339Nano, msg.Metadata[Created])
	if err != nil {
		return fail(Created, err)
	}
	e := eventstore.Event{
		Stream: msg.Metadata[Stream], Revision: eventstore.Revision(revision), Position: position, ID: id,
		Type: msg.Metadata[EventName], Created: created, Data: msg.Payload,
	}
	if text := msg.Metadata[EventMetadata]; text != "" {
		e.Metadata = []byte(text)
	}
	return e, nil
}

// newEvent makes of a message what a publisher appends. The id is the message's UUID, or follows from it if it is none.
func newEvent(msg *message.Message) (eventstore.NewEvent, error) {
	id, err := uuid.Parse(msg.UUID)
	if err != nil {
		id = uuid.NewSHA1(uuid.NameSpaceURL, []byte("message/"+msg.UUID))
	}
	fields := map[string]any{}
	if text := msg.Metadata[EventMetadata]; text != "" { // of another log
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			return eventstore.NewEvent{}, fmt.Errorf("message %s: %s: %w", msg.UUID, EventMetadata, err)
		}
	}
	for name, text := range msg.Metadata {
		if !slices.Contains(ofTheLog, name) {
			fields[name] = text
		}
	}
	for name, field := range map[string]string{Correlation: correlationField, Causation: causationField} {
		if text := msg.Metadata[name]; text != "" {
			fields[field] = text
		}
	}
	e := eventstore.NewEvent{ID: id, Type: msg.Metadata[EventName], Data: slices.Clone(msg.Payload)}
	if e.Type == "" {
		e.Type = unnamed
	}
	if len(fields) > 0 {
		e.Metadata, err = json.Marshal(fields)
	}
	return e, err
}

// unnamed is the stored name of a message that has none.
const unnamed = "message"
