// Package extsort sorts more records than memory should hold, with the help of a temporary file.
//
// Not here: what records mean; whoever wants an order writes it into the first bytes of a record.
package extsort

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// RecordMax is the length of the longest record, in bytes.
const RecordMax = 1 << 20

// ErrRecord: a record is longer than RecordMax.
var ErrRecord = errors.New("record is too long")

// readBuffer is how much is read ahead of each run while runs are merged.
const readBuffer = 32 << 10

// Sorter sorts byte strings, the shorter of two first where one begins with the other. Equal ones all stay. Not for
// concurrent use. Close it.
type Sorter struct {
	dir     string
	memory  int
	text    []byte // of the records that are not in the file yet
	records []span
	sorted  bool     // records are
	file    *os.File // nil until memory did not suffice; holds runs of sorted records
	runs    []run
	size    int64 // of the file
}

// span is where a record stands in the text.
type span struct{ at, length uint32 }

// run is a part of the file, in bytes.
type run struct{ at, length int64 }

// New makes a sorter that keeps memory bytes of records, at least one record, at most 2 GiB, and the others in a file in
// dir. Nobody else can read the file, and it is gone with the process, however that ends.
func New(dir string, memory int) *Sorter { return &Sorter{dir: dir, memory: memory} }

// Add adds a record, of which it keeps a copy. It must not be called after All. Errors: ErrRecord, or of the file.
func (s *Sorter) Add(record []byte) error {
	if len(record) > RecordMax {
		return ErrRecord
	}
	if len(s.records) > 0 && len(s.text)+len(record) > s.memory {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.records = append(s.records, span{uint32(len(s.text)), uint32(len(record))})
	s.text = append(s.text, record...)
	return nil
}

func (s *Sorter) record(of span) []byte { return s.text[of.at : of.at+of.length] }

func (s *Sorter) sort() {
	if !s.sorted {
		slices.SortFunc(s.records, func(a, b span) int { return bytes.Compare(s.record(a), s.record(b)) })
	}
}

// spill writes what is in memory to the file, sorted.
func (s *Sorter) spill() error {
	if s.file == nil {
		file, err := os.CreateTemp(s.dir, "sort-*") // 0600
		if err != nil {
			return err
		}
		s.file = file
		if err := os.Remove(file.Name()); err != nil {
			return err
		}
	}
	s.sort()
	out, begin := bufio.NewWriterSize(s.file, readBuffer), s.size
	var length [binary.MaxVarintLen64]byte
	for _, r := range s.records {
		n := binary.PutUvarint(length[:], uint64(r.length))
		_, _ = out.Write(length[:n]) // Flush has the error
		_, _ = out.Write(s.record(r))
		s.size += int64(n) + int64(r.length)
	}
	s.text, s.records = s.text[:0], s.records[:0]
	s.runs = append(s.runs, run{begin, s.size - begin})
	return out.Flush()
}

// All yields the records in order. A record is good until the next one. It may be ranged over again, also after it was
// left early. After yielding an error it stops.
func (s *Sorter) All() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if s.file == nil {
			s.sort()
			s.sorted = true
			for _, r := range s.records {
				if !yield(s.record(r), nil) {
					return
				}
			}
			return
		}
		if len(s.records) > 0 {
			if err := s.spill(); err != nil {
				yield(nil, err)
				return
			}
		}
		s.text, s.records = nil, nil // the memory is needed elsewhere
		if err := s.merge(yield); err != nil {
			yield(nil, err)
		}
	}
}

// merge yields the records of all runs in order.
func (s *Sorter) merge(yield func([]byte, error) bool) error {
	var runs merging
	for _, r := range s.runs {
		reader := &runReader{in: bufio.NewReaderSize(io.NewSectionReader(s.file, r.at, r.length), readBuffer)}
		if err := reader.next(); err != nil {
			return err
		}
		runs = append(runs, reader)
	}
	for i := len(runs)/2 - 1; i >= 0; i-- {
		runs.sink(i)
	}
	for len(runs) > 0 {
		if !yield(runs[0].record, nil) {
			return nil
		}
		err := runs[0].next()
		switch {
		case errors.Is(err, io.EOF):
			runs[0] = runs[len(runs)-1]
			runs = runs[:len(runs)-1]
		case err != nil:
			return err
		}
		runs.sink(0)
	}
	return nil
}

// runReader reads the records of a run.
type runReader struct {
	in     *bufio.Reader
	record []byte
}

// next reads the next record. It returns io.EOF after the last one.
func (r *runReader) next() error {
	length, err := binary.ReadUvarint(r.in)
	if err != nil {
		return err
	}
	if length > RecordMax {
		return fmt.Errorf("temporary file is damaged: %w", ErrRecord)
	}
	r.record = slices.Grow(r.record[:0], int(length))[:length]
	if _, err := io.ReadFull(r.in, r.record); err != nil {
		return fmt.Errorf("temporary file is damaged: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

// merging is a heap of runs: the one whose record is the least comes first.
type merging []*runReader

// sink moves the run at place i down to where it belongs.
func (m merging) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m); child++ {
			if bytes.Compare(m[child].record, m[least].record) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		m[i], m[least] = m[least], m[i]
		i = least
	}
}

// Close gives memory and file back.
func (s *Sorter) Close() error {
	s.text, s.records = nil, nil
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
