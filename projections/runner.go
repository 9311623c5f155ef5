package projections

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"daybook/eventstore"
	"daybook/internal/cache"
)

// Runner keeps one read model in one sink up to date. Run feeds it batches, one at a time; Status and the Reader may be
// used concurrently with that.
type Runner struct {
	Model Model
	Sink  Sink
	store eventstore.Store
	log   *slog.Logger
	now   func() time.Time

	// OnOlder, if not nil, is told when the log turns out to be an older copy, instead of the runner's log. Set it
	// before the runner starts.
	OnOlder func(*OlderLog)

	writer  *writer     // nil until started
	checked time.Time   // when the sink was last asked whether it stands where the writer left it
	suspect atomic.Bool // a reader saw that it does not

	mu      sync.Mutex
	status  Status
	target  Target
	rows    *knownRows          // the writer's; nil until started
	standIn *remote             // reads an earlier version while this one is built beside it; nil if none does
	floor   eventstore.Position // what was shown of it

	rowsMax int64 // bytes of rows
	// changed is closed, and replaced, when status changes.
	changed chan struct{}
}

// Status is how a runner is doing.
type Status struct {
	Model, Sink string
	Persisted   Checkpoint          // what the sink holds
	Seen        eventstore.Position // nothing up to here is missing in the sink; at or past Persisted
	Live        bool                // it has caught up with the log and its figures may be read
	Parked      int                 // streams that are stopped
	Superseded  int                 // the newer version that newer programs serve; 0: none does
	Problem     error               // why it is not running now; nil if it is
}

// NewRunner makes a runner that has not started. The clock decides only how often the sink is asked where it stands.
func NewRunner(model Model, sink Sink, store eventstore.Store, log *slog.Logger, now func() time.Time) *Runner {
	return &Runner{
		Model: model, Sink: sink, store: store, now: now, changed: make(chan struct{}), rowsMax: RowsBytes,
		status: Status{Model: model.Name, Sink: sink.Name(), Problem: errNotStarted},
		log:    log.With("model", model.Name, "sink", sink.Name()),
	}
}

var errNotStarted = errors.New("not started yet")

// Status returns how the runner is doing now.
func (r *Runner) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Bound makes the runner remember rows of its target up to so many bytes instead of RowsBytes. Call it before it starts.
func (r *Runner) Bound(bytesMax int64) { r.rowsMax = bytesMax }

// Stats is cache.Measured's, of the rows that the runner remembers of its target.
func (r *Runner) Stats() cache.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil {
		return cache.Stats{BytesMax: r.rowsMax}
	}
	return r.rows.kept.Stats()
}

// start reads where the sink stands and returns the position to follow the log from. A read model that an older
// version of the program made is rebuilt first, and so is one that knows more than the log, beside which the new one is
// built.
func (r *Runner) start(ctx context.Context) (eventstore.Position, error) {
	r.suspect.Store(false)
	err := r.open(ctx)
	switch {
	case errors.Is(err, ErrOlder) && !errors.Is(err, ErrForeign):
		_ = r.failed(err) // nobody may read it while the new one is built
		r.update(func(*Status) { r.floor = eventstore.Position{} })
		r.tellOlder(err)
		err = r.rebuild(ctx)
	case err == nil && r.writer.at.Log != "" && r.writer.at.Version != r.Model.Version:
		r.log.Info("read model is of another version: rebuilding", "was", r.writer.at.Version, "is", r.Model.Version)
		err = r.rebuild(ctx)
	}
	if err == nil {
		err = r.buildBeside(ctx)
	}
	if err != nil {
		return eventstore.Position{}, r.failed(err)
	}
	r.update(func(s *Status) {
		s.Problem = nil
		s.Persisted, s.Seen, s.Live, s.Parked = r.writer.at, r.writer.at.Position, false, len(r.writer.stopped)
		r.target, r.rows = r.writer.target, r.writer.rows
		r.rows.kept.Bound(r.rowsMax)
	})
	r.checked = r.now()
	return r.writer.at.Position, nil
}

// rebuild builds the read model anew and opens it.
func (r *Runner) rebuild(ctx context.Context) error {
	if _, err := Rebuild(ctx, r.store, r.Sink, r.Model, r.log, func(uint64, uint64) {}); err != nil {
		return err
	}
	return r.open(ctx)
}

func (r *Runner) tellOlder(err error) {
	var older *OlderLog
	if errors.As(err, &older) && r.OnOlder != nil {
		r.OnOlder(older)
		return
	}
	r.log.Warn("the log is an older copy: the read model is rebuilt from it, and what it held is kept", "error", err)
}

func (r *Runner) open(ctx context.Context) (err error) {
	if r.writer, err = openServed(ctx, r.store, r.Sink, r.Model, r.log); err == nil {
		err = r.writer.unparkSkipped(ctx, r.store)
	}
	return err
}

// sinkCheckInterval is how often a runner makes sure that the sink serves its target and stands where it left it. A
// Redis that was flushed, or another process that switched generations, is noticed so, however busy the log is.
const sinkCheckInterval = time.Second

// handle brings one batch into the sink. On errMoved, start again; on any other error, try again.
func (r *Runner) handle(ctx context.Context, batch eventstore.Batch) error {
	w := r.writer
	events, due := after(batch.Events, w.at.Position), r.suspect.Load() || r.now().Sub(r.checked) >= sinkCheckInterval
	if due {
		if err := r.checkSink(ctx); err != nil {
			return r.failed(err)
		}
	}
	if len(events) > 0 {
		if err := w.apply(ctx, events, placeOf(events[len(events)-1])); err != nil {
			return r.failed(err)
		}
	} else if due {
		if err := w.pass(ctx, r.store, batch.Position); err != nil {
			return r.failed(err)
		}
	}
	if batch.CaughtUp && !r.Status().Live {
		if err := r.complete(ctx); err != nil {
			return r.failed(err)
		}
	}
	r.update(func(s *Status) {
		s.Persisted, s.Parked, s.Problem = w.at, len(w.stopped), nil
		s.Live = s.Live || batch.CaughtUp
		if s.Live {
			r.standIn = nil
		}
		if s.Seen.Before(batch.Position) {
			s.Seen = batch.Position
		}
	})
	return nil
}

// after drops the events at or before a position: a batch may begin before the checkpoint, and an event counts once.
func after(events []eventstore.Event, at eventstore.Position) []eventstore.Event {
	for len(events) > 0 && !at.Before(events[0].Position) {
		events = events[1:]
	}
	return events
}

// failed notes a problem. If the sink holds something else than it should, nobody may read figures until they are back.
func (r *Runner) failed(err error) error {
	r.update(func(s *Status) {
		if s.Problem = err; ignoring(err, errMoved, ErrForeign, ErrOlder) == nil {
			s.Live, s.Seen = false, eventstore.Position{}
		}
	})
	return err
}

// lost notes that a reader saw something else in the sink than should be there. Nobody may read figures until the runner
// has looked.
func (r *Runner) lost() {
	r.suspect.Store(true)
	r.update(func(s *Status) { s.Live, s.Seen = false, eventstore.Position{} })
}

// checkSink returns errMoved unless the sink serves the target, holds what the writer left there, and the log still has
// the event that it is of.
func (r *Runner) checkSink(ctx context.Context) error {
	suspect := r.suspect.Swap(false)
	err := r.compareSink(ctx)
	if err != nil {
		r.suspect.Store(suspect || r.suspect.Load())
		return err
	}
	r.checked = r.now()
	return nil
}

func (r *Runner) compareSink(ctx context.Context) error {
	target, err := active(ctx, r.Sink, r.Model)
	if err != nil {
		return err
	}
	if target != r.writer.target {
		return errMoved
	}
	at, err := standing(ctx, r.store, r.Sink, target)
	if err == nil && at != r.writer.at || errors.Is(err, ErrForeign) || errors.Is(err, ErrOlder) {
		return errMoved
	}
	return err
}

// update changes the status and wakes everybody who waits for it.
func (r *Runner) update(change func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
	close(r.changed)
	r.changed = make(chan struct{})
}

// wait returns the served target and its status once its figures include a position and may be read; or what stands in
// for it meanwhile, unless that is not wanted.
func (r *Runner) wait(ctx context.Context, at eventstore.Position, orStandIn bool) (Target, Status, *remote, error) {
	for {
		r.mu.Lock()
		target, status, changed, standIn := r.target, r.status, r.changed, r.standIn
		if at.Before(r.floor) {
			at = r.floor
		}
		r.mu.Unlock()
		switch {
		case status.Live && !status.Seen.Before(at):
			return target, status, nil, nil
		case standIn != nil && orStandIn:
			return target, status, standIn, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return target, status, nil, notCurrent(status)
		}
	}
}

// Ready returns nil if the read model is caught up and running, else why it is not.
func (r *Runner) Ready() error {
	s := r.Status()
	switch {
	case s.Problem != nil:
		return s.Problem
	case !s.Live:
		return notCurrent(s)
	}
	return nil
}

// Wait returns once the read model includes a position and may be read. Error: ErrNotCurrent, when the context ended.
func (r *Runner) Wait(ctx context.Context, at eventstore.Position) error {
	_, _, _, err := r.wait(ctx, at, false)
	return err
}
