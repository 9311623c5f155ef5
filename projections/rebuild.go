package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"daybook/eventstore"
)

// Report is what a rebuild or a verification found.
type Report struct {
	Model      string
	Position   eventstore.Position // both sides were compared as of here; zero if they were not
	Entries    int                 // how many fields the fresh fold has
	Compared   bool                // false if there was nothing of this log to compare with
	Difference string              // the first one found, for people; "" if there is none
	// Kept says why the generation that was served until now is kept; "" if it is not. See ErrOlder.
	Kept string
}

// Progress is told how far a long work is: positions done, of the total. The total may grow.
type Progress func(done, total uint64)

// Rebuild folds the log from its beginning into the next generation of a read model, beside the one that is served,
// compares the two as of one position, and then serves the new one. The old one stays until the next rebuild, so that
// Rollback can go back to it. A difference is reported, and does not keep the new one from being served: the log is
// right. Rebuilding may go on while the read model is served, by this process or others.
//
// Where the log is an older copy of what the served generation was made of, there is nothing to compare, and that
// generation is kept.
func Rebuild(ctx context.Context, store eventstore.Store, sink Sink, model Model, log *slog.Logger, progress Progress) (Report, error) {
	served, err := active(ctx, sink, model)
	if err != nil {
		return Report{}, err
	}
	older, err := setAside(ctx, store, sink, served)
	if err != nil {
		return Report{}, err
	}
	next, err := nextGeneration(ctx, store, sink, served)
	if err != nil {
		return Report{}, err
	}
	w, err := openWriter(ctx, store, sink, model, next, log)
	if err != nil {
		return Report{}, err
	}
	report, err := compareServed(ctx, store, w, served, progress)
	if err != nil {
		return report, err
	}
	if older != nil {
		report.Kept = older.Error()
	}
	head, err := store.Head(ctx)
	if err != nil {
		return report, err
	}
	if err := w.fill(ctx, store, head, progress); err != nil {
		return report, err
	}
	if err := belongs(ctx, store, sink, next, w.at); err != nil { // the log may have gone back meanwhile
		return report, err
	}
	if noted, _, err := readNotes(ctx, sink, served); err != nil {
		return report, err
	} else if noted.complete {
		if err := w.noteComplete(ctx); err != nil {
			return report, err
		}
	}
	return report, sink.Activate(ctx, next.Model, next.Generation)
}

// nextGeneration makes room for a new generation: what an interrupted rebuild left behind goes, and so does what came
// before the served one, unless it is kept.
func nextGeneration(ctx context.Context, store eventstore.Store, sink Sink, served Target) (Target, error) {
	generations, err := sink.Generations(ctx, served.Model)
	if err != nil {
		return Target{}, err
	}
	next := Target{served.Model, served.Generation}
	for _, g := range generations.All {
		next.Generation = max(next.Generation, g)
		if g == served.Generation {
			continue
		}
		older, err := setAside(ctx, store, sink, Target{served.Model, g})
		if err == nil && older == nil {
			err = sink.Drop(ctx, Target{served.Model, g})
		}
		if err != nil {
			return Target{}, err
		}
	}
	next.Generation++
	return next, nil
}

// ErrNoRollback: there is no other generation to go back to.
var ErrNoRollback = errors.New("there is no earlier generation to go back to")

// Rollback serves the generation before the present one again; it catches up from where it was left. One that is not of
// this log, or knows more than it, is passed over. Error: ErrNoRollback.
func Rollback(ctx context.Context, store eventstore.Store, sink Sink, model Model) error {
	generations, err := sink.Generations(ctx, model.keptAs())
	if err != nil {
		return err
	}
	refused := fmt.Errorf("%s: %w", model.Name, ErrNoRollback)
	for _, g := range slices.Backward(generations.All) {
		if g >= generations.Active {
			continue
		}
		_, err := standing(ctx, store, sink, model.Target(g))
		switch {
		case err == nil:
			return sink.Activate(ctx, model.keptAs(), g)
		case !errors.Is(err, ErrForeign) && !errors.Is(err, ErrOlder):
			return err
		}
		refused = fmt.Errorf("%w; %w", refused, err)
	}
	return refused
}

// CatchUp brings a served read model to the end of the log where no server runs its projection.
func CatchUp(ctx context.Context, store eventstore.Store, sink Sink, model Model, log *slog.Logger, progress Progress) error {
	w, err := openServed(ctx, store, sink, model, log)
	if err == nil {
		err = w.unparkSkipped(ctx, store)
	}
	if err != nil {
		return err
	}
	head, err := store.Head(ctx)
	if err != nil {
		return err
	}
	w.rangeSize, w.fillMax = catchUpPositions, catchUpEvents
	return w.fill(ctx, store, head, progress)
}

// catchUpPositions and catchUpEvents are rangePositions and fillEvents for a read model that is served: what it lacks are the
// latest days mostly, or what was imported in the order of time, so smaller batches make hardly more changes, and a million
// sales take little memory.
const (
	catchUpPositions = 1 << 17
	catchUpEvents    = 5_000
)

// fillEvents is how many events a rebuild folds before it stores them: enough that most lines of a product meet in
// memory, few enough for a small machine.
const fillEvents = 20_000

// fill brings the writer's target from where it stands to the last event at or before a position.
func (w *writer) fill(ctx context.Context, store eventstore.Store, position eventstore.Position, progress Progress) error {
	to, err := lastPlace(ctx, store, position)
	if err != nil {
		return err
	}
	if apart, can := store.(eventstore.Partitioned); can && w.model.Category != "" {
		err := w.fillApart(ctx, apart, to, progress)
		var poison *poisonError
		if err == nil && w.at.before(w.checkpoint(to)) { // it held everything, and did not name its event
			err = w.apply(ctx, nil, to)
		}
		if !errors.As(err, &poison) {
			return err
		}
		// In order, the stream that has this event is found and parked.
	}
	return w.fillInOrder(ctx, store, to, progress)
}

func (w *writer) fillInOrder(ctx context.Context, store eventstore.Store, to place, progress Progress) error {
	events := make([]eventstore.Event, 0, w.fillMax)
	read := eventstore.LogRead{After: w.at.Position, Filter: eventstore.Filter{Types: w.model.Types}}
	for e, err := range store.ReadAll(ctx, read) {
		if err != nil {
			return err
		}
		if to.position.Before(e.Position) {
			break
		}
		if events = append(events, e); len(events) == w.fillMax {
			if err := w.apply(ctx, events, placeOf(e)); err != nil {
				return err
			}
			progress(e.Position.Commit, to.position.Commit)
			events = events[:0]
		}
	}
	if len(events) == 0 && w.at == w.checkpoint(to) {
		return nil
	}
	if err := w.apply(ctx, events, to); err != nil {
		return err
	}
	progress(to.position.Commit, to.position.Commit)
	return nil
}
