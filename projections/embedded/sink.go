package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"daybook/projections"
)

// Sink is projections.Sink on a directory.
type Sink struct {
	dir  string
	log  *slog.Logger
	db   *pebble.DB
	lock *pebble.Lock

	mu      sync.Mutex
	locks   map[projections.Target]chan struct{} // generation 0: the model's choice of the active one
	closed  bool
	cause   error // why it is broken
	calls   sync.WaitGroup
	closing chan struct{} // closed by Close
	broken  chan struct{} // closed when Pebble has given up
}

var _ projections.Sink = (*Sink)(nil)

// Name is "embedded".
func (s *Sink) Name() string { return "embedded" }

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
	go func() {
		s.calls.Wait()
		err := s.db.Flush()
		ended <- s.trouble(errors.Join(err, s.db.Close(), s.lock.Close()))
	}()
	select {
	case err := <-ended:
		return err
	case <-s.broken: // Pebble still has its hands on the files; the lock goes with the process
		return s.unavailable()
	}
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

// breakWith makes the sink unavailable until the process is started again.
func (s *Sink) breakWith(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil {
		s.cause = fmt.Errorf("read models in %s: %w: start the program again", s.dir, cause)
		s.log.Error(s.cause.Error())
		close(s.broken)
	}
}

func (s *Sink) unavailable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Errorf("%w: %w", projections.ErrSinkUnavailable, s.cause)
}

// trouble says whose error it is and, where stored data is damaged, what to do.
func (s *Sink) trouble(err error) error {
	switch {
	case err == nil:
		return nil
	case pebble.IsCorruptionError(err) || errors.Is(err, errDamaged):
		return fmt.Errorf("read models in %s are damaged: %w: remove the directory, and they are made again from the log", s.dir, err)
	}
	return fmt.Errorf("read models in %s: %w", s.dir, err)
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
