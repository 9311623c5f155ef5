package services

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// testTimeout bounds what a test waits for its database, on a machine that is busy with other tests.
const testTimeout = 2 * time.Minute

// shared is a server that all tests of a process use.
type shared struct {
	start func(context.Context, Options) (*Server, error)

	mu     sync.Mutex
	server *Server // nil until first use
	err    error   // of the first start, for all who ask later
	given  int     // databases
}

// tests is set by Main only.
var tests struct {
	running  bool
	postgres shared
	redis    shared
}

// Main runs a package's tests and then stops the servers that they used. It is for TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(services.Main(m)) }
func Main(m *testing.M) int {
	tests.running = true
	tests.postgres.start = StartPostgres
	tests.redis.start = StartRedis
	code := m.Run()
	if err := errors.Join(tests.postgres.close(), tests.redis.close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// Postgres returns the URL of an empty database of its own, which is dropped when t ends, on a PostgreSQL that all
// tests of the process share. It is not durable. The test fails if PostgreSQL is not installed.
func Postgres(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	server, n := tests.postgres.take(ctx, t)
	database := "test_" + strconv.Itoa(n)
	if err := execute(ctx, server.URL(), "CREATE DATABASE "+database); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		if err := execute(ctx, server.URL(), "DROP DATABASE "+database+" WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return withPath(t, server, database)
}

// Redis returns the URL of an empty logical database of its own (no other call in this process gets the same number),
// on a Redis that all tests of the process share: so FLUSHDB is the test's own affair, FLUSHALL is not, and publishing,
// scripts and settings are everybody's. It is not durable. The test fails if Redis is not installed, or after 1023 calls.
func Redis(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	server, n := tests.redis.take(ctx, t)
	if n >= redisDatabases {
		t.Fatalf("more than %d logical databases asked for", redisDatabases-1)
	}
	return withPath(t, server, strconv.Itoa(n))
}

// take returns the shared server, started on first use, and a number that nobody else gets, from 1.
func (s *shared) take(ctx context.Context, t testing.TB) (*Server, int) {
	t.Helper()
	if !tests.running {
		t.Fatal("this package's tests need: func TestMain(m *testing.M) { os.Exit(services.Main(m)) }")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil && s.err == nil {
		s.server, s.err = s.start(ctx, Options{})
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	s.given++
	return s.server, s.given
}

func (s *shared) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil
	}
	return s.server.Close()
}

func execute(ctx context.Context, address, statement string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

func withPath(t testing.TB, server *Server, path string) string {
	t.Helper()
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + path
	return u.String()
}
