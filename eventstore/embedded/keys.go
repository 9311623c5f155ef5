package embedded

import (
	"encoding/binary"
	"strings"

	"daybook/eventstore"
)

// The first byte of a key says what it is; see the package comment. Stream names hold no zero byte, so the zero after
// a name keeps "tab-S" apart from "tab-S1" and sorts each name's entries together.
const (
	tagBody   = 'e'
	tagMeta   = 'm'
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

func appendNamed(b []byte, tag byte, name string, n uint64) []byte {
	b = append(b, tag)
	b = append(b, name...)
	b = append(b, 0)
	return appendNumber(b, n)
}

func appendBodyKey(b []byte, partition string, position uint64) []byte {
	return appendNamed(b, tagBody, partition, position)
}

func appendStreamKey(b []byte, stream string, revision eventstore.Revision) []byte {
	return appendNamed(b, tagStream, stream, uint64(revision))
}

func appendIndexKey(b []byte, position uint64) []byte {
	return appendNumber(append(b, tagIndex), position)
}

// splitNamed takes a body or stream key apart. ok is false for a key that this package cannot have written.
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

func place(position uint64) eventstore.Position {
	return eventstore.Position{Commit: position, Prepare: position}
}
