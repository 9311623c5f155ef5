package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"daybook/internal/auth"
)

// DataDir is a Daybook data directory: the embedded log and read models, the secret, the local owners.
type DataDir string

// markFile says that a directory is ours, and in which layout.
const markFile = "daybook-data"

const layout = "1\n"

// ErrNotOurs: a directory holds something that is not Daybook's. Nothing in it was touched.
var ErrNotOurs = errors.New("not a Daybook data directory")

// OpenDataDir makes a data directory, or checks that an existing one is one. Several processes may do so at once.
func OpenDataDir(path string) (DataDir, error) {
	if path == "" {
		return "", errors.New("--data must name a directory")
	}
	if err := os.MkdirAll(path, 0o750); err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	mark := filepath.Join(path, markFile)
	text, err := os.ReadFile(mark)
	switch {
	case err == nil && string(text) == layout:
		return DataDir(path), nil
	case err == nil:
		return "", fmt.Errorf("%s was written by a newer Daybook: %s says %.20q", path, markFile, text)
	case !errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("data directory: %w", err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	foreign := slices.IndexFunc(entries, func(e os.DirEntry) bool { return e.Name() != "lost+found" })
	if foreign >= 0 && entries[foreign].Name() != markFile {
		return "", fmt.Errorf("%w: %s holds %s; name an empty directory or one that Daybook made", ErrNotOurs, path, entries[foreign].Name())
	}
	if err := os.WriteFile(mark, []byte(layout), 0o640); err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return DataDir(path), nil
}

func (d DataDir) file(name string) string { return filepath.Join(string(d), name) }

// Secret loads the installation's secret, made on first use.
func (d DataDir) Secret() (auth.Secret, error) { return auth.LoadSecret(d.file("secret")) }

// Profiles are the local owners.
func (d DataDir) Profiles() auth.Profiles { return auth.LocalProfiles(string(d)) }
