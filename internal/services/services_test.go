package services

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"
)

// roleVariable makes this test program play a part as a process of its own.
const roleVariable = "DAYBOOK_SERVICES_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "holder":
		hold()
	case "without Main":
		os.Exit(m.Run())
	default:
		os.Exit(Main(m))
	}
}

// both kinds of server, for what holds for both.
var both = map[string]struct {
	start func(context.Context, Options) (*Server, error)
	put   func(t *testing.T, s *Server, value string)
	get   func(t *testing.T, s *Server) string // "" if nothing is there
}{
	"postgres": {StartPostgres, putPostgres, getPostgres},
	"redis":    {StartRedis, putRedis, getRedis},
}

func putPostgres(t *testing.T, s *Server, value string) {
	t.Helper()
	conn := connect(t, s.URL())
	for _, statement := range []string{
		"CREATE TABLE IF NOT EXISTS kept (value text)",
		"DELETE FROM kept",
		"INSERT INTO kept VALUES ('" + value + "')",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func getPostgres(t *testing.T, s *Server) string {
	t.Helper()
	return queryText(t, s.URL(), "SELECT value FROM kept")
}

func putRedis(t *testing.T, s *Server, value string) {
	t.Helper()
	if err := dialRedis(t, s.URL()).Set(t.Context(), "kept", value, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func getRedis(t *testing.T, s *Server) string {
	t.Helper()
	value, err := dialRedis(t, s.URL()).Get(t.Context(), "kept").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	return value
}

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // its server may have been killed
	return conn
}

func queryText(t *testing.T, address, query string) string {
	t.Helper()
	var text string
	if err := connect(t, address).QueryRow(t.Context(), query).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func dialRedis(t *testing.T, address string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func started(t *testing.T, start func(context.Context, Options) (*Server, error), o Options) *Server {
	t.Helper()
	s, err := start(t.Context(), o)
	must(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestDurableServerKeepsDataAndAddress(t *testing.T) {
	for name, k := range both {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "not there yet")
			s := started(t, k.start, Options{Dir: dir, Durable: true})
			k.put(t, s, "coffee")
			url := s.URL()
			for how, end := range map[string]func() error{"Kill": s.Kill, "Stop": s.Stop, "nothing": func() error { return nil }} {
				must(t, end())
				must(t, s.Restart(t.Context()))
				if got := k.get(t, s); got != "coffee" || s.URL() != url {
					t.Errorf("after %s and Restart: %q at %s, want coffee at %s", how, got, s.URL(), url)
				}
			}
			must(t, s.Close())
			again := started(t, k.start, Options{Dir: dir, Durable: true})
			if got := k.get(t, again); got != "coffee" {
				t.Errorf("a second server in the same directory has %q", got)
			}
		})
	}
}

func TestEndedServerDoesNotAnswer(t *testing.T) {
	for name, k := range both {
		t.Run(name, func(t *testing.T) {
			s := started(t, k.start, Options{})
			must(t, s.Kill())
			if err := s.kind.ping(t.Context(), s.URL()); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("ping after Kill: %v", err)
			}
			must(t, s.Kill())
			must(t, s.Stop())
			must(t, s.Close())
			if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("temporary directory after Close: %v", err)
			}
			must(t, s.Close())
		})
	}
}

// The other half of Options.Durable.
func TestServersThatAreNotDurable(t *testing.T) {
	p := started(t, StartPostgres, Options{})
	putPostgres(t, p, "tea")
	must(t, p.Kill())
	must(t, p.Restart(t.Context()))
	if got := getPostgres(t, p); got != "tea" {
		t.Errorf("PostgreSQL after Kill: %q", got)
	}
	if got := queryText(t, p.URL(), "SHOW fsync"); got != "off" {
		t.Errorf("fsync is %s", got)
	}
	r := started(t, StartRedis, Options{})
	putRedis(t, r, "tea")
	must(t, r.Restart(t.Context()))
	if got := getRedis(t, r); got != "" {
		t.Errorf("Redis after Restart: %q", got)
	}
}

func TestDurablePostgresSyncs(t *testing.T) {
	s := started(t, StartPostgres, Options{Durable: true})
	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		if got := queryText(t, s.URL(), "SHOW "+setting); got != "on" {
			t.Errorf("%s is %s", setting, got)
		}
	}
}

func TestServersSideBySideAreStrangers(t *testing.T) {
	for name, k := range both {
		t.Run(name, func(t *testing.T) {
			a, b := started(t, k.start, Options{}), started(t, k.start, Options{})
			k.put(t, a, "a")
			k.put(t, b, "b")
			if k.get(t, a) != "a" || k.get(t, b) != "b" {
				t.Error("two servers share their data")
			}
			wrong := a.kind.url(a.port, b.home.password).String()
			if err := a.kind.ping(t.Context(), wrong); err == nil {
				t.Error("a server accepts another's password")
			}
			must(t, a.Kill())
			if k.get(t, b) != "b" {
				t.Error("killing one ended the other")
			}
		})
	}
}

func TestKillTakesBackendsAlong(t *testing.T) {
	s := started(t, StartPostgres, Options{})
	conn := connect(t, s.URL())
	backend, err := unix.PidfdOpen(int(conn.PgConn().PID()), 0)
	must(t, err)
	defer func() { _ = unix.Close(backend) }()
	must(t, s.Kill())
	if !hasEnded(t, backend) {
		t.Error("a backend outlived Kill")
	}
}

func hasEnded(t *testing.T, pidfd int) bool {
	t.Helper()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 0)
	must(t, err)
	return n == 1
}

func TestDirectoryThatCannotBeUsed(t *testing.T) {
	for name, k := range both {
		t.Run(name+" in use", func(t *testing.T) {
			s := started(t, k.start, Options{Dir: t.TempDir()})
			ctx, cancel := context.WithTimeout(t.Context(), 2*lockEvery)
			defer cancel()
			_, err := k.start(ctx, Options{Dir: s.Dir()})
			wantError(t, err, s.Dir()+" is in use")
		})
		t.Run(name+" of somebody else", func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.WriteFile(filepath.Join(dir, "diary"), nil, 0o600))
			_, err := k.start(t.Context(), Options{Dir: dir})
			wantError(t, err, dir+" is not empty")
		})
	}
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Fatalf("error %v, want one with %q", err, part)
	}
}

func TestFailedStartTellsWhy(t *testing.T) {
	dir := t.TempDir()
	s := started(t, StartPostgres, Options{Dir: dir})
	must(t, s.Close())
	must(t, os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9.0\n"), 0o600))
	_, err := StartPostgres(t.Context(), Options{Dir: dir})
	wantError(t, err, "database files are incompatible with server") // from the server's log
}

func TestInterruptedInitdbIsRepeated(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := StartPostgres(ctx, Options{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled start: %v", err)
	}
	must(t, os.MkdirAll(filepath.Join(dir, "data.new", "half"), 0o700))
	started(t, StartPostgres, Options{Dir: dir})
}

func TestMissingProgram(t *testing.T) {
	_, err := program("daybook-no-such-program")
	if !errors.Is(err, ErrMissing) {
		t.Fatalf("%v is not ErrMissing", err)
	}
	wantError(t, err, "make services")
}

func TestNewestVersionFirst(t *testing.T) {
	paths := []string{"/usr/lib/postgresql/9.6/bin/x", "/usr/lib/postgresql/15/bin/x", "/usr/lib/postgresql/9.5/bin/x", "/usr/lib/postgresql/17/bin/x"}
	sortByVersion(paths)
	if got := strings.Join(paths, " "); got != "/usr/lib/postgresql/17/bin/x /usr/lib/postgresql/15/bin/x /usr/lib/postgresql/9.6/bin/x /usr/lib/postgresql/9.5/bin/x" {
		t.Error(got)
	}
}

// Pdeathsig is about the thread that forked. A test's goroutine may be locked to one that ends with it.
func TestServerOutlivesTheThreadThatAskedForIt(t *testing.T) {
	var s *Server
	var err error
	thread := onEndingThread(func() { s, err = StartRedis(t.Context(), Options{}) })
	must(t, err)
	defer func() { must(t, s.Close()) }()
	for unix.Tgkill(os.Getpid(), thread, 0) == nil {
		runtime.Gosched()
	}
	must(t, s.kind.ping(t.Context(), s.URL()))
}

// onEndingThread calls f on a thread that then ends, and returns the thread's id.
func onEndingThread(f func()) int {
	thread := make(chan int)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() { // the main thread never ends; while we hold it, we get another
			defer runtime.UnlockOSThread()
			thread <- onEndingThread(f)
			return
		}
		f()
		thread <- unix.Gettid() // returning locked ends the thread
	}()
	return <-thread
}

// held is what a holder says of each of its servers.
type held struct {
	PID int
	Dir string
}

// hold starts both servers, prints them as JSON and waits to be killed.
func hold() {
	var servers []held
	for _, start := range []func(context.Context, Options) (*Server, error){StartPostgres, StartRedis} {
		s, err := start(context.Background(), Options{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		servers = append(servers, held{s.PID(), s.Dir()})
	}
	if err := json.NewEncoder(os.Stdout).Encode(servers); err != nil {
		os.Exit(1)
	}
	select {}
}

func TestNothingOutlivesAKilledProcess(t *testing.T) {
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), roleVariable+"=holder")
	holder.Stderr = os.Stderr
	stdout, err := holder.StdoutPipe()
	must(t, err)
	must(t, holder.Start())
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	must(t, err)
	var servers []held
	must(t, json.Unmarshal(line, &servers))
	var processes []int
	for _, s := range servers {
		main, err := unix.PidfdOpen(s.PID, 0)
		must(t, err)
		children, err := openChildren(s.PID)
		must(t, err)
		processes = append(append(processes, main), children...)
	}
	if len(processes) < 4 {
		t.Errorf("only %d processes: PostgreSQL should have children", len(processes))
	}
	must(t, holder.Process.Kill())
	_ = holder.Wait() // its error says that it was killed
	for _, process := range processes {
		must(t, awaitEnd(process))
		must(t, unix.Close(process))
	}
	for _, s := range servers {
		removeIfUnlocked(s.Dir)
		if _, err := os.Stat(s.Dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("abandoned directory is still in use: %v", err)
		}
	}
}
