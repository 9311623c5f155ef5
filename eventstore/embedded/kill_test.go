package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

// childEnv makes the test binary one of the child programs below instead of running tests.
const childEnv = "DAYBOOK_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "append":
		appendForEver(os.Getenv("DAYBOOK_TEST_DIR"))
	case "abandon":
		os.Exit(abandon())
	default:
		code := m.Run()
		_ = os.RemoveAll(large.dir)
		if left := goroutinesLeft(); code == 0 && left != "" {
			fmt.Fprintln(os.Stderr, "goroutines are left:\n", left)
			code = 1
		}
		os.Exit(code)
	}
}

// goroutinesLeft returns the goroutines that nothing has ended. Those in Pebble do not count: they stay when a store is
// given up after a failed write. A store that was forgotten shows by goroutines of its own.
func goroutinesLeft() (left string) {
	err := goleak.Find()
	if err == nil {
		return ""
	}
	for _, goroutine := range strings.Split(err.Error(), "\n Goroutine ") {
		if !strings.Contains(goroutine, "cockroachdb/pebble") {
			left += goroutine + "\n"
		}
	}
	return left
}

func child(ctx context.Context, name, dir string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+name, "DAYBOOK_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

const childWriters = 6

// appendForEver appends to streams that the directory's number of runs makes new, and prints a line for each append:
// "begin stream revision ids…" before and "done stream revision position" after.
func appendForEver(dir string) {
	s, err := embedded.Open(embedded.Options{Dir: dir, Logger: quiet, MemTableBytes: 1 << 20})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	run := uuid.NewString()[:8]
	for w := range childWriters {
		go func() {
			for end := eventstore.NoStream; ; {
				stream := fmt.Sprintf("tab-%s-w%d", run, w)
				list := newEvents(rand.New(rand.NewPCG(uint64(w), uint64(end+2))), 1+w%3, 2000)
				ids := make([]string, len(list))
				for i, e := range list {
					ids[i] = e.ID.String()
				}
				say("begin %s %d %s", stream, end, strings.Join(ids, " "))
				a, err := s.Append(context.Background(), stream, end, list)
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				say("done %s %d %d", stream, end, a.Position.Commit)
				end = a.Revision
			}
		}()
	}
	select {}
}

// A process is killed again and again while it appends; each time, all that it was told to be done is there.
func TestKill(t *testing.T) {
	const kills = 10
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	var lines []string
	for range kills {
		lines = append(lines, runAndKill(t, dir, 1+random.IntN(1500))...)
		s, err := embedded.Open(embedded.Options{Dir: dir, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		checkLines(t, s, lines)
		if random.IntN(2) == 0 { // the next run begins with a clean log, or the one after with a recovered one
			err = s.Close()
		} else {
			err = errors.Join(s.Check(context.Background(), nil), s.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d lines of %d runs", len(lines), kills)
}

// runAndKill kills the child after some lines of its output and returns all that it said.
func runAndKill(t *testing.T, dir string, after int) (lines []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := child(ctx, "append", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(line))
		if len(lines) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return lines
}

// checkLines demands that what is done is there, and that what was begun is there as a whole or not at all.
func checkLines(t *testing.T, s *embedded.Store, lines []string) {
	t.Helper()
	begun := map[string][]string{}
	for _, line := range lines {
		fields := strings.Fields(line)
		stream, end := fields[1], fields[2]
		if fields[0] == "begin" {
			begun[stream+" "+end] = fields[3:]
			continue
		}
		var from eventstore.Revision
		if _, err := fmt.Sscan(end, &from); err != nil {
			t.Fatal(err)
		}
		ids, last := idsFrom(t, s, stream, from+1, len(begun[stream+" "+end]))
		if fmt.Sprint(ids) != fmt.Sprint(begun[stream+" "+end]) || fmt.Sprint(last) != fields[3] {
			t.Fatalf("%s: there are %v, the last at %d", line, ids, last)
		}
		delete(begun, stream+" "+end)
	}
	for place, want := range begun {
		stream, end, _ := strings.Cut(place, " ")
		var from eventstore.Revision
		if _, err := fmt.Sscan(end, &from); err != nil {
			t.Fatal(err)
		}
		if ids, _ := idsFrom(t, s, stream, from+1, len(want)); len(ids) != 0 && fmt.Sprint(ids) != fmt.Sprint(want) {
			t.Fatalf("%s: a part of an append is there: %v of %v", place, ids, want)
		}
	}
}

func idsFrom(t *testing.T, s *embedded.Store, stream string, from eventstore.Revision, n int) (ids []string, last uint64) {
	t.Helper()
	for e, err := range s.ReadStream(context.Background(), stream, eventstore.StreamRead{From: from, Limit: n}) {
		if err != nil {
			t.Fatal(err)
		}
		ids, last = append(ids, e.ID.String()), e.Position.Commit
	}
	return ids, last
}

// When Pebble cannot write its manifest it gives up with its locks held. The process must go on: no more writes, reads
// as before, and a Close that returns. The goroutines that hang are why this is a process of its own.
func TestAbandoned(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if out, err := child(ctx, "abandon", "").Output(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func abandon() (exit int) {
	fail := func(format string, args ...any) int {
		fmt.Printf(format+"\n", args...)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var broken atomic.Bool
	s, err := embedded.Open(memory(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && strings.Contains(op.Path, "MANIFEST") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.EIO
		}
		return nil
	}))))
	if err != nil {
		return fail("open: %v", err)
	}
	var l ledger
	broken.Store(true)
	for err == nil { // until a flush wants to write the manifest
		err = l.write(s, len(l.snapshot()), 20, rand.New(rand.NewPCG(1, 1)))
	}
	if !errors.Is(err, eventstore.ErrUnavailable) {
		return fail("append: %v", err)
	}
	read := map[uuid.UUID]bool{}
	for e, err := range s.ReadAll(ctx, eventstore.LogRead{}) {
		if err != nil {
			return fail("read: %v", err)
		}
		read[e.ID] = true
	}
	for _, a := range l.snapshot() {
		if a.acked && !read[a.events[0].ID] {
			return fail("an acknowledged event cannot be read")
		}
	}
	if err := s.Check(ctx, nil); err != nil {
		return fail("check: %v", err)
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err = <-closed:
	case <-ctx.Done():
		return fail("Close hangs")
	}
	if !errors.Is(err, eventstore.ErrUnavailable) {
		return fail("close: %v", err)
	}
	return 0
}
