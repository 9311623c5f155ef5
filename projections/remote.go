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
// there is; then nothing older than what was shown; and nothing of one that nobody keeps up to date any more.
//
// While the read model is not complete, an earlier version stands in for it, if one can.
type remote struct {
	model Model
	sink  Sink
	store eventstore.Store
	now   func() time.Time

	mu       sync.Mutex
	target   Target    // that was checked
	checked  time.Time // when
	least    Checkpoint
	complete bool // no stand-in is needed
	standIn  *remote
	standsIn bool // for a newer version: then it may be shown as it was left
	motion   motion
}

var errOtherVersion = errors.New("read model is of another version of the program")

// served returns the target to read, and the checkpoint that it must have reached at least. Once a second, and when
// another generation is served, it makes sure that the target is of this log.
func (r *remote) served(ctx context.Context) (Target, Checkpoint, error) {
	target, err := active(ctx, r.sink, r.model)
	if err != nil {
		return target, Checkpoint{}, err
	}
	r.mu.Lock()
	least, standIn, sure := r.least, r.standIn, target == r.target && r.now().Sub(r.checked) < sinkCheckInterval
	r.mu.Unlock()
	if !sure {
		if least, standIn, err = r.check(ctx, target); err != nil {
			return target, least, err
		}
	}
	if standIn != nil {
		return standIn.served(ctx)
	}
	return target, least, nil
}

// check looks at a target that is to be served, and says what it must have reached, or what stands in for it.
func (r *remote) check(ctx context.Context, target Target) (least Checkpoint, standIn *remote, err error) {
	at, err := standing(ctx, r.store, r.sink, target)
	if err == nil && at.Log != "" && at.Version != r.model.Version {
		err = errOtherVersion
	}
	if err != nil {
		return least, nil, err
	}
	noted, _, err := readNotes(ctx, r.sink, target)
	if err != nil {
		return least, nil, err
	}
	if standIn, err = r.findStandIn(ctx, noted); err != nil {
		return least, nil, err
	}
	log, err := r.store.Identity(ctx)
	if err != nil {
		return least, nil, err
	}
	head, err := r.store.Head(ctx)
	if err != nil {
		return least, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if (r.least == Checkpoint{} || head.Before(r.least.Position)) && !head.IsZero() {
		r.least = Checkpoint{Log: log, Version: r.model.Version, Position: head}
	}
	if must := r.motion.see(at.Position, head, r.now()); !r.standsIn && r.least.Position.Before(must) {
		r.least = Checkpoint{Log: log, Version: r.model.Version, Position: must}
	}
	r.complete = r.complete || noted.complete
	r.target, r.checked, r.standIn = target, r.now(), standIn
	return r.least, standIn, nil
}

// findStandIn keeps to the one that was found first. It is not needed any more once the read model was complete.
func (r *remote) findStandIn(ctx context.Context, noted notes) (*remote, error) {
	r.mu.Lock()
	complete, standIn := r.complete || noted.complete, r.standIn
	r.mu.Unlock()
	if complete || standIn != nil {
		if complete {
			standIn = nil
		}
		return standIn, nil
	}
	return findStandIn(ctx, r.store, r.sink, r.model, r.now)
}

// shown notes what a reader was shown.
func (r *remote) shown(is Checkpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if is.Log != "" && r.least.Position.Before(is.Position) {
		r.least = Checkpoint{Log: is.Log, Version: r.model.Version, Position: is.Position}
	}
	if r.standIn != nil {
		r.standIn.shown(is)
	}
}

// abandonedAfter is how long a read model may stand still though the log has grown, before it counts as abandoned: the
// processes that kept it up to date have ended. It is more than a restart takes.
const abandonedAfter = time.Minute

// motion knows whether a read model that another process keeps up to date is.
type motion struct {
	at    eventstore.Position // where it stands
	head  eventstore.Position // beyond which the log had grown; zero if it holds all
	since time.Time
}

// see notes where a read model stands and where the log ends. It returns what the read model must include to be shown:
// nothing, unless it is abandoned.
func (m *motion) see(at, head eventstore.Position, now time.Time) (must eventstore.Position) {
	switch {
	case !at.Before(head):
		*m = motion{at: at}
	case at != m.at || m.head.IsZero():
		*m = motion{at, head, now}
	case now.Sub(m.since) >= abandonedAfter:
		return m.head
	}
	return must
}
