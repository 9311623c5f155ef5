package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

func TestOpenTwice(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	s := open(t, embedded.Options{Dir: dir, Logger: quiet})
	for _, name := range []string{dir, dir + "/", link} {
		_, err := embedded.Open(embedded.Options{Dir: name, Logger: quiet})
		if !errors.Is(err, embedded.ErrInUse) || !strings.Contains(err.Error(), dir) {
			t.Errorf("second open as %s: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, embedded.Options{Dir: link, Logger: quiet})
}

func TestOpenTwiceInMemory(t *testing.T) {
	fs := vfs.NewMem()
	open(t, memory(fs))
	if _, err := embedded.Open(memory(fs)); !errors.Is(err, embedded.ErrInUse) {
		t.Errorf("second open: %v", err)
	}
}

func TestOpenMakesDirectories(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	open(t, embedded.Options{Dir: dir, Logger: quiet})
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesOtherPeoplesDirectories(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "letter.txt"), "dear")
	if _, err := embedded.Open(embedded.Options{Dir: dir}); !errors.Is(err, embedded.ErrForeign) {
		t.Errorf("got %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory was touched: %v, %v", entries, err)
	}
	if _, err := embedded.Open(embedded.Options{Dir: filepath.Join(dir, "letter.txt")}); err == nil {
		t.Error("opened a file")
	}
	if _, err := embedded.Open(embedded.Options{}); err == nil {
		t.Error("opened no directory")
	}
}

func TestOpenTakesAFreshVolume(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, embedded.Options{Dir: dir, Logger: quiet})
}

func TestOpenRefusesANewerFormat(t *testing.T) {
	dir := closedLog(t)
	writeMark(t, dir, `{"Format":4,"Identity":"x","State":"closed","Head":0,"Checked":0,"New":true}`)
	if _, err := embedded.Open(embedded.Options{Dir: dir, Logger: quiet}); !errors.Is(err, embedded.ErrFormat) {
		t.Errorf("got %v", err)
	}
}

// What a build before the first version wrote has other keys. It stays as it is, for whoever still has that build.
func TestOpenRefusesTheFormatBeforeTheFirstVersion(t *testing.T) {
	for _, state := range []string{"creating", "open", "closed"} {
		dir := closedLog(t)
		writeMark(t, dir, fmt.Sprintf(`{"Format":1,"Identity":"x","State":"%s","Head":5,"Checked":5}`, state))
		if err := os.Remove(filepath.Join(dir, "LOCK")); err != nil {
			t.Fatal(err)
		}
		before := filesOf(t, dir)
		_, err := embedded.Open(embedded.Options{Dir: dir, Logger: quiet})
		if !errors.Is(err, embedded.ErrOldFormat) || errors.Is(err, embedded.ErrFormat) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v", state, err)
		}
		if !maps.Equal(filesOf(t, dir), before) {
			t.Errorf("%s: the directory was changed", state)
		}
	}
}

// What lies beside the mark must be the log that it speaks of, all of it.
func TestOpenRefusesMixedLogs(t *testing.T) {
	for name, spoil := range map[string]func(dir, other string) error{
		"another log's files": func(dir, other string) error {
			return errors.Join(os.RemoveAll(dir+"/pebble"), os.Rename(other+"/pebble", dir+"/pebble"))
		},
		"another log's mark": func(dir, other string) error { return os.Rename(other+"/daybook-log", dir+"/daybook-log") },
		"no files":           func(dir, _ string) error { return os.RemoveAll(dir + "/pebble") },
		"an empty folder": func(dir, _ string) error {
			return errors.Join(os.RemoveAll(dir+"/pebble"), os.Mkdir(dir+"/pebble", 0o700))
		},
		"no tables": func(dir, _ string) error {
			tables, err := filepath.Glob(dir + "/pebble/*.sst")
			for _, table := range tables {
				err = errors.Join(err, os.Remove(table))
			}
			return err
		},
		"an empty mark": func(dir, _ string) error { return os.WriteFile(dir+"/daybook-log", nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := closedLog(t)
			if err := spoil(dir, closedLog(t)); err != nil {
				t.Fatal(err)
			}
			_, err := embedded.Open(embedded.Options{Dir: dir, Logger: quiet})
			var corruption *eventstore.Corruption
			if !errors.As(err, &corruption) || corruption.Place == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A log that lost its newest part is not the log that was closed.
func TestOpenRefusesAnOlderCopyOfTheFiles(t *testing.T) {
	dir, old := closedLog(t), t.TempDir()
	if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s := open(t, embedded.Options{Dir: dir, Logger: quiet})
	appendSome(t, s, "tab-a-2", 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(dir+"/pebble"), os.Rename(old+"/pebble", dir+"/pebble")); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.Open(embedded.Options{Dir: dir, Logger: quiet})
	var corruption *eventstore.Corruption
	if !errors.As(err, &corruption) {
		t.Errorf("got %v", err)
	}
}

// After a clean Close everything is in tables.
func TestAClosedLogNeedsNoWriteAheadLog(t *testing.T) {
	dir := closedLog(t)
	logs, err := filepath.Glob(dir + "/pebble/*.log")
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	for _, path := range logs {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, embedded.Options{Dir: dir, Logger: quiet})
	n := 0
	for _, err := range s.ReadStream(context.Background(), "tab-a-1", eventstore.StreamRead{}) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != 5 {
		t.Errorf("%d events", n)
	}
}

func TestSubscribeAfterTheEndIsRefused(t *testing.T) {
	s := open(t, memory(vfs.NewMem()))
	appendSome(t, s, "tab-a-1", 3)
	for _, p := range []eventstore.Position{{Commit: 4, Prepare: 4}, {Commit: 2, Prepare: 1}} {
		if _, err := s.Subscribe(context.Background(), p, eventstore.Filter{}); !errors.Is(err, eventstore.ErrInvalid) {
			t.Errorf("after %v: %v", p, err)
		}
	}
}

func writeMark(t *testing.T, dir, line string) {
	t.Helper()
	sum := crc32.Checksum([]byte(line), crc32.MakeTable(crc32.Castagnoli))
	write(t, filepath.Join(dir, "daybook-log"), fmt.Sprintf("%s\n%08x\n", line, sum))
}

// filesOf returns the content of all files below a directory.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// closedLog makes a log with a few events and returns its directory.
func closedLog(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := open(t, embedded.Options{Dir: dir, Logger: quiet})
	appendSome(t, s, "tab-a-1", 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}
