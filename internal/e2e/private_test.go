package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDataIsPrivate: nobody but its owner can look into the data directory, nor at any file in it, whoever made it.
func TestDataIsPrivate(t *testing.T) {
	in := install(t)
	s := in.serve("--demo")
	wantPrivate(t, in.data)
	s.stop()
	wantPrivate(t, in.data)

	// As a version without such care left it.
	err := filepath.WalkDir(in.data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return os.Chmod(path, 0o644)
		}
		return os.Chmod(path, 0o755)
	})
	if err != nil {
		t.Fatal(err)
	}
	s = in.serve()
	wantPrivate(t, in.data)
	if said := s.said.String(); strings.Count(said, "could be read by others") != 1 {
		t.Errorf("the server said:\n%s", said)
	}
}

func wantPrivate(t *testing.T, dir string) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil // of a running server
			}
			return err
		}
		info, err := entry.Info()
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		seen++
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[entry.IsDir()]; info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil || seen < 15 {
		t.Errorf("%d files and directories: %v", seen, err)
	}
}
