package embedded

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/internal/cache"
	"daybook/internal/pebblefs"
)

// Log is a Store that opens itself again. After a failed write nobody knows what the disk took, so the Store refuses
// appends; the Log tries whether its directory can be written again, closes the Store, opens the directory anew, with
// all checks of a recovery, and goes on with what it finds there. Until then appends return eventstore.ErrUnavailable;
// what is durable can be read but for the moment of opening. An append that failed is in the log afterwards, or not:
// repeat it.
//
// Subscriptions and reads that meet the moment of opening end with eventstore.ErrUnavailable.
type Log struct {
	options Options
	fatal   func(error)

	mu    sync.Mutex
	store *Store // nil: closed, or being opened again
	cause error  // why it is nil

	done chan struct{} // closed when Close begins
	over chan struct{} // closed when nothing is opened any more
	once sync.Once
}

var (
	_ eventstore.Partitioned = (*Log)(nil)
	_ eventstore.Indexed     = (*Log)(nil)
)

// OpenLog opens the log in a directory, as Open does. What no waiting will mend, such as damage that is found when it
// opens itself again, is told to fatal, once: end the process then.
func OpenLog(options Options, fatal func(error)) (*Log, error) {
	options = options.withDefaults()
	options.blocks = pebblefs.NewBlocks(options.CacheBytes) // one for all openings: those that are given up keep their memory
	store, err := Open(options)
	if err != nil {
		options.blocks.Close()
		return nil, err
	}
	l := &Log{options: options, fatal: fatal, store: store, done: make(chan struct{}), over: make(chan struct{})}
	go l.keep()
	return l, nil
}

// keep opens the log again whenever a write has failed.
func (l *Log) keep() {
	defer close(l.over)
	for givenUp := 0; ; {
		store, err := l.current()
		if err != nil {
			return // closed
		}
		select {
		case <-store.failure.happened:
		case <-l.done:
			return
		}
		if store.abandoned() {
			givenUp++
		}
		if err := l.mend(store, givenUp); err != nil {
			l.fatal(err)
			return
		}
	}
}

const (
	// givenUpMax bounds how often Pebble may be given up, because its memory and some goroutines stay.
	givenUpMax = 20
	// The pause between two tries grows from the first to the second.
	reopenPauseMin = 100 * time.Millisecond
	reopenPauseMax = 5 * time.Second
)

// mend returns once the log is open again, or closed, or cannot be opened for a reason that stays.
func (l *Log) mend(store *Store, givenUp int) error {
	last := store.failure.error()
	var damaged *eventstore.Corruption
	switch {
	case errors.As(last, &damaged):
		return last
	case givenUp > givenUpMax:
		return fmt.Errorf("the storage fails again and again: %w", last)
	}
	head, identity := store.head.Load(), store.identity
	for pause := reopenPauseMin; ; pause = min(2*pause, reopenPauseMax) {
		select {
		case <-time.After(pause):
		case <-l.done:
			return nil
		}
		err := l.probe()
		if err == nil {
			if store != nil { // reads go on until the disk takes writes
				err = l.take(store)
				store = nil
			}
			if err == nil {
				err = l.reopen(identity, head)
			}
		}
		switch {
		case err == nil:
			return nil
		case final(err):
			return err
		}
		l.options.Logger.Warn("event log cannot be opened again yet: trying again", "dir", l.options.Dir, "pause", pause, "error", err)
	}
}

// final says whether an error stays.
func final(err error) bool {
	var damaged *eventstore.Corruption
	return errors.As(err, &damaged) || errors.Is(err, ErrForeign) ||
		errors.Is(err, ErrFormat) || errors.Is(err, ErrOldFormat) || errors.Is(err, errLocked)
}

// probeBytes is how much must find room before the log is opened again: opening writes tables.
const (
	probeBytes = 4 << 20
	probeFile  = "daybook-room"
)

// probe tries whether the directory takes writes.
func (l *Log) probe() error {
	fs := l.options.FS
	path := fs.PathJoin(l.options.Dir, probeFile)
	return errors.Join(pebblefs.WriteFile(fs, path, string(make([]byte, probeBytes))), removeIfThere(fs, path))
}

func removeIfThere(fs vfs.FS, path string) error {
	if _, err := fs.Stat(path); err != nil {
		return nil
	}
	return fs.Remove(path)
}

// take closes the store, whose write failed.
func (l *Log) take(store *Store) error {
	l.set(nil, fmt.Errorf("%w: it is being opened again", eventstore.ErrUnavailable))
	err := store.Close() // says once more what failed; what counts is that it let go
	if errors.Is(err, errLocked) {
		return err
	}
	return nil
}

// reopen opens the log, in which nothing that was acknowledged may be missing.
func (l *Log) reopen(identity string, head uint64) error {
	store, err := Open(l.options)
	if err != nil {
		return err
	}
	found := store.head.Load()
	if store.identity != identity || found < head {
		return errors.Join(damage(l.options.Dir, "the log %s ends at position %d, and was at %d of log %s before a write failed",
			store.identity, found, head, identity), store.Close())
	}
	l.options.Logger.Info("event log is open again", "dir", l.options.Dir, "position", found)
	if !l.set(store, nil) {
		return store.Close()
	}
	return nil
}

// set makes a store, or none, the one that is used, unless the log is closed.
func (l *Log) set(store *Store, cause error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.cause, eventstore.ErrClosed) {
		return false
	}
	l.store, l.cause = store, cause
	return true
}

func (l *Log) current() (*Store, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.store, l.cause
}

// Close closes the Store; see there.
func (l *Log) Close() error {
	var err error
	l.once.Do(func() {
		l.mu.Lock()
		store := l.store
		l.store, l.cause = nil, eventstore.ErrClosed
		l.mu.Unlock()
		close(l.done)
		if store != nil {
			err = store.Close()
		}
		<-l.over
		l.options.blocks.Close()
	})
	return err
}

// again makes the end of a Store, which is not the end of the log, something to try again.
func (l *Log) again(err error) error {
	if !errors.Is(err, eventstore.ErrClosed) {
		return err
	}
	select {
	case <-l.done:
		return err
	default:
		return fmt.Errorf("%w: it was opened again meanwhile", eventstore.ErrUnavailable)
	}
}

// with calls a method of the Store.
func with[T any](ctx context.Context, l *Log, call func(*Store) (T, error)) (result T, err error) {
	if err := ctx.Err(); err != nil {
		return result, err
	}
	store, err := l.current()
	if err == nil {
		result, err = call(store)
	}
	return result, l.again(err)
}

// Ready returns nil if the log takes writes now, else why not.
func (l *Log) Ready() error {
	store, err := l.current()
	if err != nil {
		return err
	}
	return l.again(store.Ready())
}

// Caches are what the log keeps in memory, by name.
func (l *Log) Caches() cache.Metrics {
	return cache.Metrics{"log_blocks": l.options.blocks, "log_heads": headsOf{l}}
}

// headsOf measures the heads of the present opening; each begins without any.
type headsOf struct{ log *Log }

func (h headsOf) Stats() cache.Stats {
	store, err := h.log.current()
	if err != nil {
		return cache.Stats{BytesMax: h.log.options.HeadsBytes}
	}
	return store.heads.Stats()
}

// Identity is eventstore.Store's.
func (l *Log) Identity(ctx context.Context) (string, error) {
	return with(ctx, l, func(s *Store) (string, error) { return s.Identity(ctx) })
}

// Head is eventstore.Store's.
func (l *Log) Head(ctx context.Context) (eventstore.Position, error) {
	return with(ctx, l, func(s *Store) (eventstore.Position, error) { return s.Head(ctx) })
}

// Append is eventstore.Store's.
func (l *Log) Append(ctx context.Context, stream string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	return with(ctx, l, func(s *Store) (eventstore.Appended, error) { return s.Append(ctx, stream, expected, events) })
}

// AppendOnce is eventstore.Indexed's.
func (l *Log) AppendOnce(ctx context.Context, stream string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	return with(ctx, l, func(s *Store) (eventstore.Appended, error) { return s.AppendOnce(ctx, stream, expected, events) })
}

// Find is eventstore.Indexed's.
func (l *Log) Find(ctx context.Context, id uuid.UUID) (e eventstore.Event, found bool, err error) {
	e, err = with(ctx, l, func(s *Store) (e eventstore.Event, err error) {
		e, found, err = s.Find(ctx, id)
		return e, err
	})
	return e, found, err
}

// At is eventstore.Store's.
func (l *Log) At(ctx context.Context, position eventstore.Position) (e eventstore.Event, found bool, err error) {
	e, err = with(ctx, l, func(s *Store) (e eventstore.Event, err error) {
		e, found, err = s.At(ctx, position)
		return e, err
	})
	return e, found, err
}

// Partitions is eventstore.Partitioned's.
func (l *Log) Partitions(ctx context.Context, category string) ([]string, error) {
	return with(ctx, l, func(s *Store) ([]string, error) { return s.Partitions(ctx, category) })
}

// Check is Store's.
func (l *Log) Check(ctx context.Context, progress func(done, total int64)) error {
	_, err := with(ctx, l, func(s *Store) (struct{}, error) { return struct{}{}, s.Check(ctx, progress) })
	return err
}

// ReadStream is eventstore.Store's.
func (l *Log) ReadStream(ctx context.Context, stream string, read eventstore.StreamRead) iter.Seq2[eventstore.Event, error] {
	return l.read(func(s *Store) iter.Seq2[eventstore.Event, error] { return s.ReadStream(ctx, stream, read) })
}

// ReadAll is eventstore.Store's.
func (l *Log) ReadAll(ctx context.Context, read eventstore.LogRead) iter.Seq2[eventstore.Event, error] {
	return l.read(func(s *Store) iter.Seq2[eventstore.Event, error] { return s.ReadAll(ctx, read) })
}

// ReadPartition is eventstore.Partitioned's.
func (l *Log) ReadPartition(ctx context.Context, partition string, read eventstore.PartitionRead) iter.Seq2[eventstore.Event, error] {
	return l.read(func(s *Store) iter.Seq2[eventstore.Event, error] { return s.ReadPartition(ctx, partition, read) })
}

func (l *Log) read(events func(*Store) iter.Seq2[eventstore.Event, error]) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		store, err := l.current()
		if err != nil {
			yield(eventstore.Event{}, l.again(err))
			return
		}
		events(store)(func(e eventstore.Event, err error) bool {
			if err != nil {
				err = l.again(err)
			}
			return yield(e, err)
		})
	}
}

// Subscribe is eventstore.Store's.
func (l *Log) Subscribe(ctx context.Context, after eventstore.Position, filter eventstore.Filter) (eventstore.Subscription, error) {
	sub, err := with(ctx, l, func(s *Store) (eventstore.Subscription, error) { return s.Subscribe(ctx, after, filter) })
	switch {
	case errors.Is(err, eventstore.ErrUnavailable): // shows up in Next
		return unfollowed{err}, nil
	case err != nil:
		return nil, err
	}
	return &follower{Subscription: sub, log: l}, nil
}

// follower is a subscription to one opening of a log.
type follower struct {
	eventstore.Subscription
	log    *Log
	closed atomic.Bool
}

func (f *follower) Next(ctx context.Context) (eventstore.Batch, error) {
	batch, err := f.Subscription.Next(ctx)
	if err != nil && !f.closed.Load() {
		err = f.log.again(err)
	}
	return batch, err
}

func (f *follower) Close() error {
	f.closed.Store(true)
	return f.Subscription.Close()
}

// unfollowed is a subscription to a log that was being opened.
type unfollowed struct{ cause error }

func (u unfollowed) Next(ctx context.Context) (eventstore.Batch, error) {
	if err := ctx.Err(); err != nil {
		return eventstore.Batch{}, err
	}
	return eventstore.Batch{}, u.cause
}

func (u unfollowed) Close() error { return nil }
