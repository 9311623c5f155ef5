package e2e

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"daybook/internal/services"
)

func errSays(said string) error { return errors.New("it says: " + said) }

// withPassword puts another password into a URL.
func withPassword(t *testing.T, address, password string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String()
}

func query(t *testing.T, address, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startMax)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatal(err)
	}
}

// sell opens a cafe and sells something.
func (in *installation) sell(t *testing.T) {
	t.Helper()
	s := in.serve()
	f := newFloor(t, in.owner("anna").cafe(t, 1), 3)
	f.serveGuests(10)
	if code := s.stop(); code != 0 {
		t.Fatalf("exit code %d after SIGTERM", code)
	}
	in.verify()
}

// TestRefusesForeignReadModels: read models of another log are neither served nor changed.
func TestRefusesForeignReadModels(t *testing.T) {
	const words = "does not belong to this log"
	t.Run("embedded", func(t *testing.T) {
		a, b := install(t), install(t)
		a.sell(t)
		b.sell(t)
		aside := filepath.Join(t.TempDir(), "read")
		rename(t, filepath.Join(a.data, "read"), aside)
		rename(t, filepath.Join(b.data, "read"), filepath.Join(a.data, "read"))
		a.refused(here, words)
		a.refused([]string{"verify"}, words)
		rename(t, filepath.Join(a.data, "read"), filepath.Join(b.data, "read"))
		rename(t, aside, filepath.Join(a.data, "read"))
		a.verify()
		b.verify()
	})
	for name, env := range map[string]func(testing.TB) string{"postgres": postgresURL, "redis": redisURL} {
		t.Run(name, func(t *testing.T) {
			a, b := install(t, env(t)), install(t, env(t))
			a.sell(t)
			b.sell(t)
			a.env, b.env = b.env, a.env
			a.refused(here, words, name)
			b.refused([]string{"verify"}, words, name)
			a.env, b.env = b.env, a.env
			a.verify()
			b.verify()
		})
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestMigrates: an operator may bring PostgreSQL to the current schema before the first start, and again.
func TestMigrates(t *testing.T) {
	in := install(t, "DAYBOOK_POSTGRES="+services.Postgres(t))
	for range 2 {
		if o := in.run("migrate"); o.code != 0 {
			t.Fatalf("migrate: %d %s", o.code, o.stderr)
		}
	}
	in.serve()
	in.awaitReady()
}
