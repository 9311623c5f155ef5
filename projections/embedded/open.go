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
	"sync"
	"syscall"

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
	// FilesMax bounds the table files that are open at a time; a few more files are. 0 means 1,000.
	FilesMax int
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

// Open opens the read models in a directory, making it if need be. Damaged ones are set aside, with a line in the log, and
// it opens without any. Errors: ErrInUse, ErrFormat, ErrForeign, or what the file system said.
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
	dir, folder, err := prepareDir(options.FS, options.Dir)
	if err != nil {
		return nil, err
	}
	s := &Sink{
		dir:     dir,
		fs:      options.FS,
		folder:  folder,
		options: options,
		log:     options.Logger,
		locks:   map[projections.Target]chan struct{}{},
		blocks:  pebblefs.NewBlocks(options.CacheBytes),
		closing: make(chan struct{}),
		broken:  make(chan struct{}),
		flushed: make(chan struct{}, 1),
		dropped: map[string]bool{},
	}
	if s.lock, err = lockDir(options.FS, folder); err != nil {
		s.blocks.Close()
		return nil, err
	}
	s.unlock = sync.OnceValue(s.lock.Close)
	s.guard = pebblefs.NewGuard(options.FS, s.breakWith)
	if err := s.unlessBroken(s.openData); err != nil {
		if s.isBroken() {
			return nil, errors.Join(err, s.giveUp())
		}
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
		s.blocks.Close()
		return nil, errors.Join(fmt.Errorf("read models in %s: %w", s.dir, err), s.unlock())
	}
	s.background.Go(s.keepMark)
	s.opened.Store(true)
	return s, nil
}

// openData opens what is there and makes sure that nothing is missing.
func (s *Sink) openData() error {
	m, err := s.loadMark(s.folder)
	switch {
	case err == nil && m.Creating:
		return s.create()
	case err == nil:
		err = s.reopen(m)
	}
	if err == nil || !isDamage(err) {
		return err
	}
	return s.startOver(err)
}

// startOver makes empty read models where there are damaged ones, and says so.
func (s *Sink) startOver(cause error) error {
	if s.db != nil {
		cause = errors.Join(cause, s.db.Close())
		s.db = nil
	}
	s.log.Error("read models are damaged: they are set aside, and made again from the log",
		"dir", s.dir, "aside", s.fs.PathJoin(s.dir, asideFolder), "cause", strings.ReplaceAll(cause.Error(), "\n", " "))
	return s.create()
}

// create sets aside what is there and makes empty read models. If it does not get to its end, it is begun again.
func (s *Sink) create() error {
	if err := s.saveMark(mark{Format: format, Creating: true}); err != nil {
		return err
	}
	if err := setAside(s.fs, s.folder, s.fs.PathJoin(s.dir, asideFolder)); err != nil {
		return err
	}
	o := s.pebbleOptions(s.options)
	o.ErrorIfExists = true
	if err := s.openPebble(s.folder, o); err != nil {
		return err
	}
	return s.saveMark(mark{Format: format})
}

func (s *Sink) reopen(m mark) error {
	o := s.pebbleOptions(s.options)
	o.ErrorIfNotExists = true
	if err := s.openPebble(s.folder, o); err != nil {
		return err
	}
	found, err := s.durable()
	if err != nil {
		return err
	}
	if err := m.missing(found); err != nil {
		return err
	}
	s.forgot = !m.Closed
	return s.saveMark(mark{Format: format, Reached: found})
}

// openPebble opens Pebble, which panics at some kinds of damage.
func (s *Sink) openPebble(folder string, o *pebble.Options) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: pebble: %v", errDamaged, fault)
		}
	}()
	s.db, err = pebble.Open(folder, o)
	return err
}

// isDamage says whether an error of opening is about what the files hold, and not about the machine.
func isDamage(err error) bool {
	var refused syscall.Errno
	machine := errors.As(err, &refused) && refused != syscall.ENOENT // files do not vanish by themselves
	return !machine && !errors.Is(err, ErrFormat)
}

// setAside moves the files of a folder into another, from which it first removes what an earlier call left there. The
// lock stays.
func setAside(fsys vfs.FS, folder, aside string) error {
	names, err := fsys.List(folder)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == lockFile })
	if len(names) == 0 {
		return nil
	}
	if err := fsys.RemoveAll(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fsys.MkdirAll(aside, pebblefs.DirMode); err != nil {
		return err
	}
	for _, name := range names {
		if err := fsys.Rename(fsys.PathJoin(folder, name), fsys.PathJoin(aside, name)); err != nil {
			return err
		}
	}
	return errors.Join(pebblefs.SyncDir(fsys, aside), pebblefs.SyncDir(fsys, folder), pebblefs.SyncDir(fsys, fsys.PathDir(folder)))
}

// prepareDir returns the directory's one name and the folder of Pebble's files. It refuses other people's directories
// before it touches them.
func prepareDir(fsys vfs.FS, dir string) (name, folder string, err error) {
	if dir == "" {
		return "", "", errors.New("read models: no directory given")
	}
	if err := fsys.MkdirAll(dir, pebblefs.DirMode); err != nil {
		return "", "", fmt.Errorf("read models: %w", err)
	}
	if fsys == pebblefs.Disk {
		// Locks are known by name within a process, and closing any descriptor of a locked file unlocks it: one
		// directory must not be opened under two names.
		if dir, err = filepath.Abs(dir); err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err != nil {
			return "", "", fmt.Errorf("read models: %w", err)
		}
	}
	if err := checkOurs(fsys, dir); err != nil {
		return "", "", err
	}
	folder = fsys.PathJoin(dir, pebbleFolder)
	if err := errors.Join(fsys.MkdirAll(folder, pebblefs.DirMode), pebblefs.SyncDir(fsys, dir), pebblefs.SyncDir(fsys, fsys.PathDir(dir))); err != nil {
		return "", "", fmt.Errorf("read models: %w", err)
	}
	return dir, folder, nil
}

// checkOurs makes sure that the directory is ours: that it has our mark, whatever that says, or nothing that we do not
// know.
func checkOurs(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return fmt.Errorf("read models: %w", err)
	}
	if slices.Contains(names, markFile) {
		text, err := pebblefs.ReadFile(fsys, fsys.PathJoin(dir, markFile))
		if err != nil {
			return fmt.Errorf("read models: %w", err)
		}
		if _, err := parseMark(text); errors.Is(err, ErrFormat) {
			return fmt.Errorf("%w: %s", err, dir)
		}
		if len(text) > 0 {
			return nil
		}
	}
	ours := []string{markFile, markFile + pebblefs.MarkTemp, pebbleFolder, asideFolder, "lost+found"}
	for _, name := range names {
		if !slices.Contains(ours, name) {
			return fmt.Errorf("%w: %s has %s", ErrForeign, dir, name)
		}
	}
	return nil
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
		FS:                 s.guard,
		Lock:               s.lock,
		DisableWAL:         true, // see the package comment
		FormatMajorVersion: pebble.FormatNewest,
		MemTableSize:       options.MemTableBytes,
		MaxOpenFiles:       options.FilesMax,
		LoggerAndTracer:    pebbleLogger{s},
		EventListener: &pebble.EventListener{
			FlushEnd: func(pebble.FlushInfo) { s.noteFlush() },
			BackgroundError: func(err error) {
				s.noticed(err)
				if showsDamage(err) {
					return
				}
				s.breakWith(err) // Pebble would try again without a pause
				select {}
			},
			DataCorruption: func(info pebble.DataCorruptionInfo) { // by default, the process would end
				s.noticed(fmt.Errorf("%s: %w", info.Path, info.Details))
			},
			DiskSlow: func(info pebble.DiskSlowInfo) {
				s.log.Warn("read models: the disk is slow", "path", info.Path, "duration", info.Duration)
			},
		},
	}
	s.blocks.Use(o)
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

// Fatalf is called where Pebble cannot go on, and must not return. Ending the process here would also end what still
// works. So the sink is unavailable from now on, and the goroutine that called stays where it is, with the locks it
// holds, until the process ends; see pebblefs.Guard.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.s.breakWith(fmt.Errorf("pebble: "+format, args...))
	select {}
}

func (l pebbleLogger) Eventf(context.Context, string, ...any) {}
func (l pebbleLogger) IsTracingEnabled(context.Context) bool  { return false }
