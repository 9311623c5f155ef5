package esdbserver

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// Names that EventStoreDB gave a meaning.
const (
	allStream       = "$all"
	usersStream     = "$users"
	metaPrefix      = "$$"
	metadataType    = "$metadata"
	tombstoneType   = "$streamDeleted"
	linkType        = "$>"
	truncateKey     = "$tb"
	deletedRevision = math.MaxInt64 // of a tombstone, and as $tb of a deleted stream
)

// retention is the part of a stream's metadata that hides events from readers of the stream.
type retention struct {
	MaxAge         *int64 `json:"$maxAge"` // seconds
	MaxCount       *int64 `json:"$maxCount"`
	TruncateBefore *int64 `json:"$tb"` // a revision
}

// metaRetention is that of metadata streams: only the newest counts.
var metaRetention = retention{MaxCount: new(int64(1))}

// streamState is a stream as a call found it.
type streamState struct {
	last         eventstore.Revision // in the log, NoStream if it was never written
	tombstoned   bool
	retention    retention
	metadata     json.RawMessage // nil if there is none
	metaRevision eventstore.Revision
}

func (s streamState) deleted() bool {
	return s.retention.TruncateBefore != nil && *s.retention.TruncateBefore == deletedRevision
}

func (s streamState) exists() bool {
	return s.last != eventstore.NoStream && !s.tombstoned && !s.deleted()
}

// visibleLast is the last revision as clients are told it.
func (s streamState) visibleLast() eventstore.Revision {
	if s.deleted() {
		return eventstore.NoStream
	}
	return s.last
}

// first returns the first revision that readers may see.
func (s streamState) first() eventstore.Revision {
	first := eventstore.Revision(0)
	if s.retention.TruncateBefore != nil {
		first = max(first, eventstore.Revision(*s.retention.TruncateBefore))
	}
	if s.retention.MaxCount != nil && *s.retention.MaxCount > 0 {
		first = max(first, s.last+1-eventstore.Revision(*s.retention.MaxCount))
	}
	return first
}

// outlived says whether an event is too old to be seen.
func (s streamState) outlived(e eventstore.Event, now time.Time) bool {
	if s.retention.MaxAge == nil || *s.retention.MaxAge <= 0 || *s.retention.MaxAge > math.MaxInt64/int64(time.Second) {
		return false
	}
	return e.Created.Before(now.Add(-time.Duration(*s.retention.MaxAge) * time.Second))
}

// state looks a stream up.
func (s *Server) state(ctx context.Context, stream string) (streamState, error) {
	state := streamState{last: eventstore.NoStream, metaRevision: eventstore.NoStream}
	last, ok, err := s.lastEvent(ctx, stream)
	if err != nil {
		return state, err
	}
	if ok {
		state.last, state.tombstoned = last.Revision, last.Type == tombstoneType
	}
	switch {
	case strings.HasPrefix(stream, metaPrefix):
		state.retention = metaRetention
		return state, nil
	case len(metaPrefix)+len(stream) > eventstore.StreamNameMax: // so it has none, and cannot get any
		return state, nil
	}
	meta, ok, err := s.lastEvent(ctx, metaPrefix+stream)
	if err != nil || !ok {
		return state, err
	}
	state.metadata, state.metaRevision = meta.Data, meta.Revision
	if json.Unmarshal(meta.Data, &state.retention) != nil {
		state.retention = retention{} // nonsense hides nothing, as with EventStoreDB
	}
	return state, nil
}

// lastEvent returns a stream's last event, false if there is none.
func (s *Server) lastEvent(ctx context.Context, stream string) (last eventstore.Event, ok bool, err error) {
	read := eventstore.StreamRead{From: eventstore.Last, Direction: eventstore.Backward, Limit: 1, Fresh: true}
	for e, err := range s.store.ReadStream(ctx, stream, read) {
		return e, err == nil, err
	}
	return last, false, nil
}

// truncate sets $tb in a stream's metadata, leaving the rest as it is, and returns where that is written.
func (s *Server) truncate(ctx context.Context, stream string, state streamState, before int64) (eventstore.Appended, error) {
	all := map[string]json.RawMessage{}
	if json.Unmarshal(state.metadata, &all) != nil || all == nil {
		all = map[string]json.RawMessage{}
	}
	all[truncateKey], _ = json.Marshal(before) // a number
	data, err := json.Marshal(all)
	if err != nil {
		return eventstore.Appended{}, err
	}
	e := eventstore.NewEvent{ID: uuid.New(), Type: metadataType, Data: data}
	return s.store.Append(ctx, metaPrefix+stream, state.metaRevision, []eventstore.NewEvent{e})
}
