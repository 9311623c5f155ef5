package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// ErrForeign: a read model belongs to another log. Nothing was changed. Point the program at the right log or the right
// sink, or rebuild the read model.
var ErrForeign = errors.New("read model does not belong to this log")

// ErrOlder: the log is an older copy of the one that a read model was made of, perhaps with new events since. What the
// read model holds may be the only record of the events that are missing. It is not served, not added to, and dropped
// by DropKept only. The error is an *OlderLog.
var ErrOlder = errors.New("the log is an older copy")

// OlderLog says how an older copy of the log was noticed.
type OlderLog struct {
	Model      string              `json:"model"`
	Sink       string              `json:"sink"`
	Generation int                 `json:"generation"`
	Held       eventstore.Position `json:"held"` // the read model holds everything up to here
	Head       eventstore.Position `json:"head"` // where the log ended when it was noticed
	// Missing is how many events up to Held the log lacks. 0: not known, because the log has grown since it was
	// restored, or does not count its events.
	Missing uint64 `json:"missing"`

	kept bool // it is noted in the generation itself
}

func (o *OlderLog) Error() string {
	place := fmt.Sprintf("%s: %s in %s (generation %d) holds events up to position %s", ErrOlder, o.Model, o.Sink, o.Generation, o.Held)
	switch {
	case o.Missing > 0:
		return fmt.Sprintf("%s, the log ends at %s: at least %d events are missing", place, o.Head, o.Missing)
	case o.Head.Before(o.Held):
		return fmt.Sprintf("%s, the log ends at %s: how many events are missing is not known", place, o.Head)
	}
	return place + ", and the log, which has grown since it was restored, has other events there: how many are missing is not known"
}

func (o *OlderLog) Unwrap() error { return ErrOlder }

// A generation that knows more than the log is kept: a row says so, which no rebuild removes, and the log may grow as it
// likes. The partition is no name of a store. Whatever else is noted of the generation is in it, too: see notes.
const keptPartition, keptField = "!kept", "log"

// Standing returns where the served generation of a read model stands. It returns ErrForeign or an *OlderLog unless that
// is a place of this log. Where there is nothing of the model's version yet, it is about the newest version before.
func Standing(ctx context.Context, store eventstore.Store, sink Sink, model Model) (Checkpoint, error) {
	for is := true; is; model, is = model.before() {
		target, err := active(ctx, sink, model)
		if err != nil {
			return Checkpoint{}, err
		}
		if at, err := standing(ctx, store, sink, target); err != nil || at.Log != "" {
			return at, err
		}
	}
	return Checkpoint{}, nil
}

func standing(ctx context.Context, store eventstore.Store, sink Sink, target Target) (Checkpoint, error) {
	values, at, err := sink.Get(ctx, target, keptPartition, keptField)
	if err != nil {
		return at, err
	}
	err = belongs(ctx, store, sink, target, at)
	note, kept := values[keptField]
	if !kept || ignoring(err, ErrForeign, ErrOlder) != nil {
		return at, err
	}
	older := &OlderLog{kept: true}
	switch damage := json.Unmarshal(note.Row, older); {
	case damage != nil:
		return at, fmt.Errorf("why %s is kept: %w", target.Model, damage)
	case errors.Is(err, ErrForeign):
		return at, fmt.Errorf("%w; %w", err, older)
	}
	return at, older
}

// belongs returns ErrForeign or an *OlderLog unless a checkpoint is a place of this log.
func belongs(ctx context.Context, store eventstore.Store, sink Sink, target Target, at Checkpoint) error {
	if at == (Checkpoint{}) {
		return nil
	}
	identity, err := store.Identity(ctx)
	if err != nil {
		return err
	}
	if at.Log != identity {
		return fmt.Errorf("%w: %s in %s is of log %s, this is log %s", ErrForeign, target.Model, sink.Name(), at.Log, identity)
	}
	if at.Event != uuid.Nil {
		e, is, err := store.At(ctx, at.Position)
		if err != nil || is && e.ID == at.Event {
			return err
		}
	}
	head, err := store.Head(ctx)
	if err != nil || !head.Before(at.Position) && at.Event == uuid.Nil {
		return err
	}
	older := &OlderLog{Model: target.Model, Sink: sink.Name(), Generation: target.Generation, Held: at.Position, Head: head}
	if _, counts := store.(eventstore.Partitioned); counts && head.Before(at.Position) {
		older.Missing = at.Position.Commit - head.Commit
	}
	return older
}

// setAside makes sure that a generation that knows more than the log is kept, and returns why; nil if it does not.
func setAside(ctx context.Context, store eventstore.Store, sink Sink, target Target) (*OlderLog, error) {
	at, err := standing(ctx, store, sink, target)
	var older *OlderLog
	if !errors.As(err, &older) || older.kept {
		return older, ignoring(err, ErrForeign, ErrOlder)
	}
	note, err := json.Marshal(older)
	if err != nil {
		return nil, err
	}
	to := at
	to.Resumed++ // whoever still follows the other log moves it no more
	change := Change{Partition: keptPartition, Field: keptField, Op: Put, Row: note}
	err = sink.Apply(ctx, target, Batch{From: at, To: to, Changes: []Change{change}})
	if errors.Is(err, ErrFenced) {
		err = errMoved
	}
	return older, err
}

// ignoring returns err unless it is one of some errors.
func ignoring(err error, some ...error) error {
	for _, one := range some {
		if errors.Is(err, one) {
			return nil
		}
	}
	return err
}

// follows reports whether a target at c holds all that it held at d, by the same log and version.
func (c Checkpoint) follows(d Checkpoint) bool {
	same := d.Log == "" || c.Log == d.Log && c.Version == d.Version
	replaced := c.Position == d.Position && d.Event != uuid.Nil && c.Event != d.Event
	return same && !replaced && !c.Position.Before(d.Position)
}
