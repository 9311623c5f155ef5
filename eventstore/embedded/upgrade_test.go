package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
	"daybook/internal/pebblefs"
)

// asFormat2 makes of a closed log what a program of format 2 would have written: no entries by id, and records that do not
// say whether they began an append.
func asFormat2(t *testing.T, fs vfs.FS) {
	t.Helper()
	db, err := pebble.Open("log/pebble", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest, Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte("e"), UpperBound: []byte("f")})
	if err != nil {
		t.Fatal(err)
	}
	for rows.First(); rows.Valid(); rows.Next() {
		k, record := bytes.Clone(rows.Key()), bytes.Clone(rows.Value())
		record[0] = 1
		err = errors.Join(err, db.Set(k, summed(k, record[:len(record)-4]), nil))
	}
	err = errors.Join(err, rows.Close(), db.DeleteRange([]byte("i"), []byte("j"), nil), db.Flush(), db.Close())
	if err != nil {
		t.Fatal(err)
	}
	rewriteMark(t, fs, func(line string) string { return strings.Replace(line, `"Format":3`, `"Format":2`, 1) })
}

func rewriteMark(t *testing.T, fs vfs.FS, change func(line string) string) {
	t.Helper()
	text, err := pebblefs.ReadFile(fs, "log/daybook-log")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	changed := change(line)
	if changed == line {
		t.Fatalf("the mark %s was not changed", line)
	}
	sum := crc32.Checksum([]byte(changed), crc32.MakeTable(crc32.Castagnoli))
	if err := pebblefs.WriteFile(fs, "log/daybook-log", fmt.Sprintf("%s\n%08x\n", changed, sum)); err != nil {
		t.Fatal(err)
	}
}

// A log of format 2 is brought to today's at its first opening: nothing changes in what it holds, and each of its events
// can be found by its id, as it does not say which began an append.
func TestFormat2IsUpgraded(t *testing.T) {
	ctx, fs := context.Background(), vfs.NewMem()
	s := open(t, memory(fs))
	for i := range 3 {
		appendSome(t, s, fmt.Sprintf("tab-a-%d", i), 7)
	}
	before := all(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	asFormat2(t, fs)
	for range 2 {
		s = open(t, memory(fs))
		after := all(t, s)
		for i, e := range after {
			if e.ID != before[i].ID || !bytes.Equal(e.Data, before[i].Data) || e.Position != before[i].Position {
				t.Fatalf("event %d: %+v, was %+v", i, e, before[i])
			}
			got, found, err := s.Find(ctx, e.ID)
			if err != nil || !found || got.Position != e.Position {
				t.Fatalf("event %d by its id: %+v, %t, %v", i, got, found, err)
			}
			_, err = s.AppendOnce(ctx, "tab-b-1", eventstore.NoStream, []eventstore.NewEvent{{ID: e.ID, Type: "x", Data: []byte("{}")}})
			if !errors.Is(err, eventstore.ErrTaken) {
				t.Fatalf("event %d appended once more: %v", i, err)
			}
		}
		if err := errors.Join(s.Check(ctx, nil), s.Close()); err != nil || len(after) != len(before) {
			t.Fatalf("%d of %d events; %v", len(after), len(before), err)
		}
	}
	if text, err := pebblefs.ReadFile(fs, "log/daybook-log"); err != nil || !strings.Contains(string(text), `"Format":3`) {
		t.Errorf("the mark is %s, %v", text, err)
	}
}

func all(t *testing.T, s *embedded.Store) (events []eventstore.Event) {
	t.Helper()
	for e, err := range s.ReadAll(context.Background(), eventstore.LogRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}
