package embedded

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"

	"daybook/internal/pebblefs"
)

// checkTails looks at the files that Pebble only appends to and reads up to the first thing that is not right: its
// write-ahead logs and its manifest. Pebble takes that place for the end of an unfinished write. Here it is one only
// if nothing shows otherwise; see the package comment. The write-ahead logs of a log that was closed hold nothing that is
// still needed.
func checkTails(fs vfs.FS, folder string, closed bool) error {
	names, err := fs.List(folder)
	if err != nil {
		return err
	}
	if closed {
		names = nil
	}
	for _, name := range names {
		number, _, ok := wal.ParseLogFilename(name)
		if !ok {
			continue
		}
		if err := checkTail(fs, fs.PathJoin(folder, name), walChunks(uint32(number))); err != nil {
			return err
		}
	}
	db, err := pebble.Peek(folder, fs)
	switch {
	case err != nil:
		return err
	case !db.Exists:
		return damage(folder, "no log here any more")
	}
	return checkTail(fs, db.ManifestFilename, manifestChunks)
}

func checkTail(fs vfs.FS, path string, format chunkFormat) error {
	data, err := pebblefs.ReadFile(fs, path)
	if err != nil {
		return err
	}
	end := format.end(data)
	if end >= len(data) || format.trailer(data[end:]) {
		return nil
	}
	if next, ok := format.anotherBegins(data, end+1); ok {
		return damage(fmt.Sprintf("%s byte %d", path, end), "unreadable, and what was written later, at byte %d, is not", next)
	}
	if format.flipped(data[end:blockEnd(end, len(data))]) {
		return damage(fmt.Sprintf("%s byte %d", path, end), "a bit is wrong")
	}
	return nil
}
