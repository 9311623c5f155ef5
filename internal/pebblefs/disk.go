package pebblefs

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Disk is the file system of the machine. What is made through it is for the user of this process alone: directories
// have mode 0700 and files 0600, whatever the umask says.
var Disk vfs.FS = disk{vfs.Default}

// Modes of what is made on Disk.
const (
	DirMode  fs.FileMode = 0o700
	FileMode fs.FileMode = 0o600
)

type disk struct{ vfs.FS }

func (d disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	return private(name, f, err)
}

func (d disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, category, options...)
	return private(name, f, err)
}

func (d disk) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(oldname, newname, category)
	return private(newname, f, err)
}

func (d disk) Lock(name string) (io.Closer, error) {
	f, err := d.FS.Lock(name)
	return private(name, f, err)
}

func (d disk) MkdirAll(dir string, _ fs.FileMode) error { return d.FS.MkdirAll(dir, DirMode) }

func (d disk) Unwrap() vfs.FS { return d.FS }

// private narrows the mode of a file that was just opened for writing.
func private[F io.Closer](name string, f F, err error) (F, error) {
	if err != nil {
		return f, err
	}
	if err := os.Chmod(name, FileMode); err != nil {
		_ = f.Close()
		var none F
		return none, err
	}
	return f, nil
}

// Narrow takes from a directory, and everything in it, the permissions that others than its owner have, and returns
// how many files and directories had any. It goes on after an error and returns the first. Links are left alone.
func Narrow(dir string) (narrowed int, first error) {
	note := func(err error) {
		if err != nil && first == nil && !os.IsNotExist(err) { // a running server removes files
			first = err
		}
	}
	note(filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			note(err)
			return nil
		}
		info, err := entry.Info()
		if err != nil || !entry.IsDir() && !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
			note(err)
			return nil
		}
		if err := os.Chmod(path, info.Mode().Perm()&0o700); err != nil {
			note(err)
			return nil
		}
		narrowed++
		return nil
	}))
	return narrowed, first
}
