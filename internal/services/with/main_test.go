package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"daybook/internal/services"
)

// roleVariable makes this test program be the command itself, or the client that it runs.
const roleVariable = "DAYBOOK_WITH_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "with":
		_ = os.Setenv(roleVariable, "client")
		main()
	case "client":
		if err := client(os.Args[1]); err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error())
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// client puts a row and a key into the servers of its environment, or gets them.
func client(action string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("DAYBOOK_POSTGRES"))
	if err != nil {
		return err
	}
	options, err := redis.ParseURL(os.Getenv("DAYBOOK_REDIS"))
	if err != nil {
		return err
	}
	cache := redis.NewClient(options)
	if action == "put" {
		if _, err := conn.Exec(ctx, "CREATE TABLE kept AS SELECT 1 AS n"); err != nil {
			return err
		}
		return cache.Set(ctx, "kept", 1, 0).Err()
	}
	if _, err := conn.Exec(ctx, "SELECT n FROM kept"); err != nil {
		return err
	}
	return cache.Get(ctx, "kept").Err()
}

// with is a run of the command that is under way.
type with struct {
	*exec.Cmd
	out    *bufio.Reader
	report bytes.Buffer
}

func begin(t *testing.T, args ...string) *with {
	t.Helper()
	w := &with{Cmd: exec.Command(os.Args[0], args...)}
	w.Env = append(os.Environ(), roleVariable+"=with")
	w.Stderr = &w.report
	out, err := w.StdoutPipe()
	must(t, err)
	w.out = bufio.NewReader(out)
	must(t, w.Start())
	return w
}

// line waits for a line of the command's output.
func (w *with) line(t *testing.T) string {
	t.Helper()
	line, err := w.out.ReadString('\n')
	if err != nil {
		_ = w.Wait()
		t.Fatalf("%v after %q; standard error:\n%s", err, line, w.report.String())
	}
	return strings.TrimSpace(line)
}

// end waits for the end and returns the remaining output and the exit code.
func (w *with) end(t *testing.T) (rest string, code int) {
	t.Helper()
	out, err := io.ReadAll(w.out)
	must(t, err)
	_ = w.Wait() // its error is the exit code
	return string(out), w.ProcessState.ExitCode()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestExitCodeAndReport(t *testing.T) {
	for _, c := range []struct {
		name, report string
		args         []string
		code         int
	}{
		{"the command's", "with: redis on 127.0.0.1:", []string{"--", "sh", "-c", "exit 7"}, 7},
		{"of a signal", "with: postgres on 127.0.0.1:", []string{"sh", "-c", "kill -KILL $$"}, 128 + 9},
		{"no such command", "no-such-command", []string{"no-such-command"}, 1},
		{"no command", "usage", []string{"-dir", "x"}, 1},
		{"no such flag", "-durable", []string{"-durable", "true"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := begin(t, c.args...)
			_, code := w.end(t)
			if code != c.code || !strings.Contains(w.report.String(), c.report) {
				t.Errorf("exit code %d, want %d; standard error:\n%s", code, c.code, w.report.String())
			}
		})
	}
}

func TestReportHoldsNoPassword(t *testing.T) {
	dir := t.TempDir()
	w := begin(t, "-dir", dir, "true")
	w.end(t)
	password, err := os.ReadFile(filepath.Join(dir, "postgres", "password"))
	must(t, err)
	if strings.Contains(w.report.String(), string(password)) {
		t.Error(w.report.String())
	}
}

func TestDirectoryKeepsDataForTheNextRun(t *testing.T) {
	dir := t.TempDir()
	for _, action := range []string{"put", "get"} {
		w := begin(t, "-dir", dir, "--", os.Args[0], action)
		if _, code := w.end(t); code != 0 {
			t.Fatalf("%s: exit code %d; standard error:\n%s", action, code, w.report.String())
		}
	}
}

func TestSignalsReachTheCommandOnce(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			w := begin(t, "sh", "-c", `trap 'echo drained; exit 3' `+name+`; echo ready; while :; do sleep 0.05; done`)
			w.line(t)
			must(t, w.Process.Signal(signal))
			if rest, code := w.end(t); rest != "drained\n" || code != 3 {
				t.Errorf("exit code %d, output %q", code, rest)
			}
		})
	}
}

// As with "go run", which SIGTERM ends while the program under it still drains.
func TestServersStayUntilTheLastProcessOfTheCommand(t *testing.T) {
	inner := `trap '"$0" put && echo drained; exit' TERM; echo ready; while :; do sleep 0.05; done`
	w := begin(t, "sh", "-c", `sh -c '`+strings.ReplaceAll(inner, `'`, `'\''`)+`' "$0" & wait`, os.Args[0])
	w.line(t)
	must(t, w.Process.Signal(syscall.SIGTERM))
	if rest, code := w.end(t); rest != "drained\n" || code != 128+15 {
		t.Errorf("exit code %d, output %q; standard error:\n%s", code, rest, w.report.String())
	}
}

func TestNothingOutlivesAKill(t *testing.T) {
	dir := t.TempDir()
	w := begin(t, "-dir", dir, "--", "sh", "-c", "echo ready; exec sleep 1000")
	w.line(t)
	must(t, w.Process.Kill())
	w.end(t) // which is when sleep, too, has closed the output
	// A directory is locked as long as a process of its server lives.
	for name, start := range map[string]starter{"postgres": services.StartPostgres, "redis": services.StartRedis} {
		s, err := start(t.Context(), services.Options{Dir: filepath.Join(dir, name), Durable: true})
		must(t, err)
		must(t, s.Close())
	}
}
