package postgres

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"daybook/internal/services"
	"daybook/migrations"
	"daybook/projections"
	"daybook/projections/sinktest"
)

var load = sinktest.Load{Target: projections.Target{Model: "load", Generation: 1}}

// server starts a PostgreSQL of the test's own, with our schema.
func server(t *testing.T) *services.Server {
	t.Helper()
	s, err := services.StartPostgres(t.Context(), services.Options{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := migrations.Up(t.Context(), s.URL()); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestServerDies kills PostgreSQL while batches are applied. The sink is never opened anew.
func TestServerDies(t *testing.T) {
	s := server(t)
	sink := open(t, s.URL())
	defer sink.Close()
	sinktest.RunDeaths(t, sink, func() error { return errors.Join(s.Kill(), s.Restart(t.Context())) })
}

func TestNetwork(t *testing.T) {
	sinktest.RunNetwork(t, database(t), func(t testing.TB, address string) projections.Sink { return open(t, address) })
}

// TestConnectionTimesOutFirst: that a connection noticed the end of our patience before our context did is not
// PostgreSQL's failure.
func TestConnectionTimesOutFirst(t *testing.T) {
	sink := open(t, database(t))
	defer sink.Close()
	err := sink.call(sinktest.LateContext(t), func(context.Context) error { return os.ErrDeadlineExceeded })
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, projections.ErrSinkUnavailable) {
		t.Fatalf("error is %v", err)
	}
}

// TestConnectionsDie cuts connections on the server's side while batches are applied by two sinks against each other.
func TestConnectionsDie(t *testing.T) {
	address := database(t)
	const until = 1000
	done := make(chan error, 2)
	first := open(t, address)
	for _, sink := range []*Sink{first, open(t, address)} {
		defer sink.Close()
		go func() { done <- load.Run(t.Context(), sink, until, func(uint64) {}) }()
	}
	admin, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	for ended := 0; ended < 2; {
		_, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE application_name = 'daybook' AND datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.01`)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			ended++
		default:
		}
	}
	if position := load.Check(t, first); position != until {
		t.Fatalf("stands at %d", position)
	}
}

func TestServerIsDown(t *testing.T) {
	s := server(t)
	sink := open(t, s.URL())
	defer sink.Close()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := sink.Ping(t.Context()); !errors.Is(err, projections.ErrSinkUnavailable) {
		t.Errorf("ping: %v", err)
	}
	_, err := Open(t.Context(), s.URL())
	if !errors.Is(err, projections.ErrSinkUnavailable) {
		t.Errorf("open: %v", err)
	}
	address, _ := url.Parse(s.URL())
	password, _ := address.User.Password()
	if strings.Contains(err.Error(), password) {
		t.Errorf("the error shows the password")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for err = sink.Ping(t.Context()); err != nil; err = sink.Ping(t.Context()) {
		if !errors.Is(err, projections.ErrSinkUnavailable) {
			t.Fatal(err)
		}
	}
}

func TestOpenChecksTheSchema(t *testing.T) {
	empty := services.Postgres(t)
	_, err := Open(t.Context(), empty)
	if !errors.Is(err, migrations.ErrOld) || !strings.Contains(err.Error(), "daybook migrate") {
		t.Errorf("an empty database: %v", err)
	}
	newer := database(t)
	execute(t, newer, "INSERT INTO daybook_migrations (version_id, is_applied) VALUES (99999, true)")
	if _, err := Open(t.Context(), newer); !errors.Is(err, migrations.ErrNew) {
		t.Errorf("a newer database: %v", err)
	}
	for _, address := range []string{"postgres://user:hunter2@[host", "postgres://user:hunter2@host:port/db", "password=hunter2 host", "://hunter2"} {
		_, err := Open(t.Context(), address)
		if !errors.Is(err, migrations.ErrAddress) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestReadOnlyDatabase(t *testing.T) {
	address := database(t)
	execute(t, address, `DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET default_transaction_read_only = on'; END $$`)
	sink := open(t, address)
	defer sink.Close()
	if err := sink.Ping(t.Context()); !errors.Is(err, projections.ErrSinkUnavailable) {
		t.Errorf("ping: %v", err)
	}
	err := sink.Apply(t.Context(), load.Target, projections.Batch{To: projections.Checkpoint{Log: "log"}})
	if !errors.Is(err, projections.ErrSinkUnavailable) {
		t.Errorf("apply: %v", err)
	}
	if _, err := sink.Checkpoint(t.Context(), load.Target); err != nil {
		t.Errorf("reads go on: %v", err)
	}
}

// TestInterruptedDrop leaves what a Drop leaves that died between its two steps.
func TestInterruptedDrop(t *testing.T) {
	address := database(t)
	sink := open(t, address)
	defer sink.Close()
	second := sinktest.Load{Target: projections.Target{Model: "load", Generation: 2}}
	if err := second.Run(t.Context(), sink, 100, func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	execute(t, address, "UPDATE read_target SET dropped = true")
	if err := second.Run(t.Context(), sink, 50, func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	if position := second.Check(t, sink); position != 50 {
		t.Fatalf("stands at %d", position)
	}
	if err := sink.Drop(t.Context(), projections.Target{Model: "another", Generation: 2}); err != nil {
		t.Fatal(err)
	}
	second.Check(t, sink)
	if err := sink.Drop(t.Context(), second.Target); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var left int
	if err := conn.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM read_field) + (SELECT count(*) FROM read_target)").Scan(&left); err != nil || left != 0 {
		t.Fatalf("%d lines are left: %v", left, err)
	}
}

// TestServed reads what people with psql see.
func TestServed(t *testing.T) {
	address := database(t)
	sink := open(t, address)
	defer sink.Close()
	change := projections.Change{Partition: "p", Field: "f", Op: projections.Add, Delta: 7}
	for generation := 1; generation <= 2; generation++ {
		change.Delta *= int64(generation)
		batch := projections.Batch{To: projections.Checkpoint{Log: "log"}, Changes: []projections.Change{change}}
		if err := sink.Apply(t.Context(), projections.Target{Model: "m", Generation: generation}, batch); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for generation, want := range []int64{7, 14} {
		if err := sink.Activate(t.Context(), "m", generation+1); err != nil {
			t.Fatal(err)
		}
		var counter int64
		if err := conn.QueryRow(t.Context(), "SELECT counter FROM read_served WHERE model = 'm'").Scan(&counter); err != nil || counter != want {
			t.Errorf("served is %d, %v, want %d", counter, err, want)
		}
	}
}

func execute(t *testing.T, address, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
