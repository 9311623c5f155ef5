package projections

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"daybook/eventstore"
)

// Partitions that tell what a read model leaves out. They are no names of stores.
const (
	parkedPartition  = "!parked"   // a row for each stream that is stopped
	leftOutPartition = "!left_out" // for each store the streams that are stopped, and the events that were skipped
)

// isLeftOut says whether a partition tells what a read model leaves out.
func isLeftOut(partition string) bool {
	return partition == parkedPartition || partition == leftOutPartition
}

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
	if errors.Is(cause, ErrOverflow) {
		cause = ErrOverflow // sinks and folds word it differently
	}
	text := strings.ToValidUTF8(strings.ReplaceAll(cause.Error(), "\x00", ""), "")
	return Parked{
		Model: model, Stream: e.Stream, Revision: e.Revision,
		Position: e.Position.String(), Type: e.Type, Error: strings.ToValidUTF8(text[:min(len(text), errorMax)], ""),
	}
}

// errorMax bounds the error that a parked stream shows, in bytes: it may repeat what stands in the event.
const errorMax = 1000

func (p Parked) change() (Change, error) {
	row, err := json.Marshal(p)
	return Change{Partition: parkedPartition, Field: p.Stream, Op: Put, Row: row}, err
}

// ListParked returns the streams that a read model, as it is served, stopped following, in byte order.
func ListParked(ctx context.Context, sink Sink, model Model) ([]Parked, error) {
	target, err := active(ctx, sink, model)
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

// Unpark follows parked streams again: it folds the events that were left out, up to where the read model stands. To skip
// leaves the events out that the streams stopped at, for good: it is noted in the log, so a read model that is lost or
// rebuilt leaves them out too. Others may run the projection meanwhile. Errors: ErrNotParked, having changed nothing;
// ErrStillPoison for the first stream that stays parked, after the others were tried.
func Unpark(ctx context.Context, store eventstore.Store, sink Sink, model Model, streams []string, skip bool, log *slog.Logger) error {
	w, err := openServed(ctx, store, sink, model, log)
	if err != nil {
		return err
	}
	stopped := make([]Parked, len(streams))
	for i, name := range streams {
		var is bool
		if stopped[i], is = w.stopped[name]; !is {
			return fmt.Errorf("%w: %s in %s", ErrNotParked, name, model.Name)
		}
	}
	if skip {
		if err := recordSkips(ctx, store, model.Name, stopped); err != nil {
			return err
		}
		if w, err = openServed(ctx, store, sink, model, log); err != nil {
			return err
		}
	}
	var poison error
	for _, name := range streams {
		if w, err = w.unparkAgain(ctx, store, name); errors.Is(err, ErrStillPoison) {
			poison = cmp.Or(poison, err)
		} else if err != nil {
			return err
		}
	}
	return poison
}

// unparkAgain tries until nobody else moves the read model. It returns the writer to go on with.
func (w *writer) unparkAgain(ctx context.Context, store eventstore.Store, streamName string) (*writer, error) {
	for attempt := 1; ; attempt++ {
		err := w.unpark(ctx, store, streamName)
		if !errors.Is(err, errMoved) || attempt == unparkAttempts {
			return w, err
		}
		if w, err = openServed(ctx, store, w.sink, w.model, w.log); err != nil {
			return w, err
		}
	}
}

// unparkSkipped follows those streams again that stopped at an event which the operator has skipped since, perhaps while
// this read model was being made.
func (w *writer) unparkSkipped(ctx context.Context, store eventstore.Store) error {
	for _, p := range w.stopped {
		if !w.skipped.events[eventPlace{p.Stream, p.Revision}] {
			continue
		}
		if err := w.unpark(ctx, store, p.Stream); err != nil && !errors.Is(err, ErrStillPoison) {
			return err
		}
	}
	return nil
}

// unpark does nothing if the stream is not parked any more. On an error, ErrStillPoison aside, nothing has changed.
func (w *writer) unpark(ctx context.Context, store eventstore.Store, streamName string) error {
	parked, is := w.stopped[streamName]
	if !is {
		return nil
	}
	events, err := w.leftOut(ctx, store, streamName, parked.Revision)
	if err != nil {
		return err
	}
	before := w.stopped
	w.stopped = maps.Clone(before)
	delete(w.stopped, streamName)
	changes, poison, err := w.foldLeftOut(ctx, events)
	if err == nil {
		changes, err = w.noteStopped(changes, streamName)
	}
	if err == nil {
		next := w.at
		next.Resumed++
		err = w.commit(ctx, next, changes)
	}
	if err != nil {
		w.stopped = before
		if poison = nil; !errors.As(err, &poison) {
			return err
		}
	}
	if poison != nil {
		return fmt.Errorf("%w: %w", ErrStillPoison, poison)
	}
	return nil
}

// foldLeftOut folds what was left out of a stream, up to the next event that cannot be folded: there it is parked again.
func (w *writer) foldLeftOut(ctx context.Context, events []eventstore.Event) ([]Change, *poisonError, error) {
	changes, err := w.fold(ctx, events)
	var poison *poisonError
	if !errors.As(err, &poison) {
		return changes, nil, err
	}
	n, changes, poison, err := w.foldUntilPoison(ctx, events)
	if err == nil {
		w.stopped[events[n].Stream] = newParked(w.model.Name, events[n], poison)
	}
	return changes, poison, err
}

// noteStopped adds to changes whether a stream is stopped now, and how many of its store are.
func (w *writer) noteStopped(changes []Change, streamName string) ([]Change, error) {
	storeID, n := storeOf(streamName), 0
	for other := range w.stopped {
		if storeOf(other) == storeID {
			n++
		}
	}
	stopped := Change{Partition: parkedPartition, Field: streamName, Op: Delete}
	count := Change{Partition: leftOutPartition, Field: leftOutParked + storeID, Op: Delete}
	if parked, is := w.stopped[streamName]; is {
		var err error
		if stopped, err = parked.change(); err != nil {
			return nil, err
		}
	}
	if n > 0 {
		count.Op, count.Row = Put, fmt.Appendf(nil, `{"streams":%d}`, n)
	}
	return append(slices.Clip(changes), stopped, count), nil
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
