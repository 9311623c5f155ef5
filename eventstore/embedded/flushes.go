package embedded

import (
	"sync/atomic"
)

// flushes keeps the mark's Head and Checked going while the log is in use, so that the next Open knows what must be
// there and how far back to look. A mark that is not written in time only makes it look further back.
//
// Pebble notes each flush as an edit at the end of its manifest and then drops the flushed part of its write-ahead log.
// Damage to that last edit would so take the whole flush with it, without a trace in Pebble. It takes nothing that was
// flushed before; so what was published when the flush before the last began is the place to look from, included.
type flushes struct {
	mark mark // as last saved

	began    atomic.Uint64 // the published head when the running flush began
	previous atomic.Uint64 // when the one before began
	checked  atomic.Uint64
	wake     chan struct{}
	quit     chan struct{}
	over     chan struct{}
}

func (s *Store) startFlushes() {
	f := &s.flushes
	head := s.head.Load() // Open has just found everything up to here
	f.previous.Store(head)
	f.checked.Store(head)
	f.wake, f.quit, f.over = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(f.over)
		for {
			select {
			case <-f.wake:
				if !s.abandoned() {
					s.saveMark()
				}
			case <-f.quit:
				return
			case <-s.failure.abandoned: // nor must the mark of an opening that was given up replace a later one's
				return
			}
		}
	}()
}

func (s *Store) saveMark() {
	m := s.flushes.mark
	m.Head, m.Checked = s.head.Load(), s.flushes.checked.Load()
	if err := m.save(s.options.FS, s.options.Dir); err != nil {
		s.log().Warn("event log: cannot save its mark, it is tried again at the next flush", "error", err)
		return
	}
	s.flushes.mark = m
}

func (f *flushes) stop() {
	close(f.quit)
	<-f.over
}

// Pebble calls both with its lock held, so they only note and wake.

func (s *Store) flushBegins() { s.flushes.began.Store(s.head.Load()) }

func (s *Store) flushEnded() {
	f := &s.flushes
	f.checked.Store(f.previous.Swap(f.began.Load()))
	select {
	case f.wake <- struct{}{}:
	default: // before startFlushes, or already awake
	}
}
