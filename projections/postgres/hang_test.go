package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"daybook/projections/sinktest"
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
		sinktest.ExpectDeadlines(t, sink, load)
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
		sinktest.ExpectAnswers(t, sink, load)
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
			sinktest.ExpectDeadlines(t, sink, load)
			if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			sinktest.ExpectAnswers(t, sink, load)
		})
	}
}
