// Package zones is the program's own time zone database, so that a name means the same on every machine: neither the
// machine's files nor the variable ZONEINFO are looked at.
//
// Not here: what a business day is (domain/calendar).
package zones

import (
	"archive/zip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// The database is the one that comes with Go, copied by this command:
//
//go:generate sh -c "cp \"$(go env GOROOT)/lib/time/zoneinfo.zip\" zoneinfo.zip && chmod 644 zoneinfo.zip"
//go:embed zoneinfo.zip
var archive string

// ErrUnknown: the database has no zone of that name.
var ErrUnknown = errors.New("no time zone")

// Load returns the zone of an IANA name, spelled exactly as the database has it: "Asia/Seoul", also "ROK", which is a
// second name of it, but not "asia/seoul", "./Asia/Seoul" or "Local". Error: ErrUnknown. Safe for concurrent use; what it
// keeps is bounded by the number of zones, about 600.
func Load(name string) (*time.Location, error) {
	zone, known := database()[name]
	if !known {
		return nil, fmt.Errorf("%.40q: %w", name, ErrUnknown)
	}
	return zone()
}

// Names lists the names that Load takes, in any order.
func Names() []string {
	names := make([]string, 0, len(database()))
	for name := range database() {
		names = append(names, name)
	}
	return names
}

// database is how each zone is read, once, by name.
var database = sync.OnceValue(func() map[string]func() (*time.Location, error) {
	files, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		panic(err) // it is a part of the program
	}
	zones := make(map[string]func() (*time.Location, error), len(files.File))
	for _, f := range files.File {
		if !f.FileInfo().IsDir() {
			zones[f.Name] = sync.OnceValues(func() (*time.Location, error) { return read(f) })
		}
	}
	return zones
})

func read(f *zip.File) (*time.Location, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return time.LoadLocationFromTZData(f.Name, data)
}
