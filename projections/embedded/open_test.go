package embedded

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"daybook/eventstore"
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
	newer := "{\"Format\":3}\n36760215\n"
	file := filepath.Join(files(map[string]string{"file": ""}), "file")
	for name, c := range map[string]struct {
		dir string
		err error
	}{
		"files":                      {files(map[string]string{"letter.txt": "dear"}), ErrForeign},
		"somebody's pebble":          {somebodys, ErrForeign},
		"an empty mark beside files": {files(map[string]string{markFile: "", "letter.txt": "dear"}), ErrForeign},
		"a newer format":             {files(map[string]string{markFile: newer}), ErrFormat},
		"files beside our folder":    {files(map[string]string{pebbleFolder: "", "letter.txt": "dear"}), ErrForeign},
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

// TestFirstFormat opens what a program before the mark's second format left when it was killed: its last batches are in
// Pebble's write-ahead log alone.
func TestFirstFormat(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, markFile), []byte("1\n"))
	db, err := pebble.Open(filepath.Join(dir, pebbleFolder), &pebble.Options{FormatMajorVersion: pebble.FormatNewest})
	if err != nil {
		t.Fatal(err)
	}
	at := projections.Checkpoint{Log: "log", Version: 1, Position: eventstore.Position{Commit: 7, Prepare: 7}}
	stored, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set(checkpointKey(load.Target), stored, pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		sink := open(t, Options{Dir: dir})
		if found, err := sink.Checkpoint(t.Context(), load.Target); err != nil || found != at {
			t.Fatalf("stands at %+v, %v", found, err)
		}
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
