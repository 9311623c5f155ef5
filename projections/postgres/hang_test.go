package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/projections"
)

// TestHangs stops PostgreSQL where it is, and locks our tables. Reads end by their deadline, and answer again by
// themselves afterwards.
func TestHangs(t *testing.T) {
	s := server(t)
	sink := open(t, s.URL())
	defer sink.Close()
	if err := load.Run(t.Context(), sink, 10, func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	t.Run("stopped", func(t *testing.T) {
		if err := s.Pause(); err != nil {
			t.Fatal(err)
		}
		expectDeadlines(t, sink)
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
		expectAnswers(t, sink)
	})
	for _, table := range []string{"read_target", "read_field"} {
		t.Run("locked "+table, func(t *testing.T) {
			conn, err := pgx.Connect(t.Context(), s.URL())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE "+table); err != nil {
				t.Fatal(err)
			}
			expectDeadlines(t, sink)
			if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			expectAnswers(t, sink)
		})
	}
}

func reads(sink projections.Sink) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error {
			_, _, err := sink.Get(ctx, load.Target, "left", "batches")
			return err
		},
		"List": func(ctx context.Context) error { _, _, err := sink.List(ctx, load.Target, "left", "", 0); return err },
		"Ping": sink.Ping,
	}
}

// expectDeadlines makes more reads than there are connections, while nothing answers.
func expectDeadlines(t *testing.T, sink projections.Sink) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began, all := time.Now(), sync.WaitGroup{}
	for range 2 * connectionsMax {
		for name, read := range reads(sink) {
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

// expectAnswers expects answers within the deadline of a query.
func expectAnswers(t *testing.T, sink projections.Sink) {
	t.Helper()
	for name, read := range reads(sink) {
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
