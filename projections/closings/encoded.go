package closings

import (
	"bytes"
	"encoding/binary"
	"time"
	"unicode/utf8"
)

// encoded is JSON that is read as far as it stands there as encoding/json writes it. other is set once it does not, and
// nothing that was read counts then.
type encoded struct {
	text  []byte
	at    int
	other bool
}

// skip passes a literal.
func (e *encoded) skip(literal string) {
	if e.other = e.other || !e.begins(literal); !e.other {
		e.at += len(literal)
	}
}

// peek returns what stands between a beginning and the next quote, nil if they do not stand there.
func (e *encoded) peek(begin string) []byte {
	if e.other || !e.begins(begin) {
		return nil
	}
	rest := e.text[e.at+len(begin):]
	return rest[:max(bytes.IndexByte(rest, '"'), 0)]
}

// hash returns againBits bits that depend on the eight bytes after the next n.
func (e *encoded) hash(n int) int {
	rest := e.text[e.at:]
	if len(rest) < n+8 {
		return 0
	}
	const golden = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio: Knuth's multiplicative hashing
	return int(binary.LittleEndian.Uint64(rest[n:]) * golden >> (64 - againBits))
}

func (e *encoded) begins(literal string) bool {
	rest := e.text[e.at:]
	return len(rest) >= len(literal) && string(rest[:len(literal)]) == literal
}

// str reads a string after a literal that ends with its quote. An escape, or what would need one, is something else.
func (e *encoded) str(literal string) string {
	text := e.quoted(literal)
	for _, c := range text {
		e.other = e.other || c == '\\' || c < ' '
	}
	e.other = e.other || !utf8.Valid(text)
	return string(text)
}

// quoted reads what stands between a literal that ends with a quote and the next quote.
func (e *encoded) quoted(literal string) []byte {
	e.skip(literal)
	rest := e.text[e.at:]
	length := bytes.IndexByte(rest, '"')
	if e.other || length < 0 {
		e.other = true
		return nil
	}
	e.at += length + 1
	return rest[:length]
}

// optional reads a string that is left out where it is empty.
func (e *encoded) optional(literal string) string {
	if e.other || !e.begins(literal) {
		return ""
	}
	return e.str(literal)
}

// digitsMax keeps numbers within int64: one of so many digits is something else.
const digitsMax = 19

// number reads a whole number after a literal.
func (e *encoded) number(literal string) int64 {
	e.skip(literal)
	return e.integer()
}

// integer reads a whole number.
func (e *encoded) integer() int64 {
	rest := e.text[e.at:]
	negative := len(rest) > 0 && rest[0] == '-'
	if negative {
		rest = rest[1:]
	}
	n, digits := decimal(rest)
	if digits == 0 || digits >= digitsMax || digits > 1 && rest[0] == '0' {
		e.other = true
	}
	e.at = len(e.text) - len(rest) + digits
	if negative {
		return -n
	}
	return n
}

// decimal reads the digits that text begins with, and says how many they are. The number of digitsMax of them or more may
// be wrong.
func decimal(text []byte) (n int64, digits int) {
	for _, c := range text {
		if c -= '0'; c > 9 { // no digit: what is below '0' wraps around
			break
		}
		n = n*10 + int64(c)
		digits++
	}
	return n, digits
}

// another says whether a list goes on, and passes the comma.
func (e *encoded) another() bool {
	if e.other || e.at == len(e.text) || e.text[e.at] != ',' {
		return false
	}
	e.at++
	return true
}

// phrases remembers what pieces of text say, by the first value in each, and numbers them.
type phrases[T any] struct {
	met  map[string]*phrase[T]
	next int // number
	size int // of all texts, in bytes
	// again has those that were met again, by a hash of the eight bytes where the first value begins. Looking there first
	// takes a quarter of the time of looking into the map; who loses its place to another is still in the map.
	again []*phrase[T]
}

type phrase[T any] struct {
	text   string
	says   T
	number int
}

const (
	// phrasesBytes bounds the text that one kind of phrases keeps; thousands of products have less. What is met after
	// that is read each time.
	phrasesBytes = 1 << 20
	// unnumbered is the number of what is not remembered.
	unnumbered = -1
	// againBits is how many bits of the hash are used.
	againBits = 9
)

// read passes a phrase, of which begin is what stands before its first value. One that is met for the first time is read by
// the given function.
func (p *phrases[T]) read(in *encoded, begin string, read func(*encoded) T) *phrase[T] {
	place := in.hash(len(begin))
	if p.again != nil {
		if met := p.again[place]; met != nil && in.begins(met.text) {
			in.at += len(met.text)
			return met
		}
	}
	start := in.at
	first := in.peek(begin)
	if met := p.met[string(first)]; met != nil && in.begins(met.text) {
		if p.again == nil {
			p.again = make([]*phrase[T], 1<<againBits)
		}
		p.again[place] = met
		in.at += len(met.text)
		return met
	}
	found := &phrase[T]{says: read(in), number: unnumbered}
	length := in.at - start
	if in.other || p.size+length > phrasesBytes {
		return found
	}
	if p.met == nil {
		p.met = map[string]*phrase[T]{}
	}
	p.size += length
	found.text, found.number = string(in.text[start:in.at]), p.next
	p.next++
	p.met[string(first)] = found
	return found
}

// clock reads times, of which most are of the same day and zone as the one before.
type clock struct {
	day, zone string // as text; the day goes up to the T
	midnight  time.Time
}

// read reads what Time.UnmarshalText reads, to the same time; false for anything else.
func (c *clock) read(text []byte) (at time.Time, ok bool) {
	const dayEnds, secondsEnd = len("2006-01-02T"), len("2006-01-02T15:04:05")
	if len(text) <= secondsEnd {
		return at, false
	}
	day, of := text[:dayEnds], text[dayEnds:secondsEnd]
	hour, minute, second := sixty(of[0:]), sixty(of[3:]), sixty(of[6:])
	fraction, zone, ok := nanoseconds(text[secondsEnd:])
	if !ok || min(hour, minute, second) < 0 || hour > 23 || of[2] != ':' || of[5] != ':' {
		return at, at.UnmarshalText(text) == nil
	}
	if string(day) != c.day || string(zone) != c.zone {
		if err := at.UnmarshalText([]byte(string(day) + "00:00:00" + string(zone))); err != nil {
			return at, false
		}
		// In a zone that is fixed: the local one may have another offset later on this day than at midnight.
		_, offset := at.Zone()
		c.day, c.zone, c.midnight = string(day), string(zone), at.In(time.FixedZone("", offset))
	}
	return c.midnight.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second + fraction), true
}

// nanoseconds reads the fraction of a second that text begins with, if it does, of nine digits at most.
func nanoseconds(text []byte) (fraction time.Duration, rest []byte, ok bool) {
	if text[0] != '.' {
		return 0, text, true
	}
	n, digits := decimal(text[1:])
	if digits == 0 || digits >= len(fractions) {
		return 0, nil, false
	}
	return time.Duration(n) * fractions[digits], text[1+digits:], true
}

// fractions are the units of a fraction's last digit, by how many digits it has.
var fractions = [...]time.Duration{1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1}

// sixty reads two digits, 00 to 59; -1 for anything else.
func sixty(two []byte) int {
	if two[0] < '0' || two[0] > '5' || two[1] < '0' || two[1] > '9' {
		return -1
	}
	return 10*int(two[0]-'0') + int(two[1]-'0')
}
