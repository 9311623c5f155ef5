package embedded

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/eventstore"
	"daybook/internal/pebblefs"
)

const (
	markFile     = "daybook-log"
	markFileTemp = markFile + pebblefs.MarkTemp
	lockFile     = "LOCK"
	pebbleFolder = "pebble"
)

// format counts changes of what is stored that an older program would misread. Append-only:
//
//	1  records by partition; in no version
//	2  records by partition and type
//	3  appends by the id of their first event, as in the package comment
const format = 3

// mark is the content of the mark file: one line of JSON, one line with its CRC32C. Later formats keep that shape.
type mark struct {
	Format   int
	Identity string
	State    state
	// Head is the last position of a log that was closed, and one that is known to be durable of a log that was not.
	Head uint64
	// Checked is a position up to which nothing can be lost by damage to the newest part of Pebble's files: it was
	// flushed before the flush before the last. Open checks what comes after it, if the log was not closed.
	Checked uint64
}

type state string

const (
	creating state = "creating" // nothing can have been appended
	open     state = "open"     // in use, or was when it crashed
	closed   state = "closed"
)

func (m mark) save(fs vfs.FS, dir string) error {
	return pebblefs.SaveMark(fs, dir, markFile, m)
}

func loadMark(fs vfs.FS, dir string) (m mark, err error) {
	path := fs.PathJoin(dir, markFile)
	text, err := pebblefs.ReadFile(fs, path)
	if err != nil {
		return m, err
	}
	damaged := func(err error) (mark, error) { return mark{}, &eventstore.Corruption{Place: path, Err: err} }
	if err := pebblefs.ParseMark(text, &m); err != nil {
		return damaged(err)
	}
	switch {
	case m.Format > format:
		return m, fmt.Errorf("%w: %s has format %d, this program knows up to %d", ErrFormat, dir, m.Format, format)
	case m.Format == 1:
		return m, fmt.Errorf("%w: %s", ErrOldFormat, dir)
	case m.Format < 1 || m.Identity == "" || m.State != creating && m.State != open && m.State != closed:
		return damaged(errors.New("not a mark of this program"))
	}
	return m, nil
}
