package embedded_test

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
	"daybook/eventstore/eventstoretest"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// memory is a log in memory.
func memory(fs vfs.FS) embedded.Options {
	return embedded.Options{Dir: "log", FS: fs, Logger: quiet, MemTableBytes: 1 << 20, CacheBytes: 1 << 20}
}

func open(t testing.TB, options embedded.Options) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContractInMemory(t *testing.T) {
	openNew, options := inMemory()
	eventstoretest.Run(t, openNew, options)
}

func TestIndexedContractInMemory(t *testing.T) {
	openNew, options := inMemory()
	eventstoretest.RunIndexed(t, openNew, options)
}

// inMemory is how the suites make logs in memory, and open them again.
func inMemory() (func(*testing.T) eventstore.Store, eventstoretest.Options) {
	of := map[eventstore.Store]embedded.Options{}
	openNew := func(t *testing.T) eventstore.Store {
		o := memory(vfs.NewMem())
		s := open(t, o)
		of[s] = o
		return s
	}
	return openNew, eventstoretest.Options{Reopen: func(t *testing.T, old eventstore.Store) eventstore.Store {
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		s := open(t, of[old])
		of[s] = of[old]
		return s
	}}
}

func TestContractOnDisk(t *testing.T) {
	dirs := map[eventstore.Store]string{}
	eventstoretest.Run(t, func(t *testing.T) eventstore.Store {
		dir := t.TempDir()
		s := open(t, embedded.Options{Dir: dir, Logger: quiet})
		dirs[s] = dir
		return s
	}, eventstoretest.Options{Reopen: func(t *testing.T, old eventstore.Store) eventstore.Store {
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		s := open(t, embedded.Options{Dir: dirs[old], Logger: quiet})
		dirs[s] = dirs[old]
		return s
	}})
}

// The largest positions and revisions are ordinary ones.
func TestExtremes(t *testing.T) {
	ctx, s := context.Background(), open(t, memory(vfs.NewMem()))
	appendSome(t, s, "tab-a-1", 3)
	last := eventstore.Position{Commit: math.MaxUint64, Prepare: math.MaxUint64}
	for name, read := range map[string]struct {
		seq  iter.Seq2[eventstore.Event, error]
		want int
	}{
		"log after":          {s.ReadAll(ctx, eventstore.LogRead{After: last}), 0},
		"log before":         {s.ReadAll(ctx, eventstore.LogRead{After: last, Direction: eventstore.Backward}), 3},
		"log before first":   {s.ReadAll(ctx, eventstore.LogRead{After: eventstore.Position{Commit: 1, Prepare: 1}, Direction: eventstore.Backward}), 0},
		"stream from":        {s.ReadStream(ctx, "tab-a-1", eventstore.StreamRead{From: math.MaxInt64}), 0},
		"stream back from":   {s.ReadStream(ctx, "tab-a-1", eventstore.StreamRead{From: math.MaxInt64, Direction: eventstore.Backward}), 3},
		"partition after":    {s.ReadPartition(ctx, "tab-a", eventstore.PartitionRead{After: last}), 0},
		"partition to":       {s.ReadPartition(ctx, "tab-a", eventstore.PartitionRead{To: last}), 3},
		"partition inverted": {s.ReadPartition(ctx, "tab-a", eventstore.PartitionRead{After: eventstore.Position{Commit: 2, Prepare: 2}, To: eventstore.Position{Commit: 1, Prepare: 1}}), 0},
	} {
		n := 0
		for _, err := range read.seq {
			if n++; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n != read.want {
			t.Errorf("%s: %d events, want %d", name, n, read.want)
		}
	}
}
