package embedded

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/projections"
	"daybook/projections/sinktest"
)

func storage(options Options) sinktest.Storage {
	return sinktest.Storage{Open: func(t testing.TB) projections.Sink {
		t.Helper()
		return open(t, options)
	}}
}

func open(t testing.TB, options Options) *Sink {
	t.Helper()
	sink, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func TestSink(t *testing.T) { sinktest.Run(t, storage(Options{Dir: "read models", FS: vfs.NewMem()})) }

// TestSinkOnDisk has so little memory that most is read from tables.
func TestSinkOnDisk(t *testing.T) {
	sinktest.Run(t, storage(Options{Dir: t.TempDir(), CacheBytes: 1 << 20, MemTableBytes: 64 << 10}))
}

func BenchmarkSink(b *testing.B) { sinktest.Bench(b, storage(Options{Dir: b.TempDir()})) }
