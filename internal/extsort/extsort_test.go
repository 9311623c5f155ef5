package extsort_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"daybook/internal/extsort"
)

func all(s *extsort.Sorter) (records [][]byte, err error) {
	for r, err := range s.All() {
		if err != nil {
			return records, err
		}
		records = append(records, bytes.Clone(r))
	}
	return records, nil
}

// Whatever the records and however little memory there is, they come back sorted, as often as they are asked for.
func TestSorts(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 20)).Draw(t, "records")
		s := extsort.New(dir, rapid.IntRange(0, 200).Draw(t, "memory"))
		for _, r := range want {
			if err := s.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		slices.SortFunc(want, bytes.Compare)
		for range s.All() {
			break // left early
		}
		for range 2 {
			got, err := all(s)
			if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("%q, %v, want %q", got, err, want)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("%v are left behind, %v", files, err)
	}
}

func TestManyRuns(t *testing.T) {
	s := extsort.New(t.TempDir(), 1000)
	defer s.Close()
	const n = 20_000
	for i := range n {
		if err := s.Add(fmt.Appendf(nil, "%06d", i*7919%n)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := all(s)
	if err != nil || len(got) != n {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for i, r := range got {
		if string(r) != fmt.Sprintf("%06d", i) {
			t.Fatalf("at %d stands %s", i, r)
		}
	}
}

func TestWhatCannotBeSorted(t *testing.T) {
	s := extsort.New(t.TempDir(), 10)
	defer s.Close()
	if err := s.Add(make([]byte, extsort.RecordMax+1)); !errors.Is(err, extsort.ErrRecord) {
		t.Errorf("a record that is too long: %v", err)
	}
	nowhere := extsort.New(t.TempDir()+"/missing", 1)
	err := errors.Join(nowhere.Add([]byte("a")), nowhere.Add([]byte("b")))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
}
