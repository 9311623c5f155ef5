package salescsv

import (
	"encoding/binary"
	"errors"
	"time"

	"daybook/commands"
)

// Rows and sales are sorted as records: what they are sorted by comes first, so that the order of the bytes is theirs.

var errRecord = errors.New("temporary file is damaged")

// appendRow writes a sale of one line: rows of one order are neighbours, in the order of the file.
func appendRow(b []byte, s commands.Sale) []byte {
	b = appendText(b, s.OrderID)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Line))
	return appendLine(appendTime(b, s.At), s.Lines[0])
}

// appendSale writes a sale: earlier ones come first.
func appendSale(b []byte, s commands.Sale) []byte {
	b = appendText(appendTime(b, s.At), s.OrderID)
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(s.Line)), uint64(len(s.Lines)))
	for _, l := range s.Lines {
		b = appendLine(b, l)
	}
	return b
}

func appendTime(b []byte, t time.Time) []byte {
	const sign = 1 << 63 // so that what is before 1970 comes before what is after
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix())^sign)
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendLine(b []byte, l commands.SaleLine) []byte {
	b = appendText(appendText(appendText(b, l.Code), l.Name), l.Category)
	return binary.AppendVarint(binary.AppendVarint(b, l.Quantity), l.UnitPrice)
}

func decodeRow(record []byte, zone *time.Location) (s commands.Sale, err error) {
	d := decoder{rest: record}
	s.OrderID = d.text()
	s.Line = int(binary.BigEndian.Uint64(d.bytes(8)))
	s.At = d.time(zone)
	s.Lines = []commands.SaleLine{d.line()}
	return s, d.err()
}

func decodeSale(record []byte, zone *time.Location) (s commands.Sale, err error) {
	d := decoder{rest: record}
	s.At = d.time(zone)
	s.OrderID = d.text()
	s.Line = int(d.uvarint())
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		s.Lines = append(s.Lines, d.line())
	}
	return s, d.err()
}

// decoder reads a record. Once something is missing, all that it reads is zero.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) err() error {
	if d.bad || len(d.rest) > 0 {
		return errRecord
	}
	return nil
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return make([]byte, 8)
	}
	var is []byte
	is, d.rest = d.rest[:n], d.rest[n:]
	return is
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.rest)
	d.bytes(uint64(max(size, 0)))
	d.bad = d.bad || size <= 0
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.rest)
	d.bytes(uint64(max(size, 0)))
	d.bad = d.bad || size <= 0
	return n
}

func (d *decoder) text() string { return string(d.bytes(d.uvarint())) }

func (d *decoder) time(zone *time.Location) time.Time {
	const sign = 1 << 63
	seconds := binary.BigEndian.Uint64(d.bytes(8)) ^ sign
	return time.Unix(int64(seconds), int64(binary.BigEndian.Uint32(d.bytes(4)))).In(zone)
}

func (d *decoder) line() commands.SaleLine {
	return commands.SaleLine{Code: d.text(), Name: d.text(), Category: d.text(), Quantity: d.varint(), UnitPrice: d.varint()}
}
