package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"daybook/eventstore"
)

// In a sink, each version of a read model is a read model of its own, with its own generations. So programs of two
// versions keep each its own, and neither touches the other's.

// bareVersions are the versions that are kept under the bare name: those of the last release that knew of one version
// only. Nothing is ever added.
var bareVersions = map[string]int{"stores": 1, "menus": 1, "tables": 1, "devices": 1, "tabs": 2, "counters": 3}

// Target returns a generation of this version of the read model.
func (m Model) Target(generation int) Target {
	return Target{Model: m.keptAs(), Generation: generation}
}

// keptAs is the name that sinks know this version by.
func (m Model) keptAs() string {
	if m.Version <= bareVersions[m.Name] {
		return m.Name
	}
	return fmt.Sprintf("%s_v%d", m.Name, m.Version)
}

// before returns the version before this one, and whether there is one that is kept by itself. It is for reading only.
func (m Model) before() (Model, bool) {
	bare := bareVersions[m.Name]
	m.Version--
	return m, m.Version >= max(bare, 1)
}

// What is noted in a target beside why it is kept.
const (
	completeField   = "complete"   // its program, following the log, has reached the end once
	supersededField = "superseded" // a newer version has
)

// notes are what is noted in a target. They are lost with it.
type notes struct {
	complete   bool
	superseded superseded // zero: it is not
}

// superseded says which newer version is complete, and since when.
type superseded struct {
	Version int       `json:"version"`
	Since   time.Time `json:"since"`
}

// row is the change that notes it.
func (s superseded) row() (Change, error) {
	row, err := json.Marshal(s)
	return Change{Partition: keptPartition, Field: supersededField, Op: Put, Row: row}, err
}

func readNotes(ctx context.Context, sink Sink, target Target) (n notes, at Checkpoint, err error) {
	values, at, err := sink.Get(ctx, target, keptPartition, completeField, supersededField)
	if err != nil {
		return n, at, err
	}
	_, n.complete = values[completeField]
	if row := values[supersededField].Row; row != nil {
		if err := json.Unmarshal(row, &n.superseded); err != nil {
			return n, at, fmt.Errorf("by what %s is superseded: %w", target.Model, err)
		}
	}
	return n, at, nil
}

// noteComplete notes, unless it is, that the target has held all of the log.
func (w *writer) noteComplete(ctx context.Context) error {
	n, _, err := readNotes(ctx, w.sink, w.target)
	if err != nil || n.complete {
		return err
	}
	to := w.at
	to.Log, to.Version = w.identity, w.model.Version // of an empty log, nothing is stored yet
	to.Resumed++
	return w.commit(ctx, to, []Change{{Partition: keptPartition, Field: completeField, Op: Put, Row: json.RawMessage(`{}`)}})
}

// supersede notes in the versions before a complete one that it is, so that they stand in for no newer one any more, and
// their programs learn of it.
func supersede(ctx context.Context, sink Sink, model Model, identity string, since time.Time) error {
	row, err := superseded{model.Version, since}.row()
	if err != nil {
		return err
	}
	for earlier, is := model.before(); is; earlier, is = earlier.before() {
		if err := supersedeOne(ctx, sink, earlier, model.Version, identity, row); err != nil {
			return err
		}
	}
	return nil
}

func supersedeOne(ctx context.Context, sink Sink, earlier Model, by int, identity string, row Change) error {
	for {
		target, err := active(ctx, sink, earlier)
		if err != nil {
			return err
		}
		noted, at, err := readNotes(ctx, sink, target)
		if err != nil || at.Log != identity || noted.superseded.Version >= by {
			return err
		}
		to := at
		to.Resumed++
		err = sink.Apply(ctx, target, Batch{From: at, To: to, Changes: []Change{row}})
		if !errors.Is(err, ErrFenced) { // its own program is moving it
			return err
		}
	}
}

// findStandIn returns what reads the version of a model that may be served while the model itself is not complete: the
// newest complete one before it; nil if there is none. Error: ErrForeign, too.
//
// One that is superseded may not, for it may be far behind what was shown of the newer one. One that was never complete
// (or of which that was not noted), or has perhaps forgotten what was shown of it, may, once it includes the end of the
// log as it is now.
func findStandIn(ctx context.Context, store eventstore.Store, sink Sink, model Model, now func() time.Time) (found *remote, err error) {
	for earlier, is := model.before(); is; earlier, is = earlier.before() {
		target, err := active(ctx, sink, earlier)
		if err != nil {
			return nil, err
		}
		_, err = standing(ctx, store, sink, target)
		if errors.Is(err, ErrOlder) && !errors.Is(err, ErrForeign) {
			continue
		}
		var noted notes
		var at Checkpoint
		if err == nil {
			noted, at, err = readNotes(ctx, sink, target)
		}
		if err != nil {
			return nil, err
		}
		if at.Log == "" || at.Version != earlier.Version || noted.superseded.Version > 0 {
			continue
		}
		r := &remote{model: earlier, sink: sink, store: store, now: now, complete: true, standsIn: true}
		if noted.complete && !forgot(sink) {
			r.least = Checkpoint{Log: at.Log, Version: at.Version, Position: at.Position}
			return r, nil
		}
		if found == nil {
			found = r
		}
	}
	return found, nil
}

// forgetful is a sink in which the last batches may be lost when its process ends.
type forgetful interface {
	// Forgot reports whether the process that had the sink before ended so, that is, without closing it.
	Forgot() bool
}

func forgot(sink Sink) bool {
	f, may := sink.(forgetful)
	return may && f.Forgot()
}
