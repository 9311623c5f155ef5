package embedded

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// Pebble's record format, which it has from LevelDB: a file is cut into blocks of 32 KiB, a record into chunks that do
// not cross blocks. A chunk begins with
//
//	checksum (4), length (2), kind (1), and by kind: file number (4), synced offset (8)
//
// all little-endian. The checksum is CRC32C, masked, over everything from kind on. Kinds come in fours: whole, first,
// middle, last.
const (
	blockBytes      = 32 << 10
	kindAt          = 6
	plainHeader     = 7
	numberedHeader  = 11
	syncedHeader    = 19
	kindPlain       = 1 // the first of four
	kindNumbered    = 5
	kindSynced      = 9
	kindsEnd        = 13
	checksumMask    = 0xa282ead8
	checksumRotates = 15
)

// chunkFormat is what chunks of one file look like.
type chunkFormat struct {
	numbered bool   // chunks carry the file's number; others are left over from the file's earlier use
	number   uint32 // the lower half of it
}

var manifestChunks = chunkFormat{}

func walChunks(number uint32) chunkFormat { return chunkFormat{true, number} }

// header returns the length of the header of this kind of chunk, 0 if the file has none of the kind.
func (f chunkFormat) header(kind byte) int {
	switch {
	case !f.numbered && kind >= kindPlain && kind < kindNumbered:
		return plainHeader
	case f.numbered && kind >= kindNumbered && kind < kindSynced:
		return numberedHeader
	case f.numbered && kind >= kindSynced && kind < kindsEnd:
		return syncedHeader
	}
	return 0
}

// begins says whether this kind of chunk is a record's first.
func begins(kind byte) bool { return (kind-kindPlain)%4 <= 1 }

// bounds returns the length of the chunk at the beginning of b, which goes on to the end of the block at most, and
// false if it cannot be one by its header.
func (f chunkFormat) bounds(b []byte) (length int, ok bool) {
	if len(b) < plainHeader {
		return 0, false
	}
	header := f.header(b[kindAt])
	length = header + int(binary.LittleEndian.Uint16(b[4:]))
	if header == 0 || length > len(b) {
		return 0, false
	}
	return length, !f.numbered || binary.LittleEndian.Uint32(b[plainHeader:]) == f.number
}

// chunk returns the length of the chunk at the beginning of b, 0 if there is no right one.
func (f chunkFormat) chunk(b []byte) int {
	length, ok := f.bounds(b)
	if !ok || binary.LittleEndian.Uint32(b) != masked(crc32.Checksum(b[kindAt:length], castagnoli)) {
		return 0
	}
	return length
}

func masked(sum uint32) uint32   { return bits.RotateLeft32(sum, -checksumRotates) + checksumMask }
func unmasked(sum uint32) uint32 { return bits.RotateLeft32(sum-checksumMask, checksumRotates) }

func blockEnd(at, size int) int { return min((at/blockBytes+1)*blockBytes, size) }

// end returns where the right chunks end.
func (f chunkFormat) end(data []byte) int {
	at := 0
	for at < len(data) {
		rest := data[at:blockEnd(at, len(data))]
		if length := f.chunk(rest); length > 0 {
			at += length
			continue
		}
		if !f.padding(rest) || at+len(rest) == len(data) && len(data)%blockBytes != 0 {
			return at
		}
		at += len(rest)
	}
	return at
}

// padding says whether b is the zeros at the end of a block where no further chunk had room.
func (f chunkFormat) padding(b []byte) bool {
	room := plainHeader
	if f.numbered {
		room = syncedHeader
	}
	if len(b) >= room {
		return false
	}
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// trailer says whether b begins with what closes a file: an empty chunk of the next file number.
func (f chunkFormat) trailer(b []byte) bool {
	return f.numbered && len(b) >= numberedHeader && binary.LittleEndian.Uint32(b) == 0 && binary.LittleEndian.Uint16(b[4:]) == 0 &&
		b[kindAt] == kindNumbered && binary.LittleEndian.Uint32(b[plainHeader:]) == f.number+1
}

// anotherBegins looks for the first chunk of a record at or after a place. As the place of chunks is not known behind
// one that is unreadable, it looks everywhere.
func (f chunkFormat) anotherBegins(data []byte, from int) (at int, found bool) {
	for at = from; at < len(data); at++ {
		b := data[at:blockEnd(at, len(data))]
		if len(b) > kindAt && begins(b[kindAt]) && f.chunk(b) > 0 {
			return at, true
		}
	}
	return 0, false
}

// flipped says whether b would begin with a right chunk if one bit of it were other than it is.
func (f chunkFormat) flipped(b []byte) bool {
	return f.headerFlipped(b) || f.bodyFlipped(b)
}

func (f chunkFormat) headerFlipped(b []byte) bool {
	for bit := range 8 * min(len(b), syncedHeader) {
		b[bit/8] ^= 1 << (bit % 8)
		length := f.chunk(b)
		b[bit/8] ^= 1 << (bit % 8)
		if length > 0 {
			return true
		}
	}
	return false
}

// bodyFlipped uses that a CRC is linear: a flipped bit changes it by a value that depends only on the bit's distance
// from the end. It compares the change that was seen with that of every bit, from the last on.
func (f chunkFormat) bodyFlipped(b []byte) bool {
	length, ok := f.bounds(b)
	if !ok {
		return false
	}
	change := unmasked(binary.LittleEndian.Uint32(b)) ^ crc32.Checksum(b[kindAt:length], castagnoli)
	var byBit [8]uint32
	for i := range byBit {
		byBit[i] = castagnoli[1<<i]
	}
	for range b[kindAt:length] {
		for i, c := range byBit {
			if c == change {
				return true
			}
			byBit[i] = castagnoli[byte(c)] ^ c>>8
		}
	}
	return false
}
