package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"daybook/eventstore"
)

// parkedPartition holds a row for each stream that is stopped; it is no name of a store.
const parkedPartition = "!parked"

// Parked is a stream that a read model stopped following, because one of its events cannot be folded. The other
// streams go on.
type Parked struct {
	Model    string              `json:"model"`
	Stream   string              `json:"stream"`
	Revision eventstore.Revision `json:"revision"` // of the event that cannot be folded
	Position string              `json:"position"`
	Type     string              `json:"type"`
	Error    string              `json:"error"`
}

func newParked(model string, e eventstore.Event, cause error) Parked {
	return Parked{
		Model: model, Stream: e.Stream, Revision: e.Revision,
		Position: e.Position.String(), Type: e.Type, Error: cause.Error(),
	}
}

func (p Parked) change() (Change, error) {
	row, err := json.Marshal(p)
	return Change{Partition: parkedPartition, Field: p.Stream, Op: Put, Row: row}, err
}

// ListParked returns the streams that a read model, as it is served, stopped following, in byte order.
func ListParked(ctx context.Context, sink Sink, model Model) ([]Parked, error) {
	target, err := active(ctx, sink, model.Name)
	if err != nil {
		return nil, err
	}
	stopped, err := listParked(ctx, sink, target)
	parked := make([]Parked, 0, len(stopped))
	for _, p := range stopped {
		parked = append(parked, p)
	}
	slices.SortFunc(parked, func(a, b Parked) int { return strings.Compare(a.Stream, b.Stream) })
	return parked, err
}

func listParked(ctx context.Context, sink Sink, target Target) (map[string]Parked, error) {
	entries, _, err := sink.List(ctx, target, parkedPartition, "", 0)
	if err != nil {
		return nil, err
	}
	stopped := map[string]Parked{}
	for _, e := range entries {
		var p Parked
		if err := json.Unmarshal(e.Row, &p); err != nil {
			return nil, fmt.Errorf("parked stream %s: %w", e.Field, err)
		}
		stopped[e.Field] = p
	}
	return stopped, nil
}

var (
	// ErrNotParked: the read model follows that stream, or it does not exist.
	ErrNotParked = errors.New("that stream is not parked")
	// ErrStillPoison: an event of the stream still cannot be folded. What could be folded before it was.
	ErrStillPoison = errors.New("the stream stays parked")
)

// unparkAttempts bounds how often Unpark tries while others move the read model.
const unparkAttempts = 20

// Unpark follows a parked stream again: it folds the events that were left out, up to where the read model stands,
// with the event that the stream stopped at, or, to skip it, without. Others may run the projection meanwhile.
func Unpark(ctx context.Context, store eventstore.Store, sink Sink, model Model, streamName string, skip bool, log *slog.Logger) error {
	for attempt := 1; ; attempt++ {
		w, err := openServed(ctx, store, sink, model, log)
		if err != nil {
			return err
		}
		if err = w.unpark(ctx, store, streamName, skip); !errors.Is(err, errMoved) || attempt == unparkAttempts {
			return err
		}
	}
}

func (w *writer) unpark(ctx context.Context, store eventstore.Store, streamName string, skip bool) error {
	parked, is := w.stopped[streamName]
	if !is {
		return fmt.Errorf("%w: %s in %s", ErrNotParked, streamName, w.model.Name)
	}
	from := parked.Revision
	if skip {
		from++
	}
	events, err := w.leftOut(ctx, store, streamName, from)
	if err != nil {
		return err
	}
	delete(w.stopped, streamName)
	last := Change{Partition: parkedPartition, Field: streamName, Op: Delete}
	changes, err := w.fold(ctx, events)
	var poison *poisonError
	if errors.As(err, &poison) {
		var n int
		if n, changes, poison, err = w.foldUntilPoison(ctx, events); err != nil {
			return err
		}
		if last, err = newParked(w.model.Name, events[n], poison).change(); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	next := w.at
	next.Resumed++
	if err := w.commit(ctx, next, append(changes, last)); err != nil {
		return err
	}
	if poison != nil {
		return fmt.Errorf("%w: %w", ErrStillPoison, poison)
	}
	return nil
}

// leftOut reads the events of a stopped stream that concern the model, up to where the model stands.
func (w *writer) leftOut(ctx context.Context, store eventstore.Store, streamName string, from eventstore.Revision) ([]eventstore.Event, error) {
	var events []eventstore.Event
	for e, err := range store.ReadStream(ctx, streamName, eventstore.StreamRead{From: from}) {
		if err != nil {
			return nil, err
		}
		if w.at.Position.Before(e.Position) {
			break
		}
		if slices.Contains(w.model.Types, e.Type) {
			events = append(events, e)
		}
	}
	return events, nil
}

// foldUntilPoison folds the events before the n-th, the first that cannot be folded.
func (w *writer) foldUntilPoison(ctx context.Context, events []eventstore.Event) (n int, changes []Change, poison *poisonError, err error) {
	for n = range events {
		if _, err := w.fold(ctx, events[:n+1]); errors.As(err, &poison) {
			changes, err := w.fold(ctx, events[:n])
			return n, changes, poison, err
		} else if err != nil {
			return 0, nil, nil, err
		}
	}
	return 0, nil, nil, fmt.Errorf("stream of %s can be folded after all; try again", w.model.Name)
}
