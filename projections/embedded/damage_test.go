package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"daybook/projections"
)

const (
	damagedAt = 400 // where the load stands when its files are damaged
	healedAt  = 450
)

// TestDamage damages one file after the other of read models that were closed, and of some whose process was killed
// while a memory table was on its way to the disk. Once they have caught up, they are whole again, whatever it takes.
func TestDamage(t *testing.T) {
	for name, make := range map[string]func(*testing.T) string{"closed": closedDir, "killed": killedDir} {
		whole := make(t)
		for _, file := range files(t, whole) {
			for how, damage := range damages {
				t.Run(fmt.Sprintf("%s, %s %s", name, filepath.Base(file), how), func(t *testing.T) {
					dir := copyDir(t, whole)
					damage(t, filepath.Join(dir, file))
					said := heal(t, dir)
					t.Log(said)
				})
			}
		}
	}
}

// TestVanished takes away what no table and no manifest can miss, and expects one line about it.
func TestVanished(t *testing.T) {
	older := closedDirAt(t, damagedAt/2)
	for name, vanish := range map[string]func(*testing.T, string){
		"the mark":       func(t *testing.T, dir string) { remove(t, filepath.Join(dir, markFile)) },
		"the marker":     func(t *testing.T, dir string) { remove(t, glob(t, dir, "marker.manifest.*")...) },
		"all of Pebble":  func(t *testing.T, dir string) { remove(t, filepath.Join(dir, pebbleFolder)) },
		"a table":        func(t *testing.T, dir string) { remove(t, glob(t, dir, "*.sst")[0]) },
		"half a table":   func(t *testing.T, dir string) { truncate(t, glob(t, dir, "*.sst")[0]) },
		"the manifest":   func(t *testing.T, dir string) { remove(t, glob(t, dir, "MANIFEST-*")...) },
		"the last hours": func(t *testing.T, dir string) { rollBack(t, dir, older) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := closedDir(t)
			vanish(t, dir)
			said := heal(t, dir)
			if strings.Count(said, "read models are damaged") != 1 || strings.Count(said, "\n") != 1 {
				t.Errorf("it said:\n%s", said)
			}
		})
	}
	if said := heal(t, closedDir(t)) + heal(t, killedDir(t)); said != "" {
		t.Errorf("without damage, it said:\n%s", said)
	}
}

func closedDir(t *testing.T) string { return closedDirAt(t, damagedAt) }

func closedDirAt(t *testing.T, position uint64) string {
	t.Helper()
	dir := t.TempDir()
	for until := position / 4; until <= position; until += position / 4 { // several tables
		sink := open(t, Options{Dir: dir})
		if err := errors.Join(load.Run(t.Context(), sink, until, func(uint64) {}), sink.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// killedDir is what a kill leaves while a memory table is written to the disk and the next is full: writers wait then,
// so nothing changes while it is copied.
func killedDir(t *testing.T) string {
	t.Helper()
	dir, left := t.TempDir(), t.TempDir()
	var tables, applied atomic.Int64
	held := make(chan struct{})
	slow := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") && tables.Add(1) > 1 {
			<-held
		}
		return nil
	}))
	sink := open(t, Options{Dir: dir, FS: slow, MemTableBytes: 64 << 10})
	ended := make(chan error, 1)
	go func() { ended <- load.Run(t.Context(), sink, damagedAt, func(uint64) { applied.Add(1) }) }()
	for before := int64(-1); tables.Load() < 2 || applied.Load() > before; time.Sleep(50 * time.Millisecond) {
		before = applied.Load()
	}
	err := os.CopyFS(left, os.DirFS(dir))
	close(held)
	if err := errors.Join(err, <-ended, sink.Close()); err != nil {
		t.Fatal(err)
	}
	return left
}

var damages = map[string]func(*testing.T, string){
	"deleted":   func(t *testing.T, path string) { remove(t, path) },
	"emptied":   func(t *testing.T, path string) { write(t, path, nil) },
	"truncated": truncate,
	"flipped at the beginning": func(t *testing.T, path string) {
		flip(t, path, func(size int) int { return min(9, size-1) })
	},
	"flipped in the middle": func(t *testing.T, path string) { flip(t, path, func(size int) int { return size / 2 }) },
	"flipped at a fifth":    func(t *testing.T, path string) { flip(t, path, func(size int) int { return size / 5 }) },
	"flipped near the end":  func(t *testing.T, path string) { flip(t, path, func(size int) int { return size * 19 / 20 }) },
	"flipped at the end":    func(t *testing.T, path string) { flip(t, path, func(size int) int { return size - 1 }) },
}

// heal opens read models, lets the load go on as a projection does, checks all of it, and returns what was logged.
func heal(t *testing.T, dir string) string {
	t.Helper()
	var said bytes.Buffer
	sink := open(t, Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	for {
		if err := load.Run(t.Context(), sink, healedAt, func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		_, err := sink.Scan(t.Context(), load.Target, func(string, projections.Entry) error { return nil })
		if err == nil {
			break
		}
		if !errors.Is(err, projections.ErrSinkUnavailable) {
			t.Fatal(err)
		}
	}
	if position := load.Check(t, sink); position != healedAt {
		t.Fatalf("stands at %d", position)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, Options{Dir: dir})
	defer again.Close()
	if position := load.Check(t, again); position != healedAt {
		t.Fatalf("stands at %d after another start", position)
	}
	return said.String()
}

// rollBack puts Pebble's files of an older copy where the present ones are.
func rollBack(t *testing.T, dir, older string) {
	t.Helper()
	remove(t, filepath.Join(dir, pebbleFolder))
	if err := os.CopyFS(filepath.Join(dir, pebbleFolder), os.DirFS(filepath.Join(older, pebbleFolder))); err != nil {
		t.Fatal(err)
	}
}

// files are those of a directory, as paths in it.
func files(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func copyDir(t *testing.T, dir string) string {
	t.Helper()
	other := t.TempDir()
	if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return other
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pebbleFolder, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	return paths
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string) {
	t.Helper()
	data := read(t, path)
	write(t, path, data[:len(data)/2])
}

func flip(t *testing.T, path string, place func(size int) int) {
	t.Helper()
	data := slices.Clone(read(t, path))
	if len(data) > 0 {
		data[place(len(data))] ^= 4
	}
	write(t, path, data)
}
