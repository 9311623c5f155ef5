package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// The first byte of every record is its version. A record of another version is refused, not guessed at. The two differ
// in what stands beside the record only.
const (
	recordPlain = 1 // of a log of format 2, or not the first of its append
	recordFirst = 2 // the first of its append: it has an entry by its id
)

const checksumBytes = 4

// trailerBytes follow what the appender knows: the time and the checksum, which only the committer can fill in.
const trailerBytes = numberBytes + checksumBytes

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errChecksum = errors.New("checksum does not match")

// draft is a record without its trailer, made by the appending goroutine so that the committer has little left to do.
type draft struct {
	body []byte
	sum  uint32 // CRC32C of body
}

func newDraft(version byte, stream string, revision eventstore.Revision, e eventstore.NewEvent) draft {
	size := 1 + 5*binary.MaxVarintLen32 + len(e.Type) + len(stream) + numberBytes + len(e.ID) + len(e.Data) + len(e.Metadata)
	b := make([]byte, 0, size)
	b = append(b, version)
	b = appendBlob(b, e.Type)
	b = appendBlob(b, stream)
	b = appendNumber(b, uint64(revision))
	b = append(b, e.ID[:]...)
	b = appendBlob(b, e.Data)
	b = appendBlob(b, e.Metadata)
	return draft{b, crc32.Checksum(b, castagnoli)}
}

// seal writes the finished record for key into to, which has len(d.body)+trailerBytes bytes.
func (d draft) seal(to, key []byte, created time.Time) {
	n := copy(to, d.body)
	binary.BigEndian.PutUint64(to[n:], uint64(created.UnixNano()))
	sum := crc32.Update(d.sum, castagnoli, to[n:n+numberBytes])
	binary.BigEndian.PutUint32(to[n+numberBytes:], crc32.Update(sum, castagnoli, key))
}

func appendBlob[T string | []byte](b []byte, blob T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(blob))), blob...)
}

// record is a stored record's view: its slices lie in the bytes it was parsed from.
type record struct {
	first                       bool // of its append
	typ, stream, data, metadata []byte
	revision                    eventstore.Revision
	id                          uuid.UUID
	created                     int64 // nanoseconds since 1970
}

// parseRecord checks and takes apart what seal wrote.
func parseRecord(key, value []byte) (r record, err error) {
	value, err = checked(key, value)
	if err != nil {
		return r, err
	}
	in := reader{rest: value}
	if version := in.take(1); !in.bad {
		if version[0] != recordPlain && version[0] != recordFirst {
			return r, fmt.Errorf("record version %d is not known", version[0])
		}
		r.first = version[0] == recordFirst
	}
	r.typ, r.stream = in.blob(), in.blob()
	r.revision = eventstore.Revision(in.number())
	copy(r.id[:], in.take(len(r.id)))
	r.data, r.metadata = in.blob(), in.blob()
	r.created = int64(in.number())
	if in.bad || len(in.rest) != 0 {
		return r, errors.New("record is malformed")
	}
	return r, nil
}

// into copies a record out of the storage's memory.
func (r *record) into(e *eventstore.Event, position uint64, stream, typ string, memory *slab) {
	body := memory.take(len(r.data) + len(r.metadata))
	n := copy(body, r.data)
	copy(body[n:], r.metadata)
	*e = eventstore.Event{
		Stream:   stream,
		Revision: r.revision,
		Position: place(position),
		ID:       r.id,
		Type:     typ,
		Created:  time.Unix(0, r.created).UTC(),
		Data:     body[:n:n],
	}
	if len(r.metadata) > 0 {
		e.Metadata = body[n:]
	}
}

// appendIndexValue makes the value of a p entry.
func appendIndexValue(b, key []byte, typ, stream string) []byte {
	start := len(b)
	b = append(appendBlob(b, typ), stream...)
	return appendSum(b, b[start:], key)
}

func parseIndex(key, value []byte) (typ, stream []byte, err error) {
	value, err = checked(key, value)
	if err != nil {
		return nil, nil, err
	}
	in := reader{rest: value}
	typ = in.blob()
	if in.bad {
		return nil, nil, errors.New("index entry is malformed")
	}
	return typ, in.rest, nil
}

// appendStreamValue makes the value of an s entry.
func appendStreamValue(b, key []byte, position uint64, typ string) []byte {
	start := len(b)
	b = append(appendNumber(b, position), typ...)
	return appendSum(b, b[start:], key)
}

func parseStreamValue(key, value []byte) (position uint64, typ []byte, err error) {
	value, err = checked(key, value)
	if err != nil {
		return 0, nil, err
	}
	if len(value) <= numberBytes {
		return 0, nil, errors.New("stream entry is malformed")
	}
	return binary.BigEndian.Uint64(value), value[numberBytes:], nil
}

// appendIDValue makes the value of an i entry.
func appendIDValue(b, key []byte, position uint64) []byte {
	start := len(b)
	b = appendNumber(b, position)
	return appendSum(b, b[start:], key)
}

func parseIDValue(key, value []byte) (position uint64, err error) {
	value, err = checked(key, value)
	if err != nil {
		return 0, err
	}
	if len(value) != numberBytes {
		return 0, errors.New("entry by id is malformed")
	}
	return binary.BigEndian.Uint64(value), nil
}

func appendSum(b, value, key []byte) []byte {
	return binary.BigEndian.AppendUint32(b, checksum(key, value))
}

func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(value, castagnoli), castagnoli, key)
}

// checked returns value without its checksum, which must be right.
func checked(key, value []byte) ([]byte, error) {
	end := len(value) - checksumBytes
	if end < 0 || checksum(key, value[:end]) != binary.BigEndian.Uint32(value[end:]) {
		return nil, errChecksum
	}
	return value[:end], nil
}

// reader takes bytes apart; bad is set once they end too early, and everything after is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) number() uint64 {
	if b := r.take(numberBytes); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) blob() []byte {
	n, used := binary.Uvarint(r.rest)
	if used <= 0 || n > uint64(len(r.rest)-used) {
		r.bad, r.rest = true, nil
		return nil
	}
	r.rest = r.rest[used:]
	return r.take(int(n))
}

// slab is memory for the bodies of one read's events, which scans make millions of: many share an allocation. Who keeps
// one event keeps its neighbours' memory, so allocations are not large; and they begin small, for reads of a few events.
type slab struct {
	free  []byte
	size  int    // of the last allocation, or more
	reuse bool   // nobody keeps events beyond the piece that they came in, so one allocation is made, and grows
	last  []byte // the whole of the last allocation, if it is for reuse
}

// slabMax is the largest size that Go's allocator has ready-made; with twice that, scans are slower than without slabs.
const slabMax = 32 << 10

// again begins a piece.
func (s *slab) again() {
	if s.reuse {
		s.free = s.last
	}
}

// take returns n bytes, which are not nil.
func (s *slab) take(n int) []byte {
	switch {
	case n < len(s.free):
	case s.reuse: // what was taken from the smaller one is good for the rest of the piece
		s.last = make([]byte, max(2*len(s.last), 2*n, slabMax))
		s.free = s.last
	default:
		s.size = min(2*s.size, slabMax)
		if n > s.size/4 { // it gets its own, or much of a slab would be lost at its end
			s.size = max(s.size, min(n, slabMax))
			return make([]byte, n)
		}
		s.free = make([]byte, s.size)
	}
	taken := s.free[:n:n]
	s.free = s.free[n:]
	return taken
}

// interner gives equal names of one read the same string: types are few, and neighbours often share their stream.
type interner struct {
	types map[string]string
	last  string
	names strings.Builder // of the last and some before it, which share its memory
}

const (
	internedMax = 1024
	namesMemory = 1024 // bytes of names that share an allocation; who keeps one keeps all
)

func (i *interner) typ(b []byte) string {
	if s, ok := i.types[string(b)]; ok {
		return s
	}
	if i.types == nil || len(i.types) >= internedMax {
		i.types = map[string]string{}
	}
	s := string(b)
	i.types[s] = s
	return s
}

func (i *interner) stream(b []byte) string {
	if i.last == string(b) {
		return i.last
	}
	if i.names.Cap()-i.names.Len() < len(b) {
		size := min(2*i.names.Cap(), namesMemory) // small for a read of a few streams
		i.names.Reset()
		i.names.Grow(max(size, len(b)))
	}
	start := i.names.Len()
	i.names.Write(b)
	i.last = i.names.String()[start:]
	return i.last
}
