package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/internal/cache"
	"daybook/internal/pebblefs"
	"daybook/projections"
)

// Sink is projections.Sink on a directory.
type Sink struct {
	dir  string
	fs   vfs.FS
	log  *slog.Logger
	db   *pebble.DB
	lock *pebble.Lock

	folder  string // of Pebble's files
	options Options

	blocks *pebblefs.Blocks
	guard  *pebblefs.Guard
	unlock func() error // the directory; once

	mu      sync.Mutex
	locks   map[projections.Target]chan struct{} // generation 0: the model's choice of the active one
	closed  bool
	cause   error // why it is broken
	damaged bool  // that is because of damage, and passes
	calls   sync.WaitGroup
	closing chan struct{} // closed by Close
	opened  atomic.Bool
	forgot  bool          // see Forgot
	broken  chan struct{} // closed when Pebble has given up

	background sync.WaitGroup
	flushed    chan struct{} // a flush has ended
	marking    sync.Mutex    // held while the mark is changed
	mark       mark          // as last saved
	dropped    map[string]bool
}

var _ projections.Sink = (*Sink)(nil)

// Name is "embedded".
func (s *Sink) Name() string { return "embedded" }

// Forgot reports whether the last batches may be missing, because the process that had the directory before did not close
// it.
func (s *Sink) Forgot() bool { return s.forgot }

// Caches are what the sink keeps in memory, by name.
func (s *Sink) Caches() cache.Metrics { return cache.Metrics{"read_blocks": s.blocks} }

// Ping returns nil unless the sink is closed or Pebble has given up, for example because the disk failed.
func (s *Sink) Ping(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	s.calls.Done()
	return nil
}

// Close waits for calls under way, brings everything to the disk and gives up the directory.
func (s *Sink) Close() error {
	s.mu.Lock()
	already := s.closed
	if !already {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	if already {
		return nil
	}
	ended := make(chan error, 1)
	go func() { ended <- s.finish() }()
	select {
	case err := <-ended:
		return err
	case <-s.broken:
		return errors.Join(s.unavailable(), s.giveUp())
	}
}

// Broken is closed when Pebble has given up. The sink says ErrSinkUnavailable from then on: Close it,
// and open the directory again.
func (s *Sink) Broken() <-chan struct{} { return s.broken }

func (s *Sink) isBroken() bool {
	select {
	case <-s.broken:
		return true
	default:
		return false
	}
}

// unlessBroken runs what uses Pebble, and gives it up as soon as Pebble hangs.
func (s *Sink) unlessBroken(do func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	select {
	case err := <-ended:
		return err
	case <-s.broken:
		return s.unavailable()
	}
}

// cutMax is how long a sink that is given up waits for the storage to end the calls that are under way.
const cutMax = 5 * time.Second

// giveUp releases the directory once Pebble, which hangs, cannot touch it any more.
func (s *Sink) giveUp() error {
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		s.guard.Cut()
	}()
	select {
	case <-cut:
		return s.unlock()
	case <-time.After(cutMax):
		return fmt.Errorf("read models in %s: the storage does not answer: the directory is locked until the process ends", s.dir)
	}
}

// finish waits for all work, brings what was stored to the disk and gives up the directory.
func (s *Sink) finish() (err error) {
	s.calls.Wait()
	s.background.Wait()
	if s.db != nil {
		if !s.isDamaged() {
			if err = s.db.Flush(); err == nil {
				err = s.noteReached(true)
			}
		}
		err = errors.Join(err, s.db.Close())
	}
	s.blocks.Close()
	return s.trouble(errors.Join(err, s.unlock()))
}

// enter begins a call. Unless it returns an error, s.calls.Done ends it.
func (s *Sink) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return projections.ErrSinkClosed
	case s.cause != nil:
		return fmt.Errorf("%w: %w", projections.ErrSinkUnavailable, s.cause)
	}
	s.calls.Add(1)
	return nil
}

// interrupted says why a call that takes its time has to end now, nil if it may go on.
func (s *Sink) interrupted(ctx context.Context) error {
	select {
	case <-s.closing:
		return projections.ErrSinkClosed
	default:
		return ctx.Err()
	}
}

// breakWith makes the sink unavailable until it is opened again.
func (s *Sink) breakWith(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil {
		s.cause = fmt.Errorf("read models in %s: %w", s.dir, cause)
		s.log.Error(s.cause.Error())
		close(s.broken)
	}
}

// breakDamaged makes the sink unavailable until it has set aside what is there. If the process dies before, the next Open
// does it.
func (s *Sink) breakDamaged(cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return fmt.Errorf("%w: %w", projections.ErrSinkUnavailable, s.cause)
	}
	s.cause, s.damaged = fmt.Errorf("read models in %s are damaged: %w", s.dir, cause), true
	if err := s.saveMark(mark{Format: format, Damaged: true}); err != nil {
		s.cause = fmt.Errorf("%w (and the mark that says so cannot be saved: %w)", s.cause, err)
	}
	if !s.closed {
		s.background.Go(func() { s.heal(cause) })
	}
	return fmt.Errorf("%w: %w", projections.ErrSinkUnavailable, s.cause)
}

const (
	healPauseMin = 100 * time.Millisecond
	healPauseMax = 5 * time.Second
)

// heal puts empty read models where damaged ones are, as soon as no call uses those any more, and tries until it can or
// the sink is closed.
func (s *Sink) heal(cause error) {
	s.calls.Wait()
	s.opened.Store(false)
	for pause := healPauseMin; ; pause = min(2*pause, healPauseMax) {
		err := s.startOver(cause)
		if err == nil {
			s.opened.Store(true)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.cause, s.damaged = nil, false
			return
		}
		s.log.Error("read models cannot be made again: trying again", "dir", s.dir, "pause", pause, "error", err.Error())
		select {
		case <-time.After(pause):
		case <-s.closing:
			return
		case <-s.broken:
			return
		}
	}
}

func (s *Sink) isDamaged() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damaged
}

func (s *Sink) unavailable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Errorf("%w: %w", projections.ErrSinkUnavailable, s.cause)
}

// trouble says whose error it is. One that shows damage breaks the sink.
func (s *Sink) trouble(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pebblefs.ErrCut):
		return fmt.Errorf("%w: read models in %s: %w", projections.ErrSinkUnavailable, s.dir, err)
	case showsDamage(err):
		return s.breakDamaged(err)
	}
	return fmt.Errorf("read models in %s: %w", s.dir, err)
}

func showsDamage(err error) bool {
	return pebble.IsCorruptionError(err) || errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist)
}

// noticed is told what Pebble finds in the background, by Pebble, which holds its locks.
func (s *Sink) noticed(err error) {
	if s.opened.Load() && showsDamage(err) {
		go func() { _ = s.breakDamaged(err) }() // nobody waits for it
	}
}

// acquire takes the lock of a target. The returned function releases it.
func (s *Sink) acquire(ctx context.Context, target projections.Target) (release func(), err error) {
	s.mu.Lock()
	lock, known := s.locks[target]
	if !known {
		lock = make(chan struct{}, 1)
		s.locks[target] = lock
	}
	s.mu.Unlock()
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.broken:
		return nil, s.unavailable()
	}
}

// commit stores a batch and then calls done, even if the context ends before.
func (s *Sink) commit(ctx context.Context, batch *pebble.Batch, done func()) error {
	result := make(chan error, 1)
	go func() { // Pebble makes writers wait when it cannot keep up, and knows no context
		defer done()
		defer func() { // it panics when it cannot write its log, and whatever it locked stays locked
			if fault := recover(); fault != nil {
				s.breakWith(fmt.Errorf("pebble: %v", fault))
			}
		}()
		result <- errors.Join(batch.Commit(pebble.NoSync), batch.Close())
	}()
	select {
	case err := <-result:
		return s.trouble(err)
	case <-ctx.Done():
		return ctx.Err()
	case <-s.broken:
		return s.unavailable()
	}
}
