package projections

import (
	"context"
	"fmt"
)

// errBuilding: the log is being folded into this version for the first time.
var errBuilding = fmt.Errorf("%w: this version is built beside the earlier one", ErrNotCurrent)

// buildBeside folds the log into a version that is not complete, where an earlier one can be served meanwhile. Where none
// can, the version is filled by following the log. It also learns whether a newer one is complete.
func (r *Runner) buildBeside(ctx context.Context) error {
	w := r.writer
	noted, _, err := readNotes(ctx, r.Sink, w.target)
	if err != nil {
		return err
	}
	r.stepBack(noted.superseded)
	if noted.complete {
		r.update(func(*Status) { r.standIn = nil })
		return nil
	}
	standIn, err := findStandIn(ctx, r.store, r.Sink, r.Model, r.now)
	if err != nil || standIn == nil {
		return err
	}
	r.update(func(s *Status) {
		s.Problem = errBuilding
		if r.standIn == nil { // it knows what was shown
			r.standIn = standIn
		}
	})
	head, err := r.store.Head(ctx)
	if err != nil {
		return err
	}
	r.log.Info("read model is built beside its earlier version, which is served meanwhile", "version", r.Model.Version,
		"earlier", standIn.model.Version, "from", w.at.Position, "to", head)
	return w.fill(ctx, r.store, head, func(uint64, uint64) {})
}

// complete notes that the target holds all of the log. If that is for the first time, this is the switch: programs of
// this version serve it from now on, and those of earlier ones step back.
func (r *Runner) complete(ctx context.Context) error {
	if err := r.writer.noteComplete(ctx); err != nil {
		return err
	}
	if err := supersede(ctx, r.Sink, r.Model, r.writer.identity, r.now()); err != nil {
		return err
	}
	if r.standingIn() != nil {
		r.log.Info("read model is complete: it is served from now on", "version", r.Model.Version)
	}
	return nil
}

// stepBack tells, once, that a newer version is served by newer programs.
func (r *Runner) stepBack(by superseded) {
	if by.Version > r.Status().Superseded {
		r.log.Warn("a newer program serves this read model: this one steps back, and keeps its own version only until it is stopped",
			"version", r.Model.Version, "newer", by.Version)
	}
	r.update(func(s *Status) { s.Superseded = by.Version })
}

func (r *Runner) standingIn() *remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.standIn
}

// shownOf notes what a reader was shown of the version that stands in, so that it is shown no less of this one.
func (r *Runner) shownOf(is Checkpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.floor.Before(is.Position) {
		r.floor = is.Position
	}
}
