package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
	"daybook/eventstore/eventstoretest"
	"daybook/internal/logtest"
)

func openLog(t testing.TB, options embedded.Options) *embedded.Log {
	t.Helper()
	l, err := embedded.OpenLog(options, func(err error) { t.Errorf("fatal: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestContractOfLog(t *testing.T) {
	of := map[eventstore.Store]embedded.Options{}
	openNew := func(t *testing.T) eventstore.Store {
		o := memory(vfs.NewMem())
		l := openLog(t, o)
		of[l] = o
		return l
	}
	options := eventstoretest.Options{Reopen: func(t *testing.T, old eventstore.Store) eventstore.Store {
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		l := openLog(t, of[old])
		of[l] = of[old]
		return l
	}}
	eventstoretest.Run(t, openNew, options)
	eventstoretest.RunIndexed(t, openNew, options)
}

// brokenDisk fails what its pattern says, while it is broken.
type brokenDisk struct {
	broken atomic.Bool
	err    error
	hits   func(op errorfs.Op) bool
}

func (b *brokenDisk) MaybeError(op errorfs.Op) error {
	if b.broken.Load() && b.hits(op) {
		return b.err
	}
	return nil
}

func (b *brokenDisk) String() string { return "broken disk" }

func isWrite(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }

// Whatever it is that fails, at whatever file: the log says that it is unavailable, lets what is durable be read, goes on
// by itself once the disk takes writes again, and has every acknowledged append once.
func TestLogOpensItselfAgain(t *testing.T) {
	for name, disk := range map[string]*brokenDisk{
		"EIO on a sync of the write-ahead log": {err: syscall.EIO, hits: func(op errorfs.Op) bool {
			return strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo)
		}},
		"ENOSPC on a write of the write-ahead log": {err: syscall.ENOSPC, hits: func(op errorfs.Op) bool {
			return strings.HasSuffix(op.Path, ".log") && op.Kind == errorfs.OpFileWrite
		}},
		"EIO when the write-ahead log changes its file": {err: syscall.EIO, hits: func(op errorfs.Op) bool {
			return strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite)
		}},
		"ENOSPC in the manifest": {err: syscall.ENOSPC, hits: func(op errorfs.Op) bool {
			return strings.Contains(op.Path, "MANIFEST") && isWrite(op)
		}},
		"a full disk": {err: syscall.ENOSPC, hits: func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpCreate
		}},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			log := openLog(t, memory(errorfs.Wrap(mem, disk)))
			var l ledger
			if err := l.write(log, 1, 30, rand.New(rand.NewPCG(1, 1))); err != nil {
				t.Fatal(err)
			}
			for round := range 3 {
				failOnce(t, log, disk, &l, 1000*round)
				wantAgain(t, log, &l, 1000*round+999)
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			verify(t, mem.CrashClone(vfs.CrashCloneCfg{}), l.snapshot())
			verify(t, mem, l.snapshot())
		})
	}
}

// failOnce breaks the disk until an append fails.
func failOnce(t *testing.T, log *embedded.Log, disk *brokenDisk, l *ledger, seed int) {
	t.Helper()
	disk.broken.Store(true)
	defer disk.broken.Store(false)
	var err error
	for n := uint64(0); err == nil; n++ {
		err = l.write(log, seed+2+int(n), 20, rand.New(rand.NewPCG(n, 1)))
	}
	if !errors.Is(err, eventstore.ErrUnavailable) || !errors.Is(err, disk.err) {
		t.Fatalf("append: %v", err)
	}
	if err := log.Ready(); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("ready: %v", err)
	}
	short, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, err := range log.ReadAll(short, eventstore.LogRead{}) {
		if err != nil && !errors.Is(err, eventstore.ErrUnavailable) {
			t.Fatalf("read: %v", err)
		}
	}
}

// wantAgain waits until the log takes appends.
func wantAgain(t *testing.T, log *embedded.Log, l *ledger, writer int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		err := log.Ready()
		if err == nil {
			break
		}
		if !errors.Is(err, eventstore.ErrUnavailable) || time.Now().After(deadline) {
			t.Fatalf("ready: %v", err)
		}
	}
	if err := l.write(log, writer, 5, rand.New(rand.NewPCG(9, uint64(writer)))); err != nil {
		t.Fatalf("append to a log that is open again: %v", err)
	}
}

// Tables that cannot be written stop no append for as long as there is room in memory, and are told of seldom.
func TestTablesThatCannotBeWritten(t *testing.T) {
	disk := &brokenDisk{err: syscall.ENOSPC, hits: func(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".sst") && isWrite(op) }}
	var said logtest.Lines
	options := memory(errorfs.Wrap(vfs.NewMem(), disk))
	options.Logger = said.Logger(slog.LevelInfo)
	log := openLog(t, options)
	disk.broken.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var err error
	for n := 0; err == nil; n++ {
		_, err = log.Append(ctx, fmt.Sprintf("tab-a-%d", n), eventstore.NoStream, []eventstore.NewEvent{{ID: uuid.New(), Type: "x", Data: []byte(strings.Repeat("1", 4096))}})
	}
	if !errors.Is(err, context.DeadlineExceeded) { // there are two memory tables
		t.Fatalf("append: %v", err)
	}
	if n := said.Count("\n"); n == 0 || n > 20 {
		t.Errorf("%d lines in three seconds:\n%s", n, &said)
	}
	disk.broken.Store(false)
	if _, err := log.Append(t.Context(), "tab-b-1", eventstore.NoStream, []eventstore.NewEvent{{ID: uuid.New(), Type: "x", Data: []byte("{}")}}); err != nil {
		t.Error(err)
	}
}

// A full disk refuses the opening, soon and with the reason, and the directory is free again.
func TestOpenOnAFullDisk(t *testing.T) {
	disk := &brokenDisk{err: syscall.ENOSPC, hits: func(op errorfs.Op) bool {
		return strings.Contains(op.Path, pebbleFolder) && isWrite(op) && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSync)
	}}
	mem := vfs.NewCrashableMem()
	var l ledger
	s := open(t, memory(mem))
	if err := l.write(s, 1, 30, rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Fatal(err)
	}
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	disk.broken.Store(true)
	var said logtest.Lines
	options := memory(errorfs.Wrap(crashed, disk))
	options.Logger = said.Logger(slog.LevelInfo)
	for range 2 {
		if s, err := embedded.Open(options); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("opened %v, %v", s, err)
		}
	}
	if n := said.Count("\n"); n > 4 {
		t.Errorf("%d lines:\n%s", n, &said)
	}
	verify(t, crashed, l.snapshot())
}

const pebbleFolder = "pebble"
