package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/cockroachdb/pebble/v2"

	"daybook/eventstore"
	"daybook/internal/pebblefs"
	"daybook/projections"
)

const (
	markFile     = "daybook-read-models"
	pebbleFolder = "pebble"
	asideFolder  = "damaged"
	lockFile     = "LOCK" // in the folder of Pebble, which names it
)

// format counts changes of what is stored that an older program would misread. Append-only:
//
//	1  the mark was this number alone; batches were in Pebble's write-ahead log, too
//	2  as in the package comment
const format = 2

// mark is the content of the mark file.
type mark struct {
	Format   int
	Creating bool // nothing can have been stored
	// Damaged: while the read models were in use, something in them could not be read.
	Damaged bool
	// Closed: nothing was stored since all was brought to the disk.
	Closed bool `json:",omitzero"`
	// Reached is where targets, by targetName, stand at least.
	Reached map[string]eventstore.Position
}

func targetName(model string, generation int) string { return model + "/" + strconv.Itoa(generation) }

// parseMark reads the text of a mark. Errors: ErrFormat, errDamaged.
func parseMark(text []byte) (m mark, err error) {
	if string(text) == "1\n" {
		return mark{Format: 1}, nil
	}
	if err := pebblefs.ParseMark(text, &m); err != nil {
		return mark{}, fmt.Errorf("%w: %s: %w", errDamaged, markFile, err)
	}
	if m.Format > format {
		return m, fmt.Errorf("%w: %d, this program knows up to %d", ErrFormat, m.Format, format)
	}
	return m, nil
}

// loadMark returns the directory's mark, or that of a new one if there are no files of Pebble either.
func (s *Sink) loadMark(folder string) (mark, error) {
	text, err := pebblefs.ReadFile(s.fs, s.fs.PathJoin(s.dir, markFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return mark{}, err
	}
	names, err := s.fs.List(folder)
	if err != nil {
		return mark{}, err
	}
	if len(text) == 0 && (len(names) == 0 || len(names) == 1 && names[0] == lockFile) {
		return mark{Creating: true}, nil
	}
	m, err := parseMark(text)
	if err == nil && m.Damaged {
		err = fmt.Errorf("%w: it was noticed while they were in use", errDamaged)
	}
	return m, err
}

// missing says which target does not stand where it was seen, nil if all do.
func (m mark) missing(found map[string]eventstore.Position) error {
	for target, least := range m.Reached {
		if at, exists := found[target]; !exists || at.Before(least) {
			return fmt.Errorf("%w: %s stands at position %s, and was seen at %s", errDamaged, target, at, least)
		}
	}
	return nil
}

func (s *Sink) saveMark(m mark) error {
	s.marking.Lock()
	defer s.marking.Unlock()
	return s.saveMarkLocked(m)
}

func (s *Sink) saveMarkLocked(m mark) error {
	if s.mark.Damaged && !m.Creating {
		return nil // that stays until they are made again
	}
	err := pebblefs.SaveMark(s.fs, s.dir, markFile, m)
	if err == nil {
		s.mark = m
	}
	return err
}

// noteFlush is called by Pebble, with its locks held.
func (s *Sink) noteFlush() {
	select {
	case s.flushed <- struct{}{}:
	default: // it will be noted soon
	}
}

// keepMark keeps the mark going until the sink is closed or broken. A mark that is behind only asks for less.
func (s *Sink) keepMark() {
	for {
		select {
		case <-s.flushed:
		case <-s.closing:
			return
		case <-s.broken:
			return
		}
		if s.enter(context.Background()) != nil {
			continue // closed, or made again
		}
		err := s.trouble(s.noteReached(false))
		s.calls.Done()
		if err != nil {
			s.log.Warn("read models: cannot save their mark, it is tried again at the next flush", "error", err.Error())
		}
	}
}

// noteReached saves in the mark what is on the disk, and whether that is all and the last.
func (s *Sink) noteReached(closed bool) error {
	s.marking.Lock()
	defer s.marking.Unlock()
	reached, err := s.durable()
	if err != nil {
		return err
	}
	for target := range s.dropped {
		if _, there := reached[target]; there {
			delete(reached, target)
		} else {
			delete(s.dropped, target)
		}
	}
	return s.saveMarkLocked(mark{Format: format, Closed: closed, Reached: reached})
}

// forget takes a target, which is about to be dropped, out of the mark.
func (s *Sink) forget(target projections.Target) error {
	s.marking.Lock()
	defer s.marking.Unlock()
	name := targetName(target.Model, target.Generation)
	s.dropped[name] = true
	if _, marked := s.mark.Reached[name]; !marked {
		return nil
	}
	m := s.mark
	m.Reached = map[string]eventstore.Position{}
	for other, at := range s.mark.Reached {
		if other != name {
			m.Reached[other] = at
		}
	}
	return s.saveMarkLocked(m)
}

// durable returns where targets stand, by targetName, as of the last flush: that survives whatever ends the process.
func (s *Sink) durable() (map[string]eventstore.Position, error) {
	iter, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{checkpointKind}, UpperBound: []byte{checkpointKind + 1}, OnlyReadGuaranteedDurable: true,
	})
	if err != nil {
		return nil, err
	}
	defer iter.Close()
	reached := map[string]eventstore.Position{}
	for more := iter.First(); more; more = iter.Next() {
		model, generation, err := splitCheckpointKey(iter.Key())
		if err != nil {
			return nil, err
		}
		stored, err := iter.ValueAndErr()
		if err != nil {
			return nil, err
		}
		at, err := parseCheckpoint(stored)
		if err != nil {
			return nil, err
		}
		reached[targetName(model, generation)] = at.Position
	}
	return reached, iter.Error()
}
