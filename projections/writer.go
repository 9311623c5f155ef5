package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// writer folds batches into one target. Live running, rebuilding and verifying differ only in where their batches come
// from. Not for concurrent use.
type writer struct {
	model    Model
	sink     Sink
	target   Target
	log      *slog.Logger
	identity string // of the event log
	store    eventstore.Store
	history  uint64            // of the log, before anything of it was read
	at       Checkpoint        // where the target stands
	stopped  map[string]Parked // by stream
	skipped  skipped
	rows     *knownRows
	// Where stores are folded apart: how many positions at once, and how many changes they may make.
	rangeSize  uint64
	changesMax int
	fillMax    int // events of a batch, where they are folded in order
}

// errMoved: the target stands elsewhere than the writer left it.
var errMoved = errors.New("read model was moved by somebody else, or lost its data")

// openWriter reads where a target stands. It returns ErrForeign or an *OlderLog if that is no place of this log.
func openWriter(ctx context.Context, store eventstore.Store, sink Sink, model Model, target Target, log *slog.Logger) (*writer, error) {
	history := eventstore.HistoryOf(store)
	at, err := standing(ctx, store, sink, target)
	if err != nil {
		return nil, err
	}
	identity, err := store.Identity(ctx)
	if err != nil {
		return nil, err
	}
	stopped, err := listParked(ctx, sink, target)
	if err != nil {
		return nil, err
	}
	leaves, err := readSkipped(ctx, store, model.Name)
	if err != nil {
		return nil, err
	}
	return &writer{
		model: model, sink: sink, target: target, log: log, identity: identity, store: store, history: history, at: at, stopped: stopped, skipped: leaves,
		rows: newKnownRows(RowsBytes), rangeSize: rangePositions, changesMax: ChangesMax, fillMax: fillEvents,
	}, nil
}

// openServed opens the target that is served.
func openServed(ctx context.Context, store eventstore.Store, sink Sink, model Model, log *slog.Logger) (*writer, error) {
	target, err := active(ctx, sink, model)
	if err != nil {
		return nil, err
	}
	return openWriter(ctx, store, sink, model, target, log)
}

// apply folds events, all of them after the target's position, and stores the effect. A batch that makes
// more changes than a sink takes at once is cut in two, and so is one with an event that cannot be folded, until that
// event is alone; then its stream is parked. On errMoved the writer is of no use any more; any other error means: try
// again.
func (w *writer) apply(ctx context.Context, events []eventstore.Event, to place) error {
	next := w.checkpoint(to)
	changes, err := w.fold(ctx, events)
	tooMany := len(changes) > ChangesMax && len(events) > 1
	if err == nil && !tooMany {
		err = w.commit(ctx, next, changes)
	}
	var poison *poisonError
	if !errors.As(err, &poison) && !tooMany {
		return err
	}
	if len(events) == 1 {
		return w.park(ctx, events[0], next, poison)
	}
	half := len(events) / 2
	if err := w.apply(ctx, events[:half], placeOf(events[half-1])); err != nil {
		return err
	}
	return w.apply(ctx, events[half:], to)
}

// pass moves an idle target past events that do not concern it, so that a restart need not read the whole log again, and
// names its event if an earlier program did not.
func (w *writer) pass(ctx context.Context, store eventstore.Store, position eventstore.Position) error {
	if w.at.Event != uuid.Nil && !w.at.Position.Before(position) {
		return nil
	}
	to, err := lastPlace(ctx, store, position)
	if err != nil || !w.at.before(w.checkpoint(to)) {
		return err
	}
	return w.apply(ctx, nil, to)
}

// checkpoint is where the target stands once it holds everything up to a place.
func (w *writer) checkpoint(to place) Checkpoint {
	return Checkpoint{Log: w.identity, Version: w.model.Version, Position: to.position, Event: to.event, Resumed: w.at.Resumed}
}

// poisonError: an event cannot be folded, however often it is tried.
type poisonError struct{ cause error }

func (p *poisonError) Error() string { return p.cause.Error() }
func (p *poisonError) Unwrap() error { return p.cause }

// fold makes changes of events.
func (w *writer) fold(ctx context.Context, events []eventstore.Event) ([]Change, error) {
	if len(events) == 0 {
		return nil, nil
	}
	fold, left := w.model.NewFold(), leftOut{}
	for _, e := range events {
		if err := w.add(fold, e, left); err != nil {
			return nil, err
		}
	}
	changes, err := w.changes(ctx, fold)
	return left.before(changes), err
}

// add folds one event, unless its stream is stopped, or it is skipped. Error: a poisonError.
func (w *writer) add(fold Fold, e eventstore.Event, left leftOut) error {
	if _, is := w.stopped[e.Stream]; is {
		return nil
	}
	if len(w.skipped.events) > 0 && w.skipped.events[eventPlace{e.Stream, e.Revision}] {
		left[storeOf(e.Stream)]++
		return nil
	}
	if err := addRecovering(fold, e); err != nil {
		return &poisonError{fmt.Errorf("%s at position %s: %w", e.Type, e.Position, err)}
	}
	return nil
}

// changes returns what a fold comes to. A sum that overflows is a poisonError, and so is a name that no sink takes.
func (w *writer) changes(ctx context.Context, fold Fold) ([]Change, error) {
	changes, err := fold.Changes(ctx, w.readRows)
	if errors.Is(err, ErrOverflow) || errors.Is(err, ErrInvalid) {
		err = &poisonError{err}
	}
	return changes, err
}

func (w *writer) readRows(ctx context.Context, partition string, fields []string) (map[string]Value, error) {
	if w.at == (Checkpoint{}) {
		return nil, nil // fields come with a checkpoint
	}
	return w.rows.read(ctx, partition, fields, func(ctx context.Context, partition string, fields []string) (map[string]Value, error) {
		rows, _, err := w.sink.Get(ctx, w.target, partition, fields...)
		return rows, err
	})
}

// addRecovering turns a fold's panic into its error: one event must not stop all others.
func addRecovering(fold Fold, e eventstore.Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return fold.Add(e)
}

// errWentBack: what was read is not of the log any more, which has gone back meanwhile.
var errWentBack = fmt.Errorf("%w: the log was replaced by an older copy meanwhile", errMoved)

func (w *writer) commit(ctx context.Context, next Checkpoint, changes []Change) error {
	if eventstore.HistoryOf(w.store) != w.history {
		return errWentBack
	}
	err := w.sink.Apply(ctx, w.target, Batch{From: w.at, To: next, Changes: changes})
	switch {
	case errors.Is(err, ErrFenced):
		return errMoved
	case errors.Is(err, ErrOverflow), errors.Is(err, ErrUnfit):
		return &poisonError{err}
	case err == nil:
		w.at = next
		w.rows.applied(changes)
	}
	return err
}

// park stops a stream at an event, in the same atomic step that moves the position past it.
func (w *writer) park(ctx context.Context, e eventstore.Event, next Checkpoint, cause error) error {
	before := w.stopped
	w.stopped = maps.Clone(before)
	w.stopped[e.Stream] = newParked(w.model.Name, e, cause)
	changes, err := w.noteStopped(nil, e.Stream)
	if err == nil {
		err = w.commit(ctx, next, changes)
	}
	if err != nil {
		w.stopped = before
		return err
	}
	w.log.Error("stream parked: an event cannot be folded", "model", w.model.Name, "stream", e.Stream, "revision", e.Revision, "error", cause)
	return nil
}

// active returns the generation of a read model that is served.
func active(ctx context.Context, sink Sink, model Model) (Target, error) {
	generations, err := sink.Generations(ctx, model.keptAs())
	return model.Target(generations.Active), err
}
