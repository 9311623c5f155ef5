package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/internal/pebblefs"
	"daybook/projections"
)

// Options of Open. Only Dir is needed.
type Options struct {
	// Dir is the directory. It is made if it does not exist; otherwise it must be empty or hold read models.
	Dir string
	// FS is the file system, nil for the disk. vfs.NewMem() makes read models that are gone with the process.
	FS vfs.FS
	// Logger hears of trouble, and at debug level of Pebble's housekeeping. nil for slog.Default.
	Logger *slog.Logger
	// CacheBytes bounds the memory for uncompressed blocks. 0 means 64 MiB.
	CacheBytes int64
	// MemTableBytes bounds a memory table; two to four exist under load. 0 means 8 MiB.
	MemTableBytes uint64
}

var (
	// ErrInUse: the directory is open already, in this process or another.
	ErrInUse = errors.New("read models are in use")
	// ErrFormat: the directory was written by a newer program. Use that one, or remove the directory: read models are
	// made again from the log.
	ErrFormat = errors.New("read models have a newer format")
	// ErrForeign: the directory holds files and no read models. Nothing in it was touched.
	ErrForeign = errors.New("directory is not empty and holds no read models")
)

const (
	markFile     = "daybook-read-models"
	pebbleFolder = "pebble"
	// mark is the content of the mark file: the number of the format. Append-only:
	//
	//	1  as in the package comment
	mark = "1\n"
)

// Open opens the read models in a directory, making it if need be. Errors: ErrInUse, ErrFormat, ErrForeign, or what the
// file system or Pebble said.
func Open(options Options) (*Sink, error) {
	if options.FS == nil || options.FS == vfs.Default {
		options.FS = pebblefs.Disk
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	if options.CacheBytes == 0 {
		options.CacheBytes = 64 << 20
	}
	if options.MemTableBytes == 0 {
		options.MemTableBytes = 8 << 20
	}
	folder, err := prepareDir(options.FS, options.Dir)
	if err != nil {
		return nil, err
	}
	s := &Sink{
		dir:     options.Dir,
		log:     options.Logger,
		locks:   map[projections.Target]chan struct{}{},
		closing: make(chan struct{}),
		broken:  make(chan struct{}),
	}
	if s.lock, err = lockDir(options.FS, folder); err != nil {
		return nil, err
	}
	if s.db, err = pebble.Open(folder, s.pebbleOptions(options)); err != nil {
		return nil, errors.Join(s.trouble(err), s.lock.Close())
	}
	return s, nil
}

// prepareDir returns the folder of Pebble's files. It refuses other people's directories before it touches them.
func prepareDir(fsys vfs.FS, dir string) (folder string, err error) {
	if dir == "" {
		return "", errors.New("read models: no directory given")
	}
	if err := fsys.MkdirAll(dir, pebblefs.DirMode); err != nil {
		return "", fmt.Errorf("read models: %w", err)
	}
	if fsys == pebblefs.Disk {
		// Locks are known by name within a process, and closing any descriptor of a locked file unlocks it: one
		// directory must not be opened under two names.
		if dir, err = filepath.Abs(dir); err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err != nil {
			return "", fmt.Errorf("read models: %w", err)
		}
	}
	if err := checkMark(fsys, dir); err != nil {
		return "", err
	}
	folder = fsys.PathJoin(dir, pebbleFolder)
	if err := errors.Join(fsys.MkdirAll(folder, pebblefs.DirMode), pebblefs.SyncDir(fsys, dir), pebblefs.SyncDir(fsys, fsys.PathDir(dir))); err != nil {
		return "", fmt.Errorf("read models: %w", err)
	}
	return folder, nil
}

// checkMark makes sure that the directory is ours, and marks an empty one.
func checkMark(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return fmt.Errorf("read models: %w", err)
	}
	path := fsys.PathJoin(dir, markFile)
	text := ""
	if slices.Contains(names, markFile) {
		read, err := pebblefs.ReadFile(fsys, path)
		if err != nil {
			return fmt.Errorf("read models: %w", err)
		}
		text = string(read)
		names = slices.DeleteFunc(names, func(name string) bool { return name == markFile })
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "lost+found" })
	switch {
	case text == mark:
		return nil
	case text == "" && len(names) == 0: // new, or its making was interrupted before anything else was there
		if err := pebblefs.WriteFile(fsys, path, mark); err != nil {
			return fmt.Errorf("read models: %w", err)
		}
		return nil
	case text == "":
		return fmt.Errorf("%w: %s has %s", ErrForeign, dir, names[0])
	}
	return fmt.Errorf("%w: %s has format %.20q, this program knows %q", ErrFormat, dir, strings.TrimSpace(text), strings.TrimSpace(mark))
}

func lockDir(fsys vfs.FS, folder string) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(folder, fsys)
	var file *fs.PathError
	switch {
	case errors.As(err, &file): // the lock file could not even be made
		return nil, fmt.Errorf("read models: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: %s is opened by this or another process: %w", ErrInUse, fsys.PathDir(folder), err)
	}
	return lock, nil
}

func (s *Sink) pebbleOptions(options Options) *pebble.Options {
	o := &pebble.Options{
		FS:                 pebblefs.Ordered(options.FS),
		Lock:               s.lock,
		FormatMajorVersion: pebble.FormatNewest,
		CacheSize:          options.CacheBytes,
		MemTableSize:       options.MemTableBytes,
		LoggerAndTracer:    pebbleLogger{s},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				s.log.Error("read models: background work failed, it is tried again", "error", err.Error())
			},
			DataCorruption: func(info pebble.DataCorruptionInfo) { // by default, the process would end
				s.log.Error("read models are damaged", "place", info.Path, "error", info.Details.Error())
			},
			DiskSlow: func(info pebble.DiskSlowInfo) {
				s.log.Warn("read models: the disk is slow", "path", info.Path, "duration", info.Duration)
			},
		},
	}
	o.Experimental.ReadSamplingMultiplier = -1 // reads must not need Pebble's lock: see pebbleLogger.Fatalf
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// pebbleLogger brings Pebble's log lines into the sink's.
type pebbleLogger struct{ s *Sink }

func (l pebbleLogger) Infof(format string, args ...any) {
	if l.s.log.Enabled(context.Background(), slog.LevelDebug) {
		l.s.log.Debug("pebble: " + fmt.Sprintf(format, args...))
	}
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.s.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf is called where Pebble cannot go on, for example after a failed write of its log, and must not return. Ending
// the process here would also end what still works. So the sink is unavailable from now on, and the goroutine that
// called stays where it is, with the locks it holds, until the process ends.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.s.breakWith(fmt.Errorf("pebble: "+format, args...))
	select {}
}

func (l pebbleLogger) Eventf(context.Context, string, ...any) {}
func (l pebbleLogger) IsTracingEnabled(context.Context) bool  { return false }
