package embedded

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// The first byte of a key says what it is; see the package comment. Names of streams and types hold no zero byte, so
// the zero after a name keeps "tab-S" apart from "tab-S1" and sorts each name's entries together.
const (
	tagBody   = 'e'
	tagMeta   = 'm'
	tagID     = 'i'
	tagIndex  = 'p'
	tagStream = 's'
)

const numberBytes = 8

// identityKey holds the log's identity a second time, so that a mark file and Pebble files of different logs are not
// taken for one log.
var identityKey = []byte{tagMeta, 'i', 'd'}

// PartitionOf returns the partition that a stream's events are stored in: its name up to its second '-'.
func PartitionOf(stream string) string {
	first := strings.IndexByte(stream, '-')
	if first < 0 {
		return stream
	}
	second := strings.IndexByte(stream[first+1:], '-')
	if second < 0 {
		return stream
	}
	return stream[:first+1+second]
}

func appendNumber(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

func appendName(b []byte, name string) []byte { return append(append(b, name...), 0) }

// appendPartition makes what the keys of a partition's records begin with.
func appendPartition(b []byte, partition string) []byte {
	return appendName(append(b, tagBody), partition)
}

// appendLane makes what the keys of a lane's records begin with.
func appendLane(b []byte, partition, typ string) []byte {
	return appendName(appendPartition(b, partition), typ)
}

func appendBodyKey(b []byte, partition, typ string, position uint64) []byte {
	return appendNumber(appendLane(b, partition, typ), position)
}

func appendStreamKey(b []byte, stream string, revision eventstore.Revision) []byte {
	return appendNumber(appendName(append(b, tagStream), stream), uint64(revision))
}

func appendIndexKey(b []byte, position uint64) []byte {
	return appendNumber(append(b, tagIndex), position)
}

func appendIDKey(b []byte, id uuid.UUID) []byte { return append(append(b, tagID), id[:]...) }

// splitBody takes a body key apart. ok is false for a key that this package cannot have written.
func splitBody(key []byte) (partition, typ []byte, position uint64, ok bool) {
	names, position, ok := splitNamed(key)
	partition, typ, two := bytes.Cut(names, []byte{0})
	if !ok || !two || len(partition) == 0 || len(typ) == 0 || bytes.IndexByte(typ, 0) >= 0 {
		return nil, nil, 0, false
	}
	return partition, typ, position, true
}

// splitStream takes a stream key apart. ok is false for a key that this package cannot have written.
func splitStream(key []byte) (stream []byte, revision eventstore.Revision, ok bool) {
	stream, n, ok := splitNamed(key)
	return stream, eventstore.Revision(n), ok && n <= math.MaxInt64 && len(stream) > 0
}

func splitNamed(key []byte) (name []byte, n uint64, ok bool) {
	end := len(key) - numberBytes
	if end < 2 || key[end-1] != 0 {
		return nil, 0, false
	}
	return key[1 : end-1], binary.BigEndian.Uint64(key[end:]), true
}

func splitIndex(key []byte) (position uint64, ok bool) {
	if len(key) != 1+numberBytes {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[1:]), true
}

func splitID(key []byte) (id uuid.UUID, ok bool) {
	if len(key) != 1+len(id) {
		return id, false
	}
	return uuid.UUID(key[1:]), true
}

func place(position uint64) eventstore.Position {
	return eventstore.Position{Commit: position, Prepare: position}
}
