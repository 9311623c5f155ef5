package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"daybook/commands"
	"daybook/domain/stream"
	"daybook/eventstore"
)

// isAside tells what each log makes for itself, so that a copy has it beside what it was copied from.
func isAside(e eventstore.Event) bool { return stream.IsAside(e.Stream) }

// withoutAsides yields the other events.
func withoutAsides(events iter.Seq2[eventstore.Event, error]) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		for e, err := range events {
			if err == nil && isAside(e) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// runs gathers neighbours of one stream, which can be appended together without changing the order.
func runs(events iter.Seq2[eventstore.Event, error]) iter.Seq2[run, error] {
	return func(yield func(run, error) bool) {
		var r run
		size := 0
		for e, err := range events {
			if err != nil {
				yield(nil, err)
				return
			}
			bytes := sizeOf(e)
			if len(r) > 0 && (r[0].Stream != e.Stream || len(r) == eventstore.AppendMax || size+bytes > eventstore.AppendBytesMax) {
				if !yield(r, nil) {
					return
				}
				r, size = nil, 0
			}
			r, size = append(r, e), size+bytes
		}
		if len(r) > 0 {
			yield(r, nil)
		}
	}
}

func drafts(r run) []eventstore.NewEvent {
	drafts := make([]eventstore.NewEvent, len(r))
	for i, e := range r {
		drafts[i] = eventstore.NewEvent{ID: e.ID, Type: e.Type, Data: e.Data, Metadata: e.Metadata}
	}
	return drafts
}

func sizeOf(e eventstore.Event) int {
	return eventstore.NewEvent{Type: e.Type, Data: e.Data, Metadata: e.Metadata}.Size()
}

func sameEvent(a, b eventstore.Event) bool {
	return a.Stream == b.Stream && a.Revision == b.Revision && a.ID == b.ID && a.Type == b.Type &&
		bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Metadata, b.Metadata)
}

// ErrTooLarge: events from before a limit are larger than what the target takes. Nothing was written.
var ErrTooLarge = fmt.Errorf("events are larger than the %d bytes that an append may have", eventstore.AppendBytesMax)

// tooLargeNamed is how many events ErrTooLarge names.
const tooLargeNamed = 100

// tooLarge gathers events that no append takes.
type tooLarge struct {
	named []string
	count int
}

func (l *tooLarge) look(e eventstore.Event) {
	size := sizeOf(e)
	if size <= eventstore.AppendBytesMax {
		return
	}
	if l.count++; l.count <= tooLargeNamed {
		l.named = append(l.named, fmt.Sprintf("stream %s revision %d: %d bytes", e.Stream, e.Revision, size))
	}
}

// err returns ErrTooLarge if there are any.
func (l *tooLarge) err() error {
	if l.count == 0 {
		return nil
	}
	return fmt.Errorf("%d %w: %s", l.count, ErrTooLarge, strings.Join(l.named, "; "))
}

const (
	// keysKept is how long keys are known in a copy, also where a command has another stream by now.
	keysKept = 30 * 24 * time.Hour
	// claimers is how many claims are appended at a time.
	claimers = 32
	// clockBack is how far the clocks of those who appended may have been put back between two events.
	clockBack = 24 * time.Hour
)

// claimKeys claims in the target the keys of all commands from a time to a head, for processes that find a command by its
// claim only. It goes backward, so that the log is not read again from its beginning. Returns how many there are.
func claimKeys(
	ctx context.Context, source, target eventstore.Store, head eventstore.Position, since time.Time, progress Progress,
) (keys int, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(claimers)
	for e, err := range source.ReadAll(ctx, eventstore.LogRead{Direction: eventstore.Backward}) {
		if err != nil {
			return 0, errors.Join(err, group.Wait())
		}
		if e.Created.Before(since.Add(-clockBack)) {
			break
		}
		if e.Created.Before(since) || head.Before(e.Position) {
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
			progress("claiming keys", uint64(keys), 0)
		}
	}
	return keys, group.Wait()
}
