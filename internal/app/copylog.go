package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"daybook/eventstore"
	"daybook/eventstore/kurrent"
)

// CopyArgs say where the log is copied to.
type CopyArgs struct {
	To string `json:"to"` // URL of KurrentDB
}

// Copied is what a copy did.
type Copied struct {
	Events  uint64 `json:"events"`  // that the copy holds, compared one by one with the original
	Added   uint64 `json:"added"`   // by this run
	Resumed bool   `json:"resumed"` // there was a part of the copy already
	Keys    int    `json:"keys"`    // of commands of the last 30 days, known in the copy wherever they are sent again
}

// ErrNotACopy: the target holds something else than the beginning of this log. Name an empty one.
var ErrNotACopy = errors.New("the target is not a copy of this log")

// CopyLog copies the log into KurrentDB: every event with its id, stream and place in the order. It goes on where an
// earlier run stopped, and compares each event of the copy with the original. Result: Copied.
var CopyLog = operation("copy-log", func(ctx context.Context, a *App, args CopyArgs, _ io.Reader, progress Progress) (any, error) {
	target, err := kurrent.Open(kurrent.Options{URL: args.To, Logger: a.log})
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	copied, err := copyLog(ctx, a.Store, target, a.Config.Now(), progress)
	return copied, errors.Join(err, target.Close())
})

// copyLog reads the original twice: once along with what the target has, and from there on to copy; and the last 30 days
// once more, for the keys.
func copyLog(ctx context.Context, source, target eventstore.Store, now time.Time, progress Progress) (Copied, error) {
	head, err := source.Head(ctx)
	if err != nil {
		return Copied{}, err
	}
	c := &copying{source: source, target: target, head: head, progress: progress}
	if err := c.look(ctx); err != nil {
		return c.Copied, err
	}
	if err := c.rest(ctx); err != nil {
		return c.Copied, err
	}
	c.Keys, err = claimKeys(ctx, source, target, head, now.Add(-keysKept), progress)
	return c.Copied, err
}

// copying is a copy that is being made.
type copying struct {
	Copied
	source, target eventstore.Store
	head           eventstore.Position // of the source, when the copy began
	from           eventstore.Position // in the source: up to here the target has everything
	compared       eventstore.Position // in the target: up to here it is the same
	progress       Progress
}

// originals yields the events of the source that belong into the copy.
func (c *copying) originals(ctx context.Context, after eventstore.Position) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		for e, err := range withoutAsides(c.source.ReadAll(ctx, eventstore.LogRead{After: after})) {
			if err == nil && c.head.Before(e.Position) || !yield(e, err) {
				return
			}
		}
	}
}

// told is how many events pass before progress is told again.
const told = 1000

// look compares what the target has, and looks whether it can take the rest, before anything is written. Errors:
// ErrNotACopy, or ErrTooLarge with each event's place.
func (c *copying) look(ctx context.Context) error {
	next, stop := iter.Pull2(withoutAsides(c.target.ReadAll(ctx, eventstore.LogRead{})))
	defer stop()
	var large tooLarge
	more, n := true, 0
	for e, err := range c.originals(ctx, eventstore.Position{}) {
		if err != nil {
			return err
		}
		if n++; n%told == 0 {
			c.progress("looking", e.Position.Commit, c.head.Commit)
		}
		if more {
			var got eventstore.Event
			if got, err, more = next(); err != nil {
				return err
			}
			if more {
				if err := c.same(got, e); err != nil {
					return err
				}
				c.from, c.Resumed = e.Position, true
				continue
			}
		}
		large.look(e)
	}
	c.progress("looking", c.head.Commit, c.head.Commit)
	if extra, err, more := next(); more {
		return goesOn(extra, err)
	}
	return large.err()
}

// same notes that the target's next event is as it should be. Error: ErrNotACopy.
func (c *copying) same(got, want eventstore.Event) error {
	if !sameEvent(got, want) {
		return notThere(c.Events, want)
	}
	c.Events++
	c.compared = got.Position
	return nil
}

func notThere(before uint64, want eventstore.Event) error {
	return fmt.Errorf("%w: event %d, %s of stream %s at revision %d, is not there", ErrNotACopy, before+1, want.Type, want.Stream, want.Revision)
}

func goesOn(extra eventstore.Event, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: it goes on with %s of stream %s", ErrNotACopy, extra.Type, extra.Stream)
}

// runsAhead is how many appends' worth of events wait for the writer, and behind it.
const runsAhead = 16

// rest copies what the target lacks. One append follows the other, so that the order of the log is kept; meanwhile the next
// events are read, and the last ones compared.
func (c *copying) rest(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	read, wrote := make(chan []eventstore.Event, runsAhead), make(chan []eventstore.Event, runsAhead)
	group.Go(func() error { return handAll(ctx, runs(c.originals(ctx, c.from)), read) })
	group.Go(func() error { return handAll(ctx, c.written(ctx, taken(ctx, read)), wrote) })
	group.Go(func() error { return c.compare(ctx, taken(ctx, wrote)) })
	return group.Wait()
}

// run is events that go into one append.
type run = []eventstore.Event

// handAll hands runs over. Where it fails, it does not close the channel: the context ends then.
func handAll(ctx context.Context, runs iter.Seq2[run, error], to chan<- run) error {
	for r, err := range runs {
		if err != nil {
			return err
		}
		select {
		case to <- r:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	close(to)
	return nil
}

// taken yields what was handed over.
func taken(ctx context.Context, from <-chan run) iter.Seq2[run, error] {
	return func(yield func(run, error) bool) {
		for {
			select {
			case r, more := <-from:
				if !more || !yield(r, nil) {
					return
				}
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			}
		}
	}
}

// written appends runs one after the other, and yields each when it was acknowledged.
func (c *copying) written(ctx context.Context, runs iter.Seq2[run, error]) iter.Seq2[run, error] {
	return func(yield func(run, error) bool) {
		for r, err := range runs {
			if err == nil {
				err = c.write(ctx, r)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func (c *copying) write(ctx context.Context, r run) error {
	first, last := r[0], r[len(r)-1]
	if _, err := c.target.Append(ctx, first.Stream, first.Revision-1, drafts(r)); err != nil {
		return fmt.Errorf("copying stream %s from revision %d: %w", first.Stream, first.Revision, err)
	}
	c.Added += uint64(len(r))
	c.progress("copying", last.Position.Commit, c.head.Commit)
	return nil
}

// compareEvents and compareBytes are how much is written before it is read back and compared. So much is in memory.
const (
	compareEvents = 4096
	compareBytes  = 8 << 20
)

// compare reads back what was written, block by block, and makes sure that nothing else is there.
func (c *copying) compare(ctx context.Context, written iter.Seq2[run, error]) error {
	var block run
	bytes := 0
	for r, err := range written {
		if err != nil {
			return err
		}
		for _, e := range r {
			bytes += sizeOf(e)
		}
		if block = append(block, r...); len(block) < compareEvents && bytes < compareBytes {
			continue
		}
		if err := c.compareBlock(ctx, block); err != nil {
			return err
		}
		block, bytes = nil, 0
	}
	if err := c.compareBlock(ctx, block); err != nil {
		return err
	}
	for extra, err := range withoutAsides(c.target.ReadAll(ctx, eventstore.LogRead{After: c.compared})) {
		return goesOn(extra, err)
	}
	return nil
}

// compareBlock compares the target's next events with what they should be.
func (c *copying) compareBlock(ctx context.Context, block run) error {
	for after := c.compared; len(block) > 0; {
		passed := 0
		for got, err := range c.target.ReadAll(ctx, eventstore.LogRead{After: after, Limit: len(block)}) {
			if err != nil {
				return err
			}
			passed++
			if after = got.Position; isAside(got) {
				continue
			}
			if err := c.same(got, block[0]); err != nil {
				return err
			}
			block = block[1:]
		}
		if passed == 0 {
			return notThere(c.Events, block[0])
		}
	}
	return nil
}
