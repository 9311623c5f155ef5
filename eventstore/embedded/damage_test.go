package embedded_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

// key is how the package comment describes keys.
func key(tag byte, name string, n uint64) []byte {
	k := []byte{tag}
	if tag != 'p' {
		k = append(append(k, name...), 0)
	}
	return binary.BigEndian.AppendUint64(k, n)
}

func bodyKey(partition, typ string, position uint64) []byte {
	return key('e', partition+"\x00"+typ, position)
}

// summed makes a value with a right checksum.
func summed(key, value []byte) []byte {
	sum := crc32.Checksum(append(append([]byte(nil), value...), key...), crc32.MakeTable(crc32.Castagnoli))
	return binary.BigEndian.AppendUint32(append([]byte(nil), value...), sum)
}

// Faults in what is stored, with all of Pebble's own checksums right. Check names the place of each; where a read of
// the stream tab-a-1, of the log or of the partition tab-a passes it, the read ends there.
func TestDamage(t *testing.T) {
	entry := func(n uint64, typ string) []byte { return append(binary.BigEndian.AppendUint64(nil, n), typ...) }
	flip := func(db *pebble.DB, key []byte, at int) error {
		value, closer, err := db.Get(key)
		if err != nil {
			return err
		}
		value = append([]byte(nil), value...)
		value[(at+len(value))%len(value)] ^= 4
		return errors.Join(closer.Close(), db.Set(key, value, nil))
	}
	copyTo := func(db *pebble.DB, from, to []byte) error {
		value, closer, err := db.Get(from)
		if err != nil {
			return err
		}
		return errors.Join(db.Set(to, value, nil), closer.Close())
	}
	// sealed copies a record with a right checksum: what a wrong program would have written.
	sealed := func(db *pebble.DB, from, to []byte) error {
		value, closer, err := db.Get(from)
		if err != nil {
			return err
		}
		return errors.Join(db.Set(to, summed(to, value[:len(value)-4]), nil), closer.Close())
	}
	for _, c := range []struct {
		name      string
		spoil     func(db *pebble.DB) error
		place     string // in Check's error
		stream    bool   // a read of the stream meets it
		log       bool   // a read of the log along its index meets it
		partition bool   // a read of the partition meets it
	}{
		{"record gone", func(db *pebble.DB) error { return db.Delete(bodyKey("tab-a", "type2.v1", 3), nil) }, "position 3", true, true, false},
		{"index entry gone", func(db *pebble.DB) error { return db.Delete(key('p', "", 3), nil) }, "position 3", false, true, false},
		{"first index entry gone", func(db *pebble.DB) error { return db.Delete(key('p', "", 1), nil) }, "position 1", false, true, false},
		{"stream entry gone", func(db *pebble.DB) error { return db.Delete(key('s', "tab-a-1", 2), nil) }, "stream tab-a-1 revision 2", true, false, false},
		{"first stream entry gone", func(db *pebble.DB) error { return db.Delete(key('s', "tab-a-1", 0), nil) }, "stream tab-a-1 revision 0", true, false, false},
		{"bit of a record", func(db *pebble.DB) error { return flip(db, bodyKey("tab-a", "type1.v1", 2), 20) }, "position 2", true, true, true},
		{"bit of a record's checksum", func(db *pebble.DB) error { return flip(db, bodyKey("tab-a", "type1.v1", 2), -1) }, "position 2", true, true, true},
		{"bit of an index entry", func(db *pebble.DB) error { return flip(db, key('p', "", 4), 3) }, "position 4", false, true, false},
		{"bit of a stream entry", func(db *pebble.DB) error { return flip(db, key('s', "tab-a-1", 1), 7) }, "stream tab-a-1 revision 1", true, false, false},
		{"record at another's place", func(db *pebble.DB) error {
			return copyTo(db, bodyKey("tab-a", "type1.v1", 2), bodyKey("tab-a", "type2.v1", 3))
		}, "position 3", true, true, true},
		{"empty record", func(db *pebble.DB) error { return db.Set(bodyKey("tab-a", "type1.v1", 2), nil, nil) }, "position 2", true, true, true},
		{"record of an unknown version", func(db *pebble.DB) error {
			k := bodyKey("tab-a", "type1.v1", 2)
			return db.Set(k, summed(k, []byte{9, 1, 'x'}), nil)
		}, "position 2", true, true, true},
		{"record cut short", func(db *pebble.DB) error {
			k := bodyKey("tab-a", "type1.v1", 2)
			return db.Set(k, summed(k, []byte{1, 200, 'x'}), nil)
		}, "position 2", true, true, true},
		{"stream entry that points elsewhere", func(db *pebble.DB) error {
			k := key('s', "tab-a-1", 1)
			return db.Set(k, summed(k, entry(1, "type0.v1")), nil)
		}, "stream tab-a-1 revision 1", true, false, false},
		{"record that no index knows", func(db *pebble.DB) error {
			return copyTo(db, bodyKey("tab-a", "type1.v1", 2), bodyKey("tab-b", "type1.v1", 2))
		}, "position 2", false, false, false},
		{"stream entry without an event", func(db *pebble.DB) error {
			k := key('s', "tab-c-1", 0)
			return db.Set(k, summed(k, entry(2, "type1.v1")), nil)
		}, "position 2", false, false, false},
		{"stream entry of another type", func(db *pebble.DB) error {
			k := key('s', "tab-a-1", 1)
			return db.Set(k, summed(k, entry(2, "type0.v1")), nil)
		}, "stream tab-a-1 revision 1", true, false, false},
		{"stream entry without a type", func(db *pebble.DB) error {
			k := key('s', "tab-a-1", 1)
			return db.Set(k, summed(k, entry(2, "")), nil)
		}, "stream tab-a-1 revision 1", true, false, false},
		{"index entry of another type", func(db *pebble.DB) error {
			k := key('p', "", 2)
			return db.Set(k, summed(k, []byte("\x08type0.v1tab-a-1")), nil)
		}, "position 2", false, true, false},
		{"record in another lane", func(db *pebble.DB) error {
			from := bodyKey("tab-a", "type1.v1", 2)
			return errors.Join(sealed(db, from, bodyKey("tab-a", "type0.v1", 2)), db.Delete(from, nil))
		}, "position 2", true, true, true},
		{"record in another lane, as it was", func(db *pebble.DB) error {
			from := bodyKey("tab-a", "type1.v1", 2)
			return errors.Join(copyTo(db, from, bodyKey("tab-a", "type0.v1", 2)), db.Delete(from, nil))
		}, "position 2", true, true, true},
		{"record in two lanes", func(db *pebble.DB) error {
			return sealed(db, bodyKey("tab-a", "type1.v1", 2), bodyKey("tab-a", "type0.v1", 2))
		}, "position 2", false, false, true},
		{"record of another type at its place", func(db *pebble.DB) error {
			return sealed(db, bodyKey("tab-a", "type0.v1", 1), bodyKey("tab-a", "type1.v1", 2))
		}, "position 2", true, true, true},
		{"record of another partition", func(db *pebble.DB) error {
			return sealed(db, bodyKey("store-a", "type1.v1", 12), bodyKey("tab-a", "type1.v1", 12))
		}, "position 12", false, false, true},
		{"record without a type in its key", func(db *pebble.DB) error {
			return sealed(db, bodyKey("tab-a", "type1.v1", 2), key('e', "tab-a", 2))
		}, "tab-a", false, false, true},
		{"entry by id gone", func(db *pebble.DB) error { return db.Delete(firstIDKey(db), nil) }, "position 1", false, false, false},
		{"bit of an entry by id", func(db *pebble.DB) error { return flip(db, firstIDKey(db), 2) }, "id ", false, false, false},
		{"entry by id that points elsewhere", func(db *pebble.DB) error {
			k := firstIDKey(db)
			return db.Set(k, summed(k, binary.BigEndian.AppendUint64(nil, 3)), nil)
		}, "position 3", false, false, false},
		{"entry of an id that no event has", func(db *pebble.DB) error {
			k := append([]byte{'i'}, make([]byte, 16)...)
			return db.Set(k, summed(k, binary.BigEndian.AppendUint64(nil, 3)), nil)
		}, "position 3", false, false, false},
		{"entry by an id that is none", func(db *pebble.DB) error { return db.Set([]byte("i-short"), nil, nil) }, `"i-short"`, false, false, false},
		{"foreign key", func(db *pebble.DB) error { return db.Set([]byte("quite other"), []byte("x"), nil) }, `"quite other"`, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := damagedLog(t, c.spoil)
			wantCorruption(t, "check", s.Check(context.Background(), nil), c.place)
			wantRead(t, "stream forward", s.ReadStream(context.Background(), "tab-a-1", eventstore.StreamRead{}), c.stream)
			wantRead(t, "stream backward", s.ReadStream(context.Background(), "tab-a-1", eventstore.StreamRead{From: eventstore.Last, Direction: eventstore.Backward}), c.stream)
			wantRead(t, "log forward", s.ReadAll(context.Background(), eventstore.LogRead{}), c.log)
			wantRead(t, "log backward", s.ReadAll(context.Background(), eventstore.LogRead{Direction: eventstore.Backward}), c.log)
			wantRead(t, "partition", s.ReadPartition(context.Background(), "tab-a", eventstore.PartitionRead{}), c.partition)
			sub, err := s.Subscribe(context.Background(), eventstore.Position{}, eventstore.Filter{})
			for b := (eventstore.Batch{}); err == nil && !b.CaughtUp; {
				b, err = sub.Next(context.Background())
			}
			if c.log {
				wantCorruption(t, "follow", err, "position")
				ctx, cancel := context.WithTimeout(context.Background(), time.Second) // it waits if it missed the damage
				defer cancel()
				_, err = sub.Next(ctx)
				wantCorruption(t, "follow again", err, "position")
			} else if err != nil {
				t.Errorf("follow: %v", err)
			}
		})
	}
}

// firstIDKey is the entry by the id of the log's first event.
func firstIDKey(db *pebble.DB) []byte {
	record, closer, err := db.Get(bodyKey("tab-a", "type0.v1", 1))
	if err != nil {
		panic(err)
	}
	defer closer.Close()
	at := 1 + 1 + len("type0.v1") + 1 + len("tab-a-1") + 8
	return append([]byte{'i'}, record[at:at+16]...)
}

// damagedLog has two streams in one partition and one in another, five events each, and a fault.
func damagedLog(t *testing.T, spoil func(db *pebble.DB) error) *embedded.Store {
	t.Helper()
	fs := vfs.NewMem()
	s := open(t, memory(fs))
	for _, stream := range []string{"tab-a-1", "tab-a-2", "store-a"} {
		appendSome(t, s, stream, 5)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open("log/pebble", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest, Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(spoil(db), db.Flush(), db.Close()); err != nil {
		t.Fatal(err)
	}
	return open(t, memory(fs))
}

type silent struct{}

func (silent) Infof(string, ...any)         {}
func (silent) Errorf(string, ...any)        {}
func (silent) Fatalf(text string, _ ...any) { panic(text) }

func wantCorruption(t *testing.T, what string, err error, place string) {
	t.Helper()
	var corruption *eventstore.Corruption
	if !errors.As(err, &corruption) || !strings.Contains(corruption.Place, place) {
		t.Errorf("%s: got %v, want a corruption at %s", what, err, place)
	}
}

func wantRead(t *testing.T, what string, seq func(func(eventstore.Event, error) bool), damaged bool) {
	t.Helper()
	var last error
	n := 0
	for _, err := range seq {
		n++
		last = err
	}
	if damaged {
		wantCorruption(t, what, last, "")
	} else if last != nil || n == 0 {
		t.Errorf("%s: %v after %d events", what, last, n)
	}
}

func TestCheckTellsProgressAndObeysItsContext(t *testing.T) {
	s := open(t, memory(vfs.NewMem()))
	for i := range 10 {
		appendSome(t, s, fmt.Sprintf("tab-a-%d", i), 1000)
	}
	var last, total int64
	err := s.Check(context.Background(), func(done, of int64) {
		if done < last || done > of {
			t.Errorf("%d of %d after %d", done, of, last)
		}
		last, total = done, of
	})
	if err != nil || last != total || total == 0 {
		t.Errorf("%v at %d of %d", err, last, total)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = s.Check(ctx, func(int64, int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A piece of the write-ahead log is overwritten: more than a bit. That may be an unfinished write only where nothing was
// written after it, so nothing but the last append can be lost without Open's saying so; and the one before it, if the
// piece reaches from one into the other.
func TestOverwrittenWriteAheadLog(t *testing.T) {
	fs := closedImage(t)
	s := open(t, memory(fs))
	fillSmall(t, s, 90)
	var path string
	for _, name := range files(t, fs, "log/pebble") {
		if strings.HasSuffix(name, ".log") {
			path = max(path, name)
		}
	}
	last := len(bytesOf(t, fs, path)) // where the last append begins
	appendSome(t, s, "tab-s1-t1", 1)
	image := fs.CrashClone(vfs.CrashCloneCfg{})
	want := contents(t, image.CrashClone(vfs.CrashCloneCfg{}))
	size := len(bytesOf(t, image, path))
	detected, lost := 0, 0
	const piece = 50
	for at := (last - piece/2) % 97; at < size; at += 97 { // one reaches into the last append
		damaged := image.CrashClone(vfs.CrashCloneCfg{})
		clear(bytesOf(t, damaged, path)[at:min(at+piece, size)])
		found, err := readEverything(damaged)
		switch {
		case err != nil:
			detected++
		case at+piece > last && sameEvents(found, want[:len(want)-1]):
			lost++
		case at+piece > last && at < last && sameEvents(found, want[:len(want)-2]):
			lost++
		case !sameEvents(found, want):
			t.Errorf("byte %d of %d: nobody noticed, and %d of %d events are there", at, size, len(found), len(want))
		}
	}
	if lost > 10 {
		t.Errorf("the last append was lost %d times: it is not that large", lost)
	}
	t.Logf("of %d bytes; detected %d times, the last append lost %d times", size, detected, lost)
}

// The end of Pebble's manifest is lost, by any number of bytes, at the worst moment: its last edit tells of a flush, the
// next flush has not come to its own edit, and the write-ahead log of the first is being overwritten by a later one.
// Pebble would go on with a hole in the middle of the log.
func TestLostEndOfTheManifest(t *testing.T) {
	crashed := crashedBetweenFlushes(t)
	want := contents(t, crashed.CrashClone(vfs.CrashCloneCfg{}))
	desc, err := pebble.Peek("log/pebble", crashed)
	if err != nil {
		t.Fatal(err)
	}
	size := len(bytesOf(t, crashed, desc.ManifestFilename))
	holes := 0
	for lost := 1; lost < size; lost++ {
		damaged := crashed.CrashClone(vfs.CrashCloneCfg{})
		clear(bytesOf(t, damaged, desc.ManifestFilename)[size-lost:])
		s, err := embedded.Open(memory(damaged))
		if err != nil {
			if strings.Contains(err.Error(), "the index entry is missing") {
				holes++
			}
			continue
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if found, err := readEverything(damaged); err != nil || !sameEvents(found, want) {
			t.Errorf("%d of %d bytes: Open did not notice, and %d of %d events are there, %v", lost, size, len(found), len(want), err)
		}
	}
	if holes == 0 {
		t.Error("none of the losses made a hole: the moment was not the worst")
	}
	t.Logf("of %d bytes; %d losses made a hole", size, holes)
}

func crashedBetweenFlushes(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := closedImage(t)
	var tables, reused atomic.Int32
	secondFlush := make(chan struct{})
	s := open(t, memory(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch {
		case op.Kind == errorfs.OpReuseForWrite:
			reused.Add(1)
		case op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") && tables.Add(1) > 1:
			<-secondFlush // and compactions
		}
		return nil
	}))))
	t.Cleanup(func() { _ = s.Close() })
	defer close(secondFlush)
	random := rand.New(rand.NewPCG(5, 5))
	for i := 0; reused.Load() == 0; i++ {
		if _, err := s.Append(context.Background(), fmt.Sprintf("tab-a-%d", i), eventstore.NoStream, newEvents(random, 2, 20_000)); err != nil {
			t.Fatal(err)
		}
	}
	appendSome(t, s, "tab-b-1", 5)
	return fs.CrashClone(vfs.CrashCloneCfg{})
}
