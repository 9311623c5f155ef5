package projections

import (
	"context"
	"log/slog"
	"time"

	"daybook/eventstore"
)

// OutdatedAfter is how long an earlier version of a read model is there to go back to, after a newer one was complete and
// nobody kept it up to date any more.
const OutdatedAfter = 7 * 24 * time.Hour

// Outdated drops versions of read models that nobody needs any more. Let it look from time to time, an hour apart or so:
// it drops only what did not move from one look to the next. Not for concurrent use.
type Outdated struct {
	Store eventstore.Store
	Log   *slog.Logger

	seen map[string]Checkpoint // by name in the sink
}

// Look drops those versions of a model that are not needed any more. Generations that are kept because they know more than
// the log stay, and so does the version that has one served. A version that lost, with all else, the note that it is
// superseded gets it again.
func (o *Outdated) Look(ctx context.Context, sink Sink, model Model, now time.Time) error {
	served, err := active(ctx, sink, model)
	if err != nil {
		return err
	}
	noted, newest, err := readNotes(ctx, sink, served)
	if err == nil && noted.complete {
		err = supersede(ctx, sink, model, newest.Log, now)
	}
	if err != nil {
		return err
	}
	for earlier, is := model.before(); is; earlier, is = earlier.before() {
		is, err := o.isOutdated(ctx, sink, earlier, newest, now)
		if err == nil && is {
			o.Log.Info("an earlier version of a read model is dropped: nobody has kept it up to date", "model", earlier.Name, "version", earlier.Version)
			err = dropVersion(ctx, o.Store, sink, earlier)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isOutdated reports whether a version was superseded long ago, its last event is as old, and it stands where it stood
// at the last look, behind the newest version.
func (o *Outdated) isOutdated(ctx context.Context, sink Sink, earlier Model, newest Checkpoint, now time.Time) (bool, error) {
	target, err := active(ctx, sink, earlier)
	if err != nil {
		return false, err
	}
	at, err := standing(ctx, o.Store, sink, target)
	if err != nil || at.Position.IsZero() {
		return false, ignoring(err, ErrForeign, ErrOlder)
	}
	noted, at, err := readNotes(ctx, sink, target)
	if err != nil {
		return false, err
	}
	before, seen := o.seen[target.Model]
	if o.seen == nil {
		o.seen = map[string]Checkpoint{}
	}
	o.seen[target.Model] = at
	if noted.superseded.Version == 0 || now.Sub(noted.superseded.Since) < OutdatedAfter || !seen || before != at || !at.Position.Before(newest.Position) {
		return false, nil
	}
	last, is, err := o.Store.At(ctx, at.Position)
	return is && now.Sub(last.Created) >= OutdatedAfter, err
}

// dropVersion deletes the generations of a superseded version, those that are kept aside, but for an empty one: a sink
// always serves one, and it says what became of the others.
func dropVersion(ctx context.Context, store eventstore.Store, sink Sink, earlier Model) error {
	served, err := active(ctx, sink, earlier)
	if err != nil {
		return err
	}
	noted, at, err := readNotes(ctx, sink, served)
	if err != nil {
		return err
	}
	empty, err := nextGeneration(ctx, store, sink, served)
	if err != nil {
		return err
	}
	row, err := noted.superseded.row()
	if err != nil {
		return err
	}
	err = sink.Apply(ctx, empty, Batch{To: Checkpoint{Log: at.Log, Version: at.Version}, Changes: []Change{row}})
	if err == nil {
		err = sink.Activate(ctx, empty.Model, empty.Generation)
	}
	if err == nil {
		err = sink.Drop(ctx, served)
	}
	return err
}
