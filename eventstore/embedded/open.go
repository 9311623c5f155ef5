package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"daybook/internal/pebblefs"
)

// queueLength bounds the appends that wait for the committer; more wait in Append, until their context ends.
const queueLength = 1024

// Open opens the log in a directory, making it if need be, and recovers it after a crash. Errors: ErrInUse, ErrFormat,
// ErrOldFormat, ErrForeign, a *eventstore.Corruption, or what the file system said.
func Open(options Options) (*Store, error) {
	options = options.withDefaults()
	dir, isNew, err := prepareDir(options.FS, options.Dir)
	if err != nil {
		return nil, err
	}
	options.Dir = dir
	lock, err := lockDir(options.FS, dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		options: options,
		lock:    lock,
		queue:   make(chan *request, queueLength),
		done:    make(chan struct{}),
		stopped: make(chan struct{}),
		heads:   newHeads(options.HeadsBytes),
	}
	s.failure.happened, s.failure.abandoned = make(chan struct{}), make(chan struct{})
	s.guard = pebblefs.NewGuard(options.FS, s.abandon)
	if err := s.unlessAbandoned(func() error { return s.open(isNew) }); err != nil {
		s.guard.Finishing()
		if !s.abandoned() {
			err = errors.Join(err, s.unlessAbandoned(s.closePebble))
		}
		return nil, errors.Join(err, s.unlock())
	}
	s.guard.Settled()
	s.startFlushes()
	go s.commitLoop()
	return s, nil
}

// closePebble closes what a failed Open has opened.
func (s *Store) closePebble() error {
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}

// prepareDir returns the directory's one name, and whether it holds no log yet. It refuses directories that are
// not its own, or not in a format that it can open, before it has made a file in them.
func prepareDir(fsys vfs.FS, dir string) (name string, isNew bool, err error) {
	if dir == "" {
		return "", false, errors.New("event log: no directory given")
	}
	if err := fsys.MkdirAll(dir, pebblefs.DirMode); err != nil {
		return "", false, fmt.Errorf("event log: %w", err)
	}
	if fsys == pebblefs.Disk {
		// Locks are known by name within a process, and closing any descriptor of a locked file unlocks it: one
		// directory must not be opened under two names.
		if dir, err = filepath.Abs(dir); err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err != nil {
			return "", false, fmt.Errorf("event log: %w", err)
		}
	}
	if parent := fsys.PathDir(dir); parent != dir {
		if err := pebblefs.SyncDir(fsys, parent); err != nil {
			return "", false, fmt.Errorf("event log: %w", err)
		}
	}
	names, err := fsys.List(dir)
	if err != nil {
		return "", false, fmt.Errorf("event log: %w", err)
	}
	if slices.Contains(names, markFile) {
		if _, err := loadMark(fsys, dir); errors.Is(err, ErrOldFormat) {
			return "", false, err
		}
		return dir, false, nil // what else the mark may say is judged under the lock
	}
	for _, name := range names {
		if name != lockFile && name != markFileTemp && name != "lost+found" {
			return "", false, fmt.Errorf("%w: %s has %s", ErrForeign, dir, name)
		}
	}
	return dir, true, nil
}

func lockDir(fsys vfs.FS, dir string) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fsys)
	var file *fs.PathError
	switch {
	case errors.As(err, &file): // the lock file could not even be made
		return nil, fmt.Errorf("event log: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: %s is opened by this or another process: %w", ErrInUse, dir, err)
	}
	return lock, nil
}

// open does what needs the directory's lock.
func (s *Store) open(isNew bool) error {
	fsys, dir := s.options.FS, s.options.Dir
	m := mark{Format: format, Identity: uuid.NewString(), State: creating}
	var err error
	if !isNew {
		m, err = loadMark(fsys, dir)
	} else if err = m.save(fsys, dir); err != nil {
		err = fmt.Errorf("event log: %w", err)
	}
	if err != nil {
		return err
	}
	if m.State == creating {
		err = s.create(m)
	} else if err = s.reopen(m); err == nil {
		err = s.upgrade(&m)
	}
	if err != nil {
		return trouble(dir, err)
	}
	s.identity = m.Identity
	m.State = open
	m.Head, m.Checked = s.head.Load(), s.head.Load()
	s.flushes.mark = m
	return trouble(dir, m.save(fsys, dir))
}

// create makes an empty log. A creation that did not get to its end is begun again.
func (s *Store) create(m mark) error {
	folder := s.options.FS.PathJoin(s.options.Dir, pebbleFolder)
	if err := s.options.FS.RemoveAll(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.options.FS.MkdirAll(folder, pebblefs.DirMode); err != nil {
		return err
	}
	if err := pebblefs.SyncDir(s.options.FS, s.options.Dir); err != nil {
		return err
	}
	o := s.pebbleOptions()
	o.ErrorIfExists = true
	if err := s.openPebble(folder, o); err != nil {
		return err
	}
	batch := s.db.NewBatch()
	if err := batch.Set(identityKey, []byte(m.Identity), nil); err != nil {
		return err
	}
	return s.commit(batch)
}

// reopen opens a log that exists and makes sure that nothing is missing.
func (s *Store) reopen(m mark) error {
	folder := s.options.FS.PathJoin(s.options.Dir, pebbleFolder)
	if err := checkTails(s.options.FS, folder, m.State == closed); err != nil {
		return err
	}
	o := s.pebbleOptions()
	o.ErrorIfNotExists = true
	if err := s.openPebble(folder, o); err != nil {
		return err
	}
	identity, err := s.get(identityKey)
	if err != nil {
		return err
	}
	if string(identity) != m.Identity {
		return damage(s.options.Dir, "%s says identity %s, the log says %q", markFile, m.Identity, identity)
	}
	head, err := s.lastPosition()
	if err != nil {
		return err
	}
	s.head.Store(head)
	return s.checkRecovered(m)
}

func (s *Store) openPebble(folder string, o *pebble.Options) (err error) {
	s.db, err = pebble.Open(folder, o)
	return err
}

// checkRecovered compares what was found with what the mark says must be there, and, after a crash, checks the part
// of the log that damage to Pebble's newest files could have taken.
func (s *Store) checkRecovered(m mark) error {
	head := s.head.Load()
	switch {
	case head < m.Head || m.State == closed && head != m.Head:
		return damage(s.options.Dir, "the log ends at position %d, and was seen at %d", head, m.Head)
	case m.State == closed:
		return nil
	}
	return s.checkRange(context.Background(), max(m.Checked, 1), head)
}
