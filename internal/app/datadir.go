package app

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"daybook/internal/auth"
	"daybook/internal/pebblefs"
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
	if err := os.MkdirAll(path, pebblefs.DirMode); err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	mark := filepath.Join(path, markFile)
	text, err := os.ReadFile(mark)
	switch {
	case err == nil && string(text) == layout:
		return DataDir(path), nil
	case err == nil && len(text) > 0: // an empty one was being made when the machine died
		return "", fmt.Errorf("%s was written by a newer Daybook: %s says %.20q", path, markFile, text)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("data directory: %w", err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	foreign := slices.IndexFunc(entries, func(e os.DirEntry) bool {
		return e.Name() != "lost+found" && !strings.HasPrefix(e.Name(), markFile)
	})
	if foreign >= 0 {
		return "", fmt.Errorf("%w: %s holds %s; name an empty directory or one that Daybook made", ErrNotOurs, path, entries[foreign].Name())
	}
	return DataDir(path), writeMark(mark)
}

// writeMark writes the mark in one step, so that nobody reads half of it.
func writeMark(mark string) error {
	f, err := os.CreateTemp(filepath.Dir(mark), markFile+"-*")
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	defer os.Remove(f.Name())
	_, errWrite := f.WriteString(layout)
	if err := errors.Join(errWrite, f.Sync(), f.Close(), os.Rename(f.Name(), mark)); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// narrow keeps the directory from everybody but its owner, as earlier versions did not. Where that is not allowed, as
// for a directory of another user, the operator is told.
func (d DataDir) narrow(log *slog.Logger) {
	narrowed, err := pebblefs.Narrow(string(d))
	if narrowed > 0 {
		log.Info("the data directory could be read by others: it is its owner's alone now", "dir", string(d), "changed", narrowed)
	}
	if err != nil {
		log.Warn("the data directory may be readable by others", "dir", string(d), "error", err)
	}
}

func (d DataDir) file(name string) string { return filepath.Join(string(d), name) }

// Secret loads the installation's secret, made on first use.
func (d DataDir) Secret() (auth.Secret, error) { return auth.LoadSecret(d.file("secret")) }

// Profiles are the local owners.
func (d DataDir) Profiles() auth.Profiles { return auth.LocalProfiles(string(d)) }
