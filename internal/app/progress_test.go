package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
)

// TestProgressIsToldOneAtATime: work that goes on in many goroutines tells of its progress from all of them. Whoever
// listens, here or over the connection to a running server, hears one at a time, and the result arrives whole.
func TestProgressIsToldOneAtATime(t *testing.T) {
	const goroutines, steps = 64, 200
	busy := operation("busy", func(_ context.Context, _ *App, _ struct{}, _ io.Reader, progress Progress) (any, error) {
		var wait sync.WaitGroup
		for range goroutines {
			wait.Go(func() {
				for range steps {
					progress("working", 1, 1) // the end is always told
				}
			})
		}
		wait.Wait()
		return "done", nil
	})
	operations[busy.Name] = busy
	defer delete(operations, busy.Name)
	config := Config{Data: t.TempDir(), LocalSignIn: true, Log: slog.New(slog.DiscardHandler)}
	perform := func(t *testing.T) {
		var inside, told atomic.Int64
		raw, err := Perform(t.Context(), config, busy, struct{}{}, nil, func(string, uint64, uint64) {
			if inside.Add(1) > 1 {
				t.Error("progress is told by two at once")
			}
			told.Add(1)
			inside.Add(-1)
		})
		var result string
		if err != nil || json.Unmarshal(raw, &result) != nil || result != "done" || told.Load() != goroutines*steps {
			t.Errorf("%s, %v after %d steps", raw, err, told.Load())
		}
	}
	t.Run("here", perform)
	t.Run("in a server", func(t *testing.T) {
		a, err := Open(config)
		if err != nil {
			t.Fatal(err)
		}
		admin, err := newAdminServer(a)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- admin.serve(ctx) }()
		perform(t)
		cancel()
		if err := errors.Join(<-served, a.Close()); err != nil {
			t.Error(err)
		}
	})
}
