package pebblefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Guard is a file system for one opening of one Pebble database. It keeps from Pebble the errors that it does not
// survive: after a failed write of its write-ahead log or its manifest Pebble ends the process or, opening on a full
// disk, tries without end. Here the goroutine that met such an error stays where it is, for ever, with the locks that
// it holds; the error goes to the one who made the Guard, once. What was opened can still be read then, and nothing
// else. Cut makes sure that it never touches a file again, so that the database can be opened anew, from what the disk
// holds.
//
// A table that cannot be written is no such error: Pebble tries again, with pauses that the Guard adds, and goes on
// once there is room. Until Settled, and again after Finishing, it is.
type Guard struct {
	vfs.FS
	failed func(error)
	once   sync.Once

	cut   atomic.Bool
	mu    sync.RWMutex // held for reading by every call to the file system
	opens sync.Mutex
	files map[*guarded]struct{} // that are open
	locks []*lock               // that were taken

	tables pace
}

// NewGuard guards a file system. failed is called at most once, by the goroutine that met the error.
func NewGuard(base vfs.FS, failed func(error)) *Guard {
	return &Guard{FS: ordered{base}, failed: failed, files: map[*guarded]struct{}{}, tables: pace{strict: make(chan struct{})}}
}

// Settled is to be called when Pebble is open.
func (g *Guard) Settled() { g.tables.settle() }

// Finishing is to be called before Pebble is closed: it waits for no disk then.
func (g *Guard) Finishing() { g.tables.finish() }

// ErrCut: a database that was given up tried to read. What it wanted to know is to be asked of the next opening.
var ErrCut = errors.New("this opening of the database was given up")

// Cut ends all access to files: calls under way are waited for, later ones stay where they are or fail, and what is open
// is closed. It waits as long as the storage makes a call wait. It may be called again.
func (g *Guard) Cut() {
	g.cut.Store(true) // nobody waits with us for a call that hangs
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opens.Lock()
	defer g.opens.Unlock()
	for f := range g.files {
		_ = f.File.Close() // whatever it says, nobody uses the file any more
		delete(g.files, f)
	}
	for _, l := range g.locks {
		_ = l.Close()
	}
}

// change runs what changes a file or a directory.
func (g *Guard) change(name string, do func() error) error {
	err := g.whole(do)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrCut):
		select {}
	case g.tables.failed(name):
		return err
	}
	g.once.Do(func() { g.failed(told(name, err)) })
	select {}
}

// whole runs a call that Cut waits for.
func (g *Guard) whole(do func() error) error {
	if g.cut.Load() {
		return ErrCut
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.cut.Load() {
		return ErrCut
	}
	return do()
}

// told makes an error say which file it is about.
func told(name string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return err
	}
	return fmt.Errorf("writing %s: %w", name, err)
}

// open runs what opens a file, and keeps the file.
func (g *Guard) open(name string, f *guarded, do func() (vfs.File, error)) (err error) {
	if f.File, err = do(); err != nil {
		return err
	}
	f.guard, f.name = g, name
	g.opens.Lock()
	defer g.opens.Unlock()
	g.files[f] = struct{}{}
	return nil
}

func (g *Guard) toWrite(name string, do func() (vfs.File, error)) (vfs.File, error) {
	g.tables.wait(name)
	f := &guarded{}
	if err := g.change(name, func() error { return g.open(name, f, do) }); err != nil {
		return nil, err
	}
	return f, nil
}

func (g *Guard) toRead(name string, do func() (vfs.File, error)) (vfs.File, error) {
	f := &guarded{}
	if err := g.whole(func() error { return g.open(name, f, do) }); err != nil {
		return nil, err
	}
	return f, nil
}

// Create is vfs.FS's.
func (g *Guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.toWrite(name, func() (vfs.File, error) { return g.FS.Create(name, category) })
}

// OpenReadWrite is vfs.FS's.
func (g *Guard) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	return g.toWrite(name, func() (vfs.File, error) { return g.FS.OpenReadWrite(name, category, options...) })
}

// ReuseForWrite is vfs.FS's.
func (g *Guard) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.toWrite(newname, func() (vfs.File, error) { return g.FS.ReuseForWrite(oldname, newname, category) })
}

// Open is vfs.FS's.
func (g *Guard) Open(name string, options ...vfs.OpenOption) (vfs.File, error) {
	return g.toRead(name, func() (vfs.File, error) { return g.FS.Open(name, options...) })
}

// OpenDir is vfs.FS's.
func (g *Guard) OpenDir(name string) (vfs.File, error) {
	return g.toRead(name, func() (vfs.File, error) { return g.FS.OpenDir(name) })
}

// Link is vfs.FS's.
func (g *Guard) Link(oldname, newname string) error {
	return g.change(newname, func() error { return g.FS.Link(oldname, newname) })
}

// Rename is vfs.FS's.
func (g *Guard) Rename(oldname, newname string) error {
	return g.change(newname, func() error { return g.FS.Rename(oldname, newname) })
}

// MkdirAll is vfs.FS's.
func (g *Guard) MkdirAll(dir string, mode fs.FileMode) error {
	return g.change(dir, func() error { return g.FS.MkdirAll(dir, mode) })
}

// Remove is vfs.FS's. It and RemoveAll may fail: Pebble goes on, and what is left over does no harm.
func (g *Guard) Remove(name string) error {
	return g.whole(func() error { return g.FS.Remove(name) })
}

// RemoveAll is vfs.FS's.
func (g *Guard) RemoveAll(name string) error {
	return g.whole(func() error { return g.FS.RemoveAll(name) })
}

// Lock takes a lock that Cut releases.
func (g *Guard) Lock(name string) (io.Closer, error) {
	closer, err := g.FS.Lock(name)
	if err != nil {
		return nil, err
	}
	l := &lock{close: sync.OnceValue(closer.Close)}
	g.opens.Lock()
	defer g.opens.Unlock()
	g.locks = append(g.locks, l)
	return l, nil
}

type lock struct{ close func() error }

func (l *lock) Close() error { return l.close() }

// Unwrap lets Pebble see the file system below.
func (g *Guard) Unwrap() vfs.FS { return g.FS }

// guarded is an open file.
type guarded struct {
	vfs.File
	guard *Guard
	name  string
}

func (f *guarded) Close() error {
	return f.guard.whole(func() error {
		f.guard.opens.Lock()
		delete(f.guard.files, f)
		f.guard.opens.Unlock()
		return f.File.Close()
	})
}

func (f *guarded) Read(p []byte) (n int, err error) {
	err = f.guard.whole(func() error { n, err = f.File.Read(p); return err })
	return n, err
}

func (f *guarded) ReadAt(p []byte, at int64) (n int, err error) {
	err = f.guard.whole(func() error { n, err = f.File.ReadAt(p, at); return err })
	return n, err
}

func (f *guarded) Stat() (info vfs.FileInfo, err error) {
	err = f.guard.whole(func() error { info, err = f.File.Stat(); return err })
	return info, err
}

func (f *guarded) Prefetch(offset, length int64) error {
	return f.guard.whole(func() error { return f.File.Prefetch(offset, length) })
}

func (f *guarded) Preallocate(offset, length int64) error {
	return f.guard.whole(func() error { return f.File.Preallocate(offset, length) })
}

func (f *guarded) Write(p []byte) (n int, err error) {
	err = f.guard.change(f.name, func() error { n, err = f.File.Write(p); return err })
	return n, err
}

func (f *guarded) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.guard.change(f.name, func() error { n, err = f.File.WriteAt(p, at); return err })
	return n, err
}

func (f *guarded) Sync() error {
	err := f.guard.change(f.name, f.File.Sync)
	if err == nil {
		f.guard.tables.written(f.name)
	}
	return err
}

func (f *guarded) SyncData() error { return f.guard.change(f.name, f.File.SyncData) }

func (f *guarded) SyncTo(length int64) (full bool, err error) {
	err = f.guard.change(f.name, func() error { full, err = f.File.SyncTo(length); return err })
	return full, err
}

// pace is how often tables are tried to be written after one could not be.
type pace struct {
	mu     sync.Mutex
	loose  bool          // a table that cannot be written is no failure
	pause  time.Duration // before the next is begun; 0: the last one could be written
	strict chan struct{} // closed by finish
	once   sync.Once
}

const (
	pauseMin = 100 * time.Millisecond
	pauseMax = 5 * time.Second
)

func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

func (p *pace) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loose = true
}

func (p *pace) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loose = false
	p.once.Do(func() { close(p.strict) })
}

// failed says whether Pebble may see the error.
func (p *pace) failed(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !isTable(name) || !p.loose {
		return false
	}
	p.pause = min(max(2*p.pause, pauseMin), pauseMax)
	return true
}

// written ends the pauses: a table is complete.
func (p *pace) written(name string) {
	if isTable(name) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.pause = 0
	}
}

// wait waits before a table is begun.
func (p *pace) wait(name string) {
	p.mu.Lock()
	pause := p.pause
	p.mu.Unlock()
	if pause == 0 || !isTable(name) {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.strict:
	}
}
