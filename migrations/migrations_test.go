package migrations

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"daybook/internal/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

func check(t *testing.T, url string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	return Check(t.Context(), conn)
}

func TestUp(t *testing.T) {
	url := services.Postgres(t)
	if version, err := Version(t.Context(), url); version != 0 || err != nil {
		t.Fatalf("an empty database is at %d, %v", version, err)
	}
	if err := check(t, url); !errors.Is(err, ErrOld) {
		t.Fatalf("an empty database: %v", err)
	}
	var done sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		done.Go(func() { errs[i] = Up(t.Context(), url) })
	}
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("four at once: %v", err)
	}
	if err := Up(t.Context(), url); err != nil {
		t.Fatalf("once more: %v", err)
	}
	if version, err := Version(t.Context(), url); version != Latest() || err != nil {
		t.Fatalf("is at %d, %v", version, err)
	}
	if err := check(t, url); err != nil {
		t.Fatal(err)
	}
}

func TestNewerDatabase(t *testing.T) {
	url := services.Postgres(t)
	if err := Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "INSERT INTO "+table+" (version_id, is_applied) VALUES ($1, true)", Latest()+1); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"check": check(t, url), "up": Up(t.Context(), url)} {
		if !errors.Is(err, ErrNew) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDownAndUp goes all the way back and forward again: each file undoes itself.
func TestDownAndUp(t *testing.T) {
	url := services.Postgres(t)
	if err := Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db, err := open(url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithTableName(table))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	var left int
	count := "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> '" + table + "'"
	if err := db.QueryRowContext(t.Context(), count).Scan(&left); err != nil || left != 0 {
		t.Fatalf("%d tables are left, %v", left, err)
	}
	if err := check(t, url); !errors.Is(err, ErrOld) {
		t.Fatal(err)
	}
	if err := Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
}

func TestBadAddresses(t *testing.T) {
	for _, address := range []string{"postgres://user:hunter2@[host", "postgres://user:hunter2@host:port/db", "password=hunter2 host"} {
		_, err := Version(t.Context(), address)
		for _, err := range []error{err, Up(t.Context(), address)} {
			if !errors.Is(err, ErrAddress) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	if _, err := Version(t.Context(), "postgres://user:hunter2@127.0.0.1:1/db"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("an unreachable database: %v", err)
	}
}
