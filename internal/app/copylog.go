package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"daybook/commands"
	"daybook/domain/stream"
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

// ErrNotACopy: the target holds something else than the beginning of this log. Nothing was written. Name an empty one.
var ErrNotACopy = errors.New("the target is not a copy of this log")

// CopyLog copies the log into KurrentDB: every event with its id, stream and place in the order. It goes on where an
// earlier run stopped, and at the end compares the copy with the original. Result: Copied.
var CopyLog = operation("copy-log", func(ctx context.Context, a *App, args CopyArgs, _ io.Reader, progress Progress) (any, error) {
	target, err := kurrent.Open(kurrent.Options{URL: args.To, Logger: a.log})
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	copied, err := copyLog(ctx, a.Store, target, a.Config.Now(), progress)
	return copied, errors.Join(err, target.Close())
})

func copyLog(ctx context.Context, source, target eventstore.Store, now time.Time, progress Progress) (Copied, error) {
	var c Copied
	head, err := source.Head(ctx)
	if err != nil {
		return c, err
	}
	after, err := copiedUpTo(ctx, source, target)
	if err != nil {
		return c, err
	}
	c.Resumed = !after.IsZero()
	if err := canBeCopied(ctx, source, after, head, progress); err != nil {
		return c, err
	}
	for run, err := range runs(withoutClaims(source.ReadAll(ctx, eventstore.LogRead{After: after})), head) {
		if err != nil {
			return c, err
		}
		first, last := run[0], run[len(run)-1]
		if _, err := target.Append(ctx, first.Stream, first.Revision-1, drafts(run)); err != nil {
			return c, fmt.Errorf("copying stream %s from revision %d: %w", first.Stream, first.Revision, err)
		}
		c.Added += uint64(len(run))
		progress("copying", last.Position.Commit, head.Commit)
	}
	if c.Events, err = compareLogs(ctx, source, target, head, progress); err != nil {
		return c, err
	}
	c.Keys, err = claimKeys(ctx, source, target, head, now.Add(-keysKept), progress)
	return c, err
}

const (
	// keysKept is how long keys are known in a copy, also where a command has another stream by now.
	keysKept = 30 * 24 * time.Hour
	// claimers is how many claims are appended at a time.
	claimers = 32
)

// claimKeys claims in the target the keys of all commands since a time, for processes that find a command by its claim
// only. Returns how many there are.
func claimKeys(
	ctx context.Context, source, target eventstore.Store, head eventstore.Position, since time.Time, progress Progress,
) (keys int, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(claimers)
	for e, err := range source.ReadAll(ctx, eventstore.LogRead{}) {
		if err != nil {
			return 0, errors.Join(err, group.Wait())
		}
		if head.Before(e.Position) {
			break
		}
		if e.Created.Before(since) {
			continue
		}
		name, claim, is, err := commands.ClaimOf(e)
		if err != nil {
			return 0, errors.Join(err, group.Wait())
		}
		if !is {
			continue
		}
		group.Go(func() error {
			_, err := target.Append(ctx, name, eventstore.NoStream, []eventstore.NewEvent{claim})
			var there *eventstore.Conflict // claimed in the target since
			if errors.As(err, &there) {
				return nil
			}
			return err
		})
		if keys++; keys%100 == 0 {
			progress("claiming keys", e.Position.Commit, head.Commit)
		}
	}
	return keys, group.Wait()
}

// ErrTooLarge: events from before a limit are larger than what the target takes. Nothing was written.
var ErrTooLarge = fmt.Errorf("events are larger than the %d bytes that an append may have", eventstore.AppendBytesMax)

// tooLargeNamed is how many events ErrTooLarge names.
const tooLargeNamed = 100

// canBeCopied looks through what is to be copied before anything is written. Error: ErrTooLarge, with each event's place.
func canBeCopied(ctx context.Context, source eventstore.Store, after, head eventstore.Position, progress Progress) error {
	var named []string
	large, n := 0, 0
	for e, err := range source.ReadAll(ctx, eventstore.LogRead{After: after}) {
		if err != nil {
			return err
		}
		if head.Before(e.Position) {
			break
		}
		if size := sizeOf(e); size > eventstore.AppendBytesMax {
			if large++; large <= tooLargeNamed {
				named = append(named, fmt.Sprintf("stream %s revision %d: %d bytes", e.Stream, e.Revision, size))
			}
		}
		if n++; n%10_000 == 0 {
			progress("looking", e.Position.Commit, head.Commit)
		}
	}
	if large > 0 {
		return fmt.Errorf("%d %w: %s", large, ErrTooLarge, strings.Join(named, "; "))
	}
	return nil
}

func sizeOf(e eventstore.Event) int {
	return eventstore.NewEvent{Type: e.Type, Data: e.Data, Metadata: e.Metadata}.Size()
}

// copiedUpTo returns the place in the source of the target's last event, zero if it has none. Error: ErrNotACopy.
func copiedUpTo(ctx context.Context, source, target eventstore.Store) (eventstore.Position, error) {
	for last, err := range target.ReadAll(ctx, eventstore.LogRead{Direction: eventstore.Backward}) {
		if err != nil {
			return eventstore.Position{}, err
		}
		if isClaim(last) {
			continue
		}
		for e, err := range source.ReadStream(ctx, last.Stream, eventstore.StreamRead{From: last.Revision, Limit: 1}) {
			if err == nil && e.ID != last.ID {
				err = fmt.Errorf("%w: stream %s differs at revision %d", ErrNotACopy, last.Stream, last.Revision)
			}
			return e.Position, err
		}
		return eventstore.Position{}, fmt.Errorf("%w: it has stream %s at revision %d", ErrNotACopy, last.Stream, last.Revision)
	}
	return eventstore.Position{}, nil
}

// isClaim tells what a copy has beside what it was copied from.
func isClaim(e eventstore.Event) bool { return stream.IsAside(e.Stream) }

// withoutClaims yields the other events.
func withoutClaims(events iter.Seq2[eventstore.Event, error]) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		for e, err := range events {
			if err == nil && isClaim(e) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Bounds of one append of a copy.
const (
	copyRunMax      = 500
	copyRunBytesMax = eventstore.AppendBytesMax / 2
)

// runs gathers neighbours of one stream, which can be appended together without changing the order, up to the head.
func runs(events iter.Seq2[eventstore.Event, error], head eventstore.Position) iter.Seq2[[]eventstore.Event, error] {
	return func(yield func([]eventstore.Event, error) bool) {
		var run []eventstore.Event
		size := 0
		for e, err := range events {
			if err != nil {
				yield(nil, err)
				return
			}
			if head.Before(e.Position) {
				break
			}
			bytes := sizeOf(e)
			if len(run) > 0 && (run[0].Stream != e.Stream || len(run) == copyRunMax || size+bytes > copyRunBytesMax) {
				if !yield(run, nil) {
					return
				}
				run, size = nil, 0
			}
			run, size = append(run, e), size+bytes
		}
		if len(run) > 0 {
			yield(run, nil)
		}
	}
}

func drafts(run []eventstore.Event) []eventstore.NewEvent {
	drafts := make([]eventstore.NewEvent, len(run))
	for i, e := range run {
		drafts[i] = eventstore.NewEvent{ID: e.ID, Type: e.Type, Data: e.Data, Metadata: e.Metadata}
	}
	return drafts
}

// compareLogs compares two logs event by event, up to the source's head, and returns how many there are.
func compareLogs(ctx context.Context, source, target eventstore.Store, head eventstore.Position, progress Progress) (uint64, error) {
	next, stop := iter.Pull2(withoutClaims(target.ReadAll(ctx, eventstore.LogRead{})))
	defer stop()
	count := uint64(0)
	for want, err := range withoutClaims(source.ReadAll(ctx, eventstore.LogRead{})) {
		if err != nil {
			return count, err
		}
		if head.Before(want.Position) {
			break
		}
		got, err, more := next()
		if err != nil {
			return count, err
		}
		if !more || !sameEvent(got, want) {
			return count, fmt.Errorf("%w: event %d, %s of stream %s at revision %d, is not there", ErrNotACopy, count+1, want.Type, want.Stream, want.Revision)
		}
		if count++; count%1000 == 0 {
			progress("comparing", want.Position.Commit, head.Commit)
		}
	}
	progress("comparing", head.Commit, head.Commit)
	if extra, err, more := next(); more && err == nil {
		return count, fmt.Errorf("%w: it goes on with %s of stream %s", ErrNotACopy, extra.Type, extra.Stream)
	}
	return count, nil
}

func sameEvent(a, b eventstore.Event) bool {
	return a.Stream == b.Stream && a.Revision == b.Revision && a.ID == b.ID && a.Type == b.Type &&
		bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Metadata, b.Metadata)
}
