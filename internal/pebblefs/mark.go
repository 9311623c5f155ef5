package pebblefs

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// MarkTemp is what SaveMark adds to a mark's name for the file that becomes it.
const MarkTemp = ".new"

// ErrMark: a mark file is not as SaveMark wrote it.
var ErrMark = errors.New("checksum does not match")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// SaveMark replaces a store's mark file, the small one beside Pebble's: one line of JSON, one with its CRC32C. It is
// there whole, before or after, whatever crashes.
func SaveMark(fs vfs.FS, dir, name string, mark any) error {
	line, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	temp := fs.PathJoin(dir, name+MarkTemp)
	if err := WriteFile(fs, temp, fmt.Sprintf("%s\n%08x\n", line, crc32.Checksum(line, castagnoli))); err != nil {
		return err
	}
	if err := fs.Rename(temp, fs.PathJoin(dir, name)); err != nil {
		return err
	}
	return SyncDir(fs, dir)
}

// ParseMark reads the text of a mark file. Error: ErrMark.
func ParseMark(text []byte, mark any) error {
	line, sum, _ := strings.Cut(string(text), "\n")
	if sum != fmt.Sprintf("%08x\n", crc32.Checksum([]byte(line), castagnoli)) {
		return ErrMark
	}
	if err := json.Unmarshal([]byte(line), mark); err != nil {
		return fmt.Errorf("%w: %w", ErrMark, err)
	}
	return nil
}
