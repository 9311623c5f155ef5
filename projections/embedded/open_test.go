package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"daybook/projections"
)

func TestDirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	sink := open(t, Options{Dir: dir})
	for _, name := range []string{dir, link, dir + "/."} {
		if _, err := Open(Options{Dir: name}); !errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, Options{Dir: link}).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestForeignDirectories(t *testing.T) {
	files := func(names map[string]string) string {
		dir := t.TempDir()
		for name, text := range names {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	somebodys := t.TempDir()
	db, err := pebble.Open(somebodys, &pebble.Options{FormatMajorVersion: pebble.FormatMinSupported})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(files(map[string]string{"file": ""}), "file")
	for name, c := range map[string]struct {
		dir string
		err error
	}{
		"files":                      {files(map[string]string{"letter.txt": "dear"}), ErrForeign},
		"somebody's pebble":          {somebodys, ErrForeign},
		"an empty mark beside files": {files(map[string]string{markFile: "", "letter.txt": "dear"}), ErrForeign},
		"a newer format":             {files(map[string]string{markFile: "2\n"}), ErrFormat},
		"another mark":               {files(map[string]string{markFile: "hello"}), ErrFormat},
		"a file":                     {file, nil},
		"no name":                    {"", nil},
	} {
		before := list(t, c.dir)
		_, err := Open(Options{Dir: c.dir})
		if err == nil || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: error is %v, want %v", name, err, c.err)
		}
		if after := list(t, c.dir); after != before {
			t.Errorf("%s: was touched: %s, before: %s", name, after, before)
		}
	}
	interrupted := open(t, Options{Dir: files(map[string]string{markFile: ""})})
	if err := interrupted.Close(); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	names := ""
	for _, entry := range entries {
		names += entry.Name() + " "
	}
	return names
}

// TestDamage flips one bit in the middle of every table. Nothing wrong may be read.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	sink := open(t, Options{Dir: dir})
	if err := load.Run(t.Context(), sink, 500, func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, pebbleFolder, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	for _, table := range tables {
		text, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)/5] ^= 1
		if err := os.WriteFile(table, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sink, err = Open(Options{Dir: dir})
	if err == nil {
		defer sink.Close()
		_, err = sink.Scan(t.Context(), load.Target, func(string, projections.Entry) error { return nil })
	}
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "damaged") {
		t.Fatalf("error is %v", err)
	}
}
