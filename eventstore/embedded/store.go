package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"daybook/eventstore"
	"daybook/internal/pebblefs"
)

// Store is an open log. It is an eventstore.Partitioned and an eventstore.Indexed; Check is beyond these ports.
type Store struct {
	options  Options
	identity string
	db       *pebble.DB
	lock     *pebble.Lock
	guard    *pebblefs.Guard

	// head is the last durable position: what readers may see. Only the committer stores it.
	head   atomic.Uint64
	change signal // of head

	queue   chan *request
	done    chan struct{} // closed when Close begins
	stopped chan struct{} // closed when the committer has ended

	// using is held for reading around every use of db, in short pieces, so that Close can wait for them.
	using   sync.RWMutex
	kept    merges // what reads hold between their pieces
	closing sync.Once
	closed  error // what Close returned

	heads   heads
	failure failure
	flushes flushes
	writing atomic.Int64    // when the write that is under way began, Unix nanoseconds; 0: none is
	trouble pebblefs.Seldom // in the background, told
}

var (
	_ eventstore.Partitioned = (*Store)(nil)
	_ eventstore.Indexed     = (*Store)(nil)
)

// Identity returns the random name that the log got when it was made.
func (s *Store) Identity(ctx context.Context) (string, error) {
	if err := s.usable(ctx); err != nil {
		return "", err
	}
	return s.identity, nil
}

// writeMax is how long a write may take before the log is said to be unavailable. A disk needs some milliseconds.
const writeMax = 3 * time.Second

// Ready returns nil if the log takes writes now, else why not: a write has failed, or one does not come to its end.
func (s *Store) Ready() error {
	if err := s.usable(context.Background()); err != nil {
		return err
	}
	if err := s.failure.error(); err != nil {
		return err
	}
	began := s.writing.Load()
	if took := time.Since(time.Unix(0, began)); began != 0 && took > writeMax {
		return fmt.Errorf("%w: a write has taken %v so far", eventstore.ErrUnavailable, took.Round(time.Second))
	}
	return nil
}

// backgroundError tells of Pebble's housekeeping, which is tried again.
func (s *Store) backgroundError(err error) {
	if s.trouble.Now() {
		s.log().Error("event log: cannot write tables, trying again; orders go on while its write-ahead log has room", "dir", s.options.Dir, "error", err)
	}
}

// Head returns the last durable position.
func (s *Store) Head(ctx context.Context) (eventstore.Position, error) {
	if err := s.usable(ctx); err != nil {
		return eventstore.Position{}, err
	}
	return place(s.head.Load()), nil
}

// Close ends appends, subscriptions and reads, flushes, and releases the directory. It may be called again and then
// returns the same. After it, the log needs no recovery. An error means that the next Open will recover instead;
// what was acknowledged is safe in either case.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

func (s *Store) close() error {
	close(s.done)
	s.guard.Finishing()
	return errors.Join(s.unlessAbandoned(s.finish), s.unlock())
}

func (s *Store) finish() error {
	select {
	case <-s.stopped:
	case <-s.failure.abandoned:
		return s.failure.error()
	}
	s.using.Lock() // waits for reads
	s.kept.closeAll()
	s.using.Unlock()
	s.flushes.stop()
	err := s.failure.error()
	if s.abandoned() {
		return err
	}
	if err == nil {
		err = s.db.Flush()
	}
	clean := err == nil
	err = errors.Join(err, s.db.Close())
	if clean && err == nil {
		m := s.flushes.mark
		m.State, m.Head = closed, s.head.Load()
		err = m.save(s.options.FS, s.options.Dir)
	}
	return err
}

// unlessAbandoned runs what uses Pebble, and gives it up as soon as Pebble hangs.
func (s *Store) unlessAbandoned(do func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	select {
	case err := <-ended:
		return err
	case <-s.failure.abandoned:
		return s.failure.error()
	}
}

// errLocked: a store that was given up could not be kept from its files.
var errLocked = errors.New("the storage does not answer: the directory is locked until the process ends")

func (s *Store) abandoned() bool {
	select {
	case <-s.failure.abandoned:
		return true
	default:
		return false
	}
}

// cutMax is how long a store that is given up waits for the storage to end the calls that are under way.
const cutMax = 5 * time.Second

// unlock releases the directory, once nothing of this store can touch it any more.
func (s *Store) unlock() error {
	if !s.abandoned() {
		return s.lock.Close()
	}
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		s.guard.Cut()
	}()
	select {
	case <-cut:
		return s.lock.Close()
	case <-time.After(cutMax):
		return fmt.Errorf("event log %s: %w", s.options.Dir, errLocked)
	}
}

// usable returns why the store cannot be used by a call with this context, if so.
func (s *Store) usable(ctx context.Context) error {
	select {
	case <-s.done:
		return eventstore.ErrClosed
	default:
		return ctx.Err()
	}
}

// use runs read, which must be short, while Close waits.
func (s *Store) use(ctx context.Context, read func() error) error {
	s.using.RLock()
	defer s.using.RUnlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	return read()
}

func (s *Store) log() *slog.Logger { return s.options.Logger }

// signal wakes everybody who waits for a change.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait returns a channel that is closed by the next broadcast. Take it before looking at what may change.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// failure remembers the first error after which nothing may be written any more.
type failure struct {
	mu    sync.Mutex
	first error
	// happened is closed with it.
	happened chan struct{}
	// abandoned is closed when Pebble hangs, with locks held. Not even closing it is possible.
	abandoned chan struct{}
	once      sync.Once
}

func (f *failure) error() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first
}

// fail makes the store refuse writes from now on.
func (s *Store) fail(err error) error {
	f := &s.failure
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		err = trouble(s.options.Dir, err)
		var damaged *eventstore.Corruption
		if !errors.As(err, &damaged) {
			err = fmt.Errorf("%w: writing failed: %w", eventstore.ErrUnavailable, err)
		}
		f.first = err
		s.log().Error("event log refuses writes until it is opened again", "dir", s.options.Dir, "error", err)
		close(f.happened)
	}
	return f.first
}

func (s *Store) abandon(err error) {
	_ = s.fail(err)
	s.failure.once.Do(func() { close(s.failure.abandoned) })
}
