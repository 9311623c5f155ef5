package esdbserver

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"

	"daybook/eventstore"
)

// tick is .NET's unit of time in nanoseconds, which the protocol counts in.
const tick = 100

// System metadata of an event.
const (
	typeKey        = "type"
	contentTypeKey = "content-type"
	createdKey     = "created" // ticks since 1970
)

const (
	jsonContent  = "application/json"
	bytesContent = "application/octet-stream"
)

func structuredID(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:8])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}

func textID(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
}

func parseID(id *shared.UUID) (parsed uuid.UUID, err error) {
	if bits := id.GetStructured(); bits != nil {
		binary.BigEndian.PutUint64(parsed[:8], uint64(bits.MostSignificantBits))
		binary.BigEndian.PutUint64(parsed[8:], uint64(bits.LeastSignificantBits))
		return parsed, nil
	}
	if parsed, err = uuid.Parse(id.GetString_()); err != nil {
		return parsed, invalid("event id: " + err.Error())
	}
	return parsed, nil
}

// proposed is a message of Append or BatchAppend.
type proposed interface {
	GetId() *shared.UUID
	GetMetadata() map[string]string
	GetCustomMetadata() []byte
	GetData() []byte
}

func newEvent(m proposed) (eventstore.NewEvent, error) {
	id, err := parseID(m.GetId())
	if err != nil {
		return eventstore.NewEvent{}, err
	}
	e := eventstore.NewEvent{ID: id, Type: m.GetMetadata()[typeKey], Data: m.GetData(), Metadata: m.GetCustomMetadata()}
	switch {
	case m.GetMetadata()[contentTypeKey] == "":
		return e, invalid("an event has no " + contentTypeKey)
	case e.Type == "":
		return e, errThrown
	case e.Type == tombstoneType:
		return e, invalid("events of type " + tombstoneType + " are made by Tombstone only")
	}
	return e, nil
}

func streamName(id *shared.StreamIdentifier) string { return string(id.GetStreamName()) }

func identifier(stream string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(stream)}
}

// revision reads a revision off the wire.
func revision(n uint64) (eventstore.Revision, error) {
	if n > math.MaxInt64 {
		return 0, invalid("revision " + strconv.FormatUint(n, 10) + " is too great")
	}
	return eventstore.Revision(n), nil
}

// recordedEvent is an event as it is served. A tombstone's revision is, as clients know it, the greatest.
func recordedEvent(e eventstore.Event, textIDs bool) *streams.ReadResp_ReadEvent_RecordedEvent {
	id := structuredID
	if textIDs {
		id = textID
	}
	content := bytesContent
	if json.Valid(e.Data) {
		content = jsonContent
	}
	number := uint64(e.Revision)
	if e.Type == tombstoneType {
		number = math.MaxInt64
	}
	return &streams.ReadResp_ReadEvent_RecordedEvent{
		Id:               id(e.ID),
		StreamIdentifier: identifier(e.Stream),
		StreamRevision:   number,
		PreparePosition:  served(e.Position),
		CommitPosition:   served(e.Position),
		Metadata: map[string]string{
			typeKey:        e.Type,
			contentTypeKey: content,
			createdKey:     strconv.FormatInt(e.Created.UnixNano()/tick, 10),
		},
		CustomMetadata: e.Metadata,
		Data:           e.Data,
	}
}
