package sinktest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"daybook/projections"
)

func reads(sink projections.Sink, load Load) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error {
			_, _, err := sink.Get(ctx, load.Target, "left", "batches")
			return err
		},
		"List": func(ctx context.Context) error { _, _, err := sink.List(ctx, load.Target, "left", "", 0); return err },
		"Ping": sink.Ping,
	}
}

// ExpectDeadlines makes more reads than there are connections, while the server behind the sink answers nothing.
func ExpectDeadlines(t testing.TB, sink projections.Sink, load Load) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began, all := time.Now(), sync.WaitGroup{}
	for range 40 {
		for name, read := range reads(sink, load) {
			all.Go(func() {
				if err := read(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	all.Wait()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

// ExpectAnswers expects answers within the deadline of a query, as soon as the server goes on.
func ExpectAnswers(t testing.TB, sink projections.Sink, load Load) {
	t.Helper()
	for name, read := range reads(sink, load) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := read(ctx)
		for ; errors.Is(err, projections.ErrSinkUnavailable); err = read(ctx) {
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			t.Errorf("%s afterwards: %v", name, err)
		}
		cancel()
	}
}
