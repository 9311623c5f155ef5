package sinktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"daybook/projections"
)

// RunNetwork tests a sink with a server at an address, whose host and port can be replaced, behind a bad network.
func RunNetwork(t *testing.T, address string, open func(t testing.TB, address string) projections.Sink) {
	proxy, through := NewProxy(t, address)
	begin := func(t *testing.T) (projections.Sink, Load) {
		sink := open(t, through)
		t.Cleanup(func() { sink.Close() })
		load := Load{projections.Target{Model: modelName(), Generation: 1}}
		if err := load.Run(t.Context(), sink, 10, func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		return sink, load
	}
	t.Run("contexts end calls while nothing comes through", func(t *testing.T) {
		sink, load := begin(t)
		proxy.Hang()
		for i := range 6 {
			expectHang(t, sink, load, i%2 == 0)
		}
		proxy.Resume()
		reaches(t, sink, load, 20)
	})
	t.Run("gets that hang are given up, and others answer once something comes through", func(t *testing.T) {
		sink, load := begin(t)
		proxy.Hang()
		for range 6 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			began := time.Now()
			_, _, err := sink.Get(ctx, load.Target, "left", "batches")
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
				t.Errorf("error is %v after %v", err, took)
			}
			cancel()
		}
		patient := make(chan error, 4) // these have all the time in the world, and hang
		for range cap(patient) {
			go func() {
				_, _, err := sink.Get(t.Context(), load.Target, "left", "batches")
				patient <- err
			}()
		}
		time.Sleep(100 * time.Millisecond)
		proxy.Resume()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		values, _, err := sink.Get(ctx, load.Target, "left", "batches")
		for ; errors.Is(err, projections.ErrSinkUnavailable); values, _, err = sink.Get(ctx, load.Target, "left", "batches") {
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil || values["batches"].Counter != 10 {
			t.Errorf("%v, %v", values, err)
		}
		for range cap(patient) {
			if err := <-patient; err != nil && !errors.Is(err, projections.ErrSinkUnavailable) {
				t.Error(err)
			}
		}
	})
	t.Run("close ends calls while nothing comes through", func(t *testing.T) {
		sink, load := begin(t)
		proxy.Hang()
		defer proxy.Resume()
		called := make(chan error, 1)
		go func() {
			_, err := sink.Checkpoint(t.Context(), load.Target)
			called <- err
		}()
		began := time.Now()
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
		if err := <-called; !errors.Is(err, projections.ErrSinkClosed) {
			t.Errorf("error is %v, want %v", err, projections.ErrSinkClosed)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
	t.Run("a lost answer is applied once", func(t *testing.T) {
		sink, load := begin(t)
		proxy.LoseAnswers(0.05)
		known := 0
		if err := load.Run(t.Context(), sink, 1000, func(uint64) { known++ }); err != nil {
			t.Fatal(err)
		}
		proxy.LoseAnswers(0)
		if known >= 990 {
			t.Fatal("no answer was lost")
		}
		reaches(t, sink, load, 1000)
	})
	t.Run("cut connections are made again", func(t *testing.T) {
		sink, load := begin(t)
		err := load.Run(t.Context(), sink, 500, func(position uint64) {
			if position%50 == 0 {
				proxy.Cut()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		reaches(t, sink, load, 500)
	})
}

// expectHang applies through a network that hangs, with a context that expires or is cancelled.
func expectHang(t *testing.T, sink projections.Sink, load Load, expires bool) {
	t.Helper()
	const patience = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	if expires {
		ctx, cancel = context.WithTimeout(t.Context(), patience)
	} else {
		time.AfterFunc(patience, cancel)
	}
	defer cancel()
	began := time.Now()
	err := load.Run(ctx, sink, 20, func(uint64) {})
	if took := time.Since(began); ctx.Err() == nil || !errors.Is(err, ctx.Err()) || took > 10*patience {
		t.Errorf("error is %v after %v", err, took)
	}
}

func reaches(t *testing.T, sink projections.Sink, load Load, until uint64) {
	t.Helper()
	if err := load.Run(t.Context(), sink, until, func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	if position := load.Check(t, sink); position != until {
		t.Fatalf("stands at %d, want %d", position, until)
	}
}

// RunDeaths applies batches through a sink while its server dies by kill and comes back, again and again. kill
// returns when the server is back.
func RunDeaths(t *testing.T, sink projections.Sink, kill func() error) {
	load := Load{projections.Target{Model: modelName(), Generation: 1}}
	const until, between = 1200, 300
	due := make(chan struct{}, 1)
	applied, done := 0, make(chan error, 1)
	go func() {
		done <- load.Run(t.Context(), sink, until, func(uint64) {
			if applied++; applied%between == between-1 {
				select {
				case due <- struct{}{}:
				default: // still dying
				}
			}
		})
	}()
	for deaths := 0; ; {
		select {
		case <-due:
			if deaths++; deaths > 5 { // a server that forgets everything would never get to the end
				continue
			}
			if err := kill(); err != nil {
				t.Fatal(err)
			}
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			if deaths == 0 {
				t.Fatal("nothing was killed")
			}
			t.Logf("died %d times", min(deaths, 5))
			reaches(t, sink, load, until)
			return
		}
	}
}

// LateContext is a context whose deadline has passed and whose timer has not gone off yet, as on a busy machine.
func LateContext(t testing.TB) context.Context {
	t.Helper()
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return lateContext{soon, time.Now()}
}

type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }
