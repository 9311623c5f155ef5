// Package pebblefs is what the embedded log and the embedded sink need of the file system under Pebble: private files,
// an order of writes that survives power cuts, and errors that end one opening of a store and not the process.
//
// Not here: the files of Pebble itself, and what the stores write beside them.
package pebblefs

import (
	"errors"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ordered makes the name of a new manifest durable before anything can point to it. Pebble syncs the directory once for
// the manifest and the marker that names it; a file system may keep the marker alone through a power cut. (ext4 and XFS
// do not, as syncing a new file also makes its name durable there; POSIX does not say so.)
type ordered struct{ vfs.FS }

func (o ordered) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := o.FS.Create(name, category)
	if err != nil || !strings.HasPrefix(o.PathBase(name), "MANIFEST-") {
		return f, err
	}
	if err := SyncDir(o.FS, o.PathDir(name)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Unwrap lets Pebble see the file system below.
func (o ordered) Unwrap() vfs.FS { return o.FS }

// ReadFile reads a whole file.
func ReadFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// WriteFile writes a file and brings it to the disk; its name is durable after SyncDir.
func WriteFile(fs vfs.FS, path, text string) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// SyncDir brings a directory's entries to the disk.
func SyncDir(fs vfs.FS, path string) error {
	dir, err := fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
