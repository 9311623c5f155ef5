package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Deferred is a sink that need not be reachable yet: until it could be opened, everything says ErrSinkUnavailable. One
// that breaks for good is opened again.
type Deferred struct {
	name  string
	tried chan struct{} // closed once opening was tried
	ready chan struct{} // closed once it was opened, or cannot be
	over  chan struct{} // closed when nothing is opened any more
	stop  context.CancelFunc

	mu   sync.Mutex
	sink Sink  // nil while not open
	last error // why it is not open
}

var _ Sink = (*Deferred)(nil)

// breakable is a sink that tells when it can only be closed and opened again.
type breakable interface{ Broken() <-chan struct{} }

// Defer opens a sink in the background, and tries again for as long as opening says ErrSinkUnavailable. Any other
// error is final, and told to fatal.
func Defer(name string, open func(context.Context) (Sink, error), log *slog.Logger, fatal func(error)) *Deferred {
	ctx, cancel := context.WithCancel(context.Background())
	d := &Deferred{
		name: name, tried: make(chan struct{}), ready: make(chan struct{}), over: make(chan struct{}), stop: cancel,
		last: fmt.Errorf("%w: not tried yet", ErrSinkUnavailable),
	}
	go d.keep(ctx, open, log, fatal)
	return d
}

func (d *Deferred) keep(ctx context.Context, open func(context.Context) (Sink, error), log *slog.Logger, fatal func(error)) {
	tried, settled := sync.OnceFunc(func() { close(d.tried) }), sync.OnceFunc(func() { close(d.ready) })
	defer close(d.over)
	defer settled()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 3*time.Second) {
		sink, err := open(ctx)
		d.set(sink, err)
		tried()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			settled()
			if !broke(ctx, sink) {
				return
			}
			err = fmt.Errorf("%w: %s is opened again", ErrSinkUnavailable, d.name)
			d.set(nil, err)
			_ = sink.Close() // why it broke was said
		}
		if !errors.Is(err, ErrSinkUnavailable) {
			fatal(err)
			return
		}
		log.Warn("cannot reach "+d.name+": trying again", "pause", pause, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// broke waits until a sink breaks, if it can, and the context has not ended.
func broke(ctx context.Context, sink Sink) bool {
	breaks, can := sink.(breakable)
	if !can {
		return false
	}
	select {
	case <-breaks.Broken():
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *Deferred) set(sink Sink, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sink, d.last = sink, err
}

func (d *Deferred) opened() (Sink, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sink == nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrSinkUnavailable, d.name, d.last)
	}
	return d.sink, nil
}

// with calls a method of the opened sink.
func with[T any](d *Deferred, call func(Sink) (T, error)) (T, error) {
	sink, err := d.opened()
	if err != nil {
		var none T
		return none, err
	}
	return call(sink)
}

func (d *Deferred) do(call func(Sink) error) error {
	_, err := with(d, func(s Sink) (struct{}, error) { return struct{}{}, call(s) })
	return err
}

func (d *Deferred) Name() string { return d.name }

// Forgot is that of the opened sink, see forgetful.
func (d *Deferred) Forgot() bool {
	is, err := with(d, func(s Sink) (bool, error) { return forgot(s), nil })
	return is || err != nil
}

func (d *Deferred) Ping(ctx context.Context) error {
	return d.do(func(s Sink) error { return s.Ping(ctx) })
}

func (d *Deferred) Checkpoint(ctx context.Context, t Target) (Checkpoint, error) {
	return with(d, func(s Sink) (Checkpoint, error) { return s.Checkpoint(ctx, t) })
}

func (d *Deferred) Apply(ctx context.Context, t Target, b Batch) error {
	return d.do(func(s Sink) error { return s.Apply(ctx, t, b) })
}

func (d *Deferred) Get(ctx context.Context, t Target, partition string, fields ...string) (values map[string]Value, at Checkpoint, err error) {
	err = d.do(func(s Sink) (err error) {
		values, at, err = s.Get(ctx, t, partition, fields...)
		return err
	})
	return values, at, err
}

func (d *Deferred) GetEach(ctx context.Context, t Target, partitions []string, fields ...string) (values []map[string]Value, at Checkpoint, err error) {
	err = d.do(func(s Sink) (err error) {
		values, at, err = s.GetEach(ctx, t, partitions, fields...)
		return err
	})
	return values, at, err
}

func (d *Deferred) List(ctx context.Context, t Target, partition, after string, limit int) (entries []Entry, at Checkpoint, err error) {
	err = d.do(func(s Sink) (err error) {
		entries, at, err = s.List(ctx, t, partition, after, limit)
		return err
	})
	return entries, at, err
}

func (d *Deferred) Scan(ctx context.Context, t Target, fn func(string, Entry) error) (Checkpoint, error) {
	return with(d, func(s Sink) (Checkpoint, error) { return s.Scan(ctx, t, fn) })
}

func (d *Deferred) Generations(ctx context.Context, model string) (Generations, error) {
	return with(d, func(s Sink) (Generations, error) { return s.Generations(ctx, model) })
}

func (d *Deferred) Activate(ctx context.Context, model string, generation int) error {
	return d.do(func(s Sink) error { return s.Activate(ctx, model, generation) })
}

func (d *Deferred) Drop(ctx context.Context, t Target) error {
	return d.do(func(s Sink) error { return s.Drop(ctx, t) })
}

// Close stops trying, and closes the sink if it was opened.
func (d *Deferred) Close() error {
	d.stop()
	<-d.over
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sink == nil {
		return nil
	}
	sink := d.sink
	d.sink, d.last = nil, errors.New("closed")
	return sink.Close()
}

// Tried returns once opening the sink was tried, or the context ended.
func (d *Deferred) Tried(ctx context.Context) {
	select {
	case <-d.tried:
	case <-ctx.Done():
	}
}

// Wait returns once the sink was opened, or opening failed for good, or the context ended.
func (d *Deferred) Wait(ctx context.Context) error {
	select {
	case <-d.ready:
	case <-ctx.Done():
	}
	_, err := d.opened()
	return err
}
