package commands

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Fault is a reason for which a file of sales cannot be imported.
type Fault struct {
	Line   int    // of the file, counted from 1; 0: of no file
	Column string // by its name in the header; "" if the whole row is meant
	Value  string // that stands there
	Err    error  // what is wrong, or what should stand there
}

func (f Fault) Error() string {
	place := fmt.Sprintf("line %d", f.Line)
	if f.Column == "" {
		return fmt.Sprintf("%s: %v", place, f.Err)
	}
	return fmt.Sprintf("%s, column %s: %.40q: %v", place, f.Column, f.Value, f.Err)
}

func (f Fault) Unwrap() error { return f.Err }

// FaultsListed is how many faults are listed; others are counted.
const FaultsListed = 100

// Faults gathers the faults of a file, of which it keeps those that stand first. The zero value is ready. Not for concurrent
// use.
type Faults struct {
	first []Fault
	count int
}

// Add adds a fault.
func (f *Faults) Add(fault Fault) {
	f.count++
	if f.first = append(f.first, fault); len(f.first) >= 2*FaultsListed {
		f.shorten()
	}
}

func (f *Faults) shorten() {
	slices.SortStableFunc(f.first, func(a, b Fault) int { return a.Line - b.Line })
	f.first = f.first[:min(len(f.first), FaultsListed)]
}

// Any says whether there is a fault.
func (f *Faults) Any() bool { return f.count > 0 }

// Err returns a *FileError, or nil if there is no fault.
func (f *Faults) Err() error {
	if f.count == 0 {
		return nil
	}
	f.shorten()
	return &FileError{First: slices.Clone(f.first), Count: f.count}
}

// FileError says why a file cannot be imported. Nothing of it was.
type FileError struct {
	First []Fault // in the order of the file, at most FaultsListed
	Count int     // of all faults
}

func (e *FileError) Error() string {
	var text strings.Builder
	if e.Count == 1 {
		fmt.Fprintf(&text, "the file has a fault, and nothing of it was imported: %v", e.First[0])
		return text.String()
	}
	fmt.Fprintf(&text, "the file has %d faults, and nothing of it was imported:", e.Count)
	for _, fault := range e.First {
		fmt.Fprintf(&text, "\n  %v", fault)
	}
	if rest := e.Count - len(e.First); rest > 0 {
		fmt.Fprintf(&text, "\n  and %d more", rest)
	}
	return text.String()
}

func (e *FileError) Unwrap() []error {
	errs := make([]error, len(e.First))
	for i, fault := range e.First {
		errs[i] = fault
	}
	return errs
}

// ErrImportDiffers: an order of that id was imported before, with something else in it.
var ErrImportDiffers = errors.New("an order of this id was imported before with another time or other lines")

// errFuture: a sale of the past is not in the future.
var errFuture = errors.New("is in the future")
