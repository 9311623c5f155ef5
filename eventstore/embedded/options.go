package embedded

import (
	"errors"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/eventstore"
	"daybook/internal/pebblefs"
)

// Options of Open. Only Dir is needed.
type Options struct {
	// Dir is the log's directory. It is made if it does not exist; otherwise it must be empty or hold a log.
	Dir string
	// FS is the file system, nil for the disk, where files are for the process's user alone. vfs.NewMem() makes a log that is gone with the process.
	FS vfs.FS
	// Now gives the time for Event.Created, nil for time.Now.
	Now func() time.Time
	// Logger hears of trouble, and at debug level of Pebble's housekeeping. nil for slog.Default.
	Logger *slog.Logger
	// CacheBytes bounds the memory for uncompressed blocks of the log. 0 means 64 MiB.
	CacheBytes int64
	// HeadsBytes bounds the memory for the last revisions of streams. 0 means 8 MiB.
	HeadsBytes int64
	// MemTableBytes bounds a memory table; two to four exist under load. 0 means 16 MiB: with 64 MiB, 64 writers append a
	// third slower, the blocks that the cache holds make room for the tables, and a write-ahead file takes 72 MB of the
	// disk before it holds anything.
	MemTableBytes uint64
	// FilesMax bounds the table files that are open at a time; a few more files are. 0 means 1,000.
	FilesMax int
	// AppendBytesMax takes the place of the port's limit, 0 for that: a server that stands in for another, whose limit is
	// higher, has to take as much.
	AppendBytesMax int

	// blocks is what several openings share; nil: each has its own.
	blocks *pebblefs.Blocks
	// mergeFromGap is another one for tests, whose logs are short.
	mergeFromGap uint64
}

var (
	// ErrInUse: the directory is open already, in this process or another. It is named in the message.
	ErrInUse = errors.New("event log is in use")
	// ErrFormat: the directory was written by a newer program. Use that one.
	ErrFormat = errors.New("event log has a newer format")
	// ErrOldFormat: the directory was written by an unreleased build before the first version. Its log cannot be opened
	// by this one. Nothing in it was changed.
	ErrOldFormat = errors.New("event log was written by an unreleased build before the first version and cannot be opened by this one")
	// ErrForeign: the directory holds files and no event log. Nothing in it was touched.
	ErrForeign = errors.New("directory is not empty and holds no event log")
)

func (o Options) withDefaults() Options {
	if o.FS == nil || o.FS == vfs.Default {
		o.FS = pebblefs.Disk
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.HeadsBytes == 0 {
		o.HeadsBytes = HeadsBytesDefault
	}
	if o.AppendBytesMax == 0 {
		o.AppendBytesMax = eventstore.AppendBytesMax
	}
	if o.mergeFromGap == 0 {
		o.mergeFromGap = mergeFromGap
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 16 << 20
	}
	return o
}
