package embedded_test

import (
	"io"
	"log/slog"
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
	options := map[eventstore.Store]embedded.Options{}
	eventstoretest.Run(t, func(t *testing.T) eventstore.Store {
		o := memory(vfs.NewMem())
		s := open(t, o)
		options[s] = o
		return s
	}, eventstoretest.Options{Reopen: func(t *testing.T, old eventstore.Store) eventstore.Store {
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		s := open(t, options[old])
		options[s] = options[old]
		return s
	}})
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
