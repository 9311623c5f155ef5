package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/internal/services"
	"daybook/migrations"
	"daybook/projections"
	"daybook/projections/sinktest"
)

// pooler starts a PgBouncer before a database and returns the database's address through it.
func pooler(t *testing.T, database, mode string) string {
	t.Helper()
	bouncer, err := services.StartPgBouncer(t.Context(), database, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bouncer.Close(); err != nil {
			t.Error(err)
		}
	})
	return bouncer.URL()
}

// TestPgBouncer is the whole contract through PgBouncer, with its settings as they come, the schema's making included.
func TestPgBouncer(t *testing.T) {
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			address := pooler(t, services.Postgres(t), mode)
			done := make(chan error, 3)
			for range cap(done) {
				go func() { done <- migrations.Up(t.Context(), address) }()
			}
			for range cap(done) {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			sinktest.Run(t, sinktest.Storage{Shared: true, Open: func(t testing.TB) projections.Sink { return open(t, address) }})
			bystander(t, address)
		})
	}
}

// bystander makes sure that other programs behind the same pooler wait for the disk as before.
func bystander(t *testing.T, address string) {
	t.Helper()
	sink := open(t, address)
	defer sink.Close()
	other, err := pgx.Connect(t.Context(), address+"&default_query_exec_mode=exec")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	for position := uint64(1); position < 20; position++ {
		if err := load.Run(t.Context(), sink, position, func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		var setting string
		if err := other.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&setting); err != nil || setting != "on" {
			t.Fatalf("synchronous_commit is %s, %v", setting, err)
		}
	}
}

// TestPoolerRefuses: what no waiting will mend is said at once.
func TestPoolerRefuses(t *testing.T) {
	address := database(t)
	for name, address := range map[string]string{
		"statement_timeout": pooler(t, address, "transaction") + "&statement_timeout=1000",
		"statement pooling": pooler(t, address, "statement"),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := Open(ctx, address)
		cancel()
		if !errors.Is(err, ErrPooler) || errors.Is(err, projections.ErrSinkUnavailable) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
