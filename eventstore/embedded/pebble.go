package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"daybook/eventstore"
	"daybook/internal/pebblefs"
)

// pebbleOptions are chosen by go test -bench. On two cores and a disk that syncs in 0.3 ms, with events of 460 bytes, one
// of five 700, and blocks that come from the disk cache: 3,500 appends/s by one writer, 50,000/s by 64; a scan of a
// category reads 0.55 M events/s on one core, 0.43 M/s if those of 700 bytes alone are wanted; a stream of 5 events of
// two types is read in 95 µs.
//
// Blocks of 8 KiB scan a tenth slower and read streams in 70 µs; blocks of 32 KiB scan no faster. The fastest
// compression leaves 370 bytes of an event with all its keys. DBCompressionBalanced, which is zstd in the lowest level,
// leaves 245, scans a quarter slower and reads streams in 125 µs: the disk is cheaper than the wait for a rebuild.
func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:                 s.guard,
		FormatMajorVersion: pebble.FormatNewest, // an older one cannot tell damage inside the write-ahead log from its end
		CacheSize:          s.options.CacheBytes,
		MemTableSize:       s.options.MemTableBytes,
		MaxOpenFiles:       s.options.FilesMax,
		LoggerAndTracer:    pebbleLogger{s},
		EventListener: &pebble.EventListener{
			BackgroundError: s.backgroundError,
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				s.log().Error("event log is damaged", "place", info.Path, "error", info.Details)
			},
			DiskSlow: func(info pebble.DiskSlowInfo) {
				s.log().Warn("event log: the disk is slow", "path", info.Path, "duration", info.Duration)
			},
			FlushBegin: func(pebble.FlushInfo) { s.flushBegins() },
			FlushEnd: func(info pebble.FlushInfo) {
				if info.Err == nil {
					s.flushEnded()
				}
			},
		},
	}
	if s.options.blocks != nil {
		s.options.blocks.Use(o)
	}
	// Nothing is ever overwritten, so reads never make compactions worthwhile; and a read must not need Pebble's lock,
	// which is held for ever once Pebble has given up (see pebbleLogger.Fatalf).
	o.Experimental.ReadSamplingMultiplier = -1
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].BlockSize = 16 << 10
	}
	return o
}

// pebbleLogger brings Pebble's log lines into the store's.
type pebbleLogger struct{ s *Store }

func (l pebbleLogger) Infof(format string, args ...any) {
	if l.s.log().Enabled(context.Background(), slog.LevelDebug) {
		l.s.log().Debug("pebble: " + fmt.Sprintf(format, args...))
	}
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.s.log().Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf is called where Pebble cannot go on, and must not return. Ending the process here would also end what still
// works, so the store refuses writes from now on, reads go on, and the goroutine that called stays where it is, with
// the locks it holds, until the process ends; see pebblefs.Guard.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.s.abandon(fmt.Errorf("pebble: "+format, args...))
	select {}
}

func (l pebbleLogger) Eventf(context.Context, string, ...any)    {}
func (l pebbleLogger) IsTracingEnabled(ctx context.Context) bool { return false }

// trouble makes an error of the storage one of the port: a *eventstore.Corruption where that is what it means.
func trouble(place string, err error) error {
	var already *eventstore.Corruption
	switch {
	case err == nil || errors.As(err, &already):
		return err
	case errors.Is(err, pebblefs.ErrCut):
		return fmt.Errorf("%w: %s: %w", eventstore.ErrUnavailable, place, err)
	case pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist): // files do not vanish by themselves
		return &eventstore.Corruption{Place: place, Err: err}
	}
	return fmt.Errorf("event log: %s: %w", place, err)
}

func damage(place string, format string, args ...any) error {
	return &eventstore.Corruption{Place: place, Err: fmt.Errorf(format, args...)}
}
