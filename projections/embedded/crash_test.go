package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"daybook/eventstore"
	"daybook/projections"
	"daybook/projections/sinktest"
)

var load = sinktest.Load{Target: projections.Target{Model: "load", Generation: 1}}

// childDir is set for the process that TestKill kills.
const childDir = "DAYBOOK_TEST_EMBEDDED_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := applyForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// applyForEver prints each position that was applied.
func applyForEver(dir string) error {
	sink, err := Open(Options{Dir: dir, MemTableBytes: 256 << 10})
	if err != nil {
		return err
	}
	return load.Run(context.Background(), sink, 1<<40, func(position uint64) { fmt.Println(position) })
}

// TestKill kills a process with SIGKILL while it applies, again and again, and goes on where it was.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	for range 5 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir)
		child.Stderr = os.Stderr
		child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		output, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(output)
		seen := uint64(0)
		for range 1 + rand.IntN(1000) {
			if !lines.Scan() {
				t.Fatal("the child ended by itself")
			}
			if seen, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // "signal: killed"

		sink := open(t, Options{Dir: dir})
		t.Logf("killed after position %d, stands at %d", seen, load.Check(t, sink))
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPowerCut takes what a power cut would leave, with anything between none and all of what was not synced, at
// random moments while batches are applied, memory tables are flushed and the sink is closed.
func TestPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	sink := open(t, Options{Dir: "d", FS: fs, MemTableBytes: 64 << 10})
	var clones []*vfs.MemFS
	cut := func(position uint64) {
		seed := rand.Uint64()
		clones = append(clones, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rand.IntN(101), RNG: rand.New(rand.NewPCG(seed, position))}))
	}
	err := load.Run(t.Context(), sink, 1000, func(position uint64) {
		if rand.IntN(25) == 0 {
			cut(position)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	for _, clone := range clones {
		again := open(t, Options{Dir: "d", FS: clone, CacheBytes: 1 << 20, MemTableBytes: 64 << 10})
		load.Check(t, again)
		if err := load.Run(t.Context(), again, 1050, func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		if position := load.Check(t, again); position != 1050 {
			t.Fatalf("stands at %d", position)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Close brought everything to the disk.
	again := open(t, Options{Dir: "d", FS: fs.CrashClone(vfs.CrashCloneCfg{})})
	defer again.Close()
	if position := load.Check(t, again); position != 1000 {
		t.Fatalf("stands at %d after a power cut after Close", position)
	}
}

// TestPowerCutAnywhere cuts at one file operation after the other, of making, using, closing and opening read models.
func TestPowerCutAnywhere(t *testing.T) {
	for _, percent := range []int{0, 50, 100} {
		t.Run(fmt.Sprintf("%d percent of what was not synced survives", percent), func(t *testing.T) {
			const stride = 5
			for at := int64(1 + rand.IntN(stride)); ; at += stride {
				cut := cutAt(t, at, percent)
				if cut == nil {
					t.Logf("%d operations, every %d. cut", at, stride)
					return
				}
				sink := open(t, Options{Dir: "d", FS: cut, MemTableBytes: 256 << 10})
				load.Check(t, sink)
				if err := load.Run(t.Context(), sink, 50, func(uint64) {}); err != nil {
					t.Fatal(err)
				}
				load.Check(t, sink)
				if err := sink.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// cutAt returns what a power cut at an operation leaves; nil if there are not so many.
func cutAt(t *testing.T, at int64, percent int) (cut *vfs.MemFS) {
	t.Helper()
	fs := vfs.NewCrashableMem()
	var operations atomic.Int64
	counting := errorfs.Wrap(fs, errorfs.InjectorFunc(func(errorfs.Op) error {
		if operations.Add(1) == at {
			cut = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(at), uint64(percent)))})
		}
		return nil
	}))
	for until := uint64(15); until <= 30; until += 15 {
		sink := open(t, Options{Dir: "d", FS: counting, MemTableBytes: 256 << 10})
		if err := load.Run(t.Context(), sink, until, func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return cut
}

// TestDiskFull lets every write fail from some moment on. Pebble gives up then; the sink must say so and not hang.
func TestDiskFull(t *testing.T) {
	base := vfs.NewCrashableMem()
	var full atomic.Bool
	fs := errorfs.Wrap(base, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.ENOSPC
		}
		return nil
	}))
	sink := open(t, Options{Dir: "d", FS: fs})
	if err := load.Run(t.Context(), sink, 100, func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	other, n := projections.Target{Model: "other", Generation: 1}, uint64(0)
	batch := projections.Batch{To: projections.Checkpoint{Log: "log"}}
	err := sink.Apply(t.Context(), other, batch)
	for ; err == nil; err = sink.Apply(t.Context(), other, batch) { // Pebble writes in the background
		n++
		batch.From, batch.To.Position = batch.To, eventstore.Position{Commit: n, Prepare: n}
	}
	if !errors.Is(err, projections.ErrSinkUnavailable) {
		t.Fatalf("error is %v", err)
	}
	if err := sink.Ping(t.Context()); !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("the reason is missing: %v", err)
	}
	if err := sink.Close(); !errors.Is(err, projections.ErrSinkUnavailable) {
		t.Fatalf("close: %v", err)
	}
	again := open(t, Options{Dir: "d", FS: base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})})
	defer again.Close()
	load.Check(t, again)
}

// TestForgot: read models know whether the process before brought all to the disk.
func TestForgot(t *testing.T) {
	fs := vfs.NewCrashableMem()
	for until := uint64(10); until <= 40; until += 10 {
		sink := open(t, Options{Dir: "d", FS: fs})
		if sink.Forgot() {
			t.Errorf("closed at %d, and forgot", until-10)
		}
		if err := load.Run(t.Context(), sink, until, func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		killed := open(t, Options{Dir: "d", FS: fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(until, 1))})})
		if !killed.Forgot() {
			t.Errorf("killed at %d, and did not forget", until)
		}
		if err := errors.Join(killed.Close(), sink.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
