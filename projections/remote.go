package projections

import (
	"context"
	"errors"
	"sync"
	"time"

	"daybook/eventstore"
)

// remote knows what of a read model that another process keeps up to date may be shown: at first what includes the end
// of the log as it was when this process first looked, so that a read model which is being filled is not taken for all
// there is; then nothing older than what was shown.
type remote struct {
	model Model
	sink  Sink
	store eventstore.Store
	now   func() time.Time

	mu      sync.Mutex
	target  Target    // that was checked
	checked time.Time // when
	least   Checkpoint
}

var errOtherVersion = errors.New("read model is of another version of the program")

// served returns the target to read, and the checkpoint that it must have reached at least. Once a second, and when
// another generation is served, it makes sure that the target is of this log.
func (r *remote) served(ctx context.Context) (Target, Checkpoint, error) {
	target, err := active(ctx, r.sink, r.model.Name)
	if err != nil {
		return target, Checkpoint{}, err
	}
	r.mu.Lock()
	least, sure := r.least, target == r.target && r.now().Sub(r.checked) < sinkCheckInterval
	r.mu.Unlock()
	if sure {
		return target, least, nil
	}
	at, err := standing(ctx, r.store, r.sink, target)
	if err == nil && at.Log != "" && at.Version != r.model.Version {
		err = errOtherVersion
	}
	if err != nil {
		return target, least, err
	}
	log, err := r.store.Identity(ctx)
	if err != nil {
		return target, least, err
	}
	head, err := r.store.Head(ctx)
	if err != nil {
		return target, least, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if first := r.checked.IsZero(); (first || head.Before(r.least.Position)) && !head.IsZero() {
		r.least = Checkpoint{Log: log, Version: r.model.Version, Position: head}
	}
	r.target, r.checked = target, r.now()
	return target, r.least, nil
}

// shown notes what a reader was shown.
func (r *remote) shown(is Checkpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if is.Log != "" && r.least.Position.Before(is.Position) {
		r.least = Checkpoint{Log: is.Log, Version: is.Version, Position: is.Position}
	}
}
