package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

var flipEvery = flag.Int("flip.every", 127, "flip a bit of each n-th byte; 1 takes some minutes")

// One bit of a log's files is flipped, each n-th byte in turn. Either somebody says so - Open, Check or a read - or
// every event is still what it was. A log must never be silently shorter or different.
func TestFlippedBits(t *testing.T) {
	for name, image := range map[string]func(t *testing.T) *vfs.MemFS{
		"closed log":  closedImage,
		"crashed log": crashedImage,
	} {
		t.Run(name, func(t *testing.T) {
			fs := image(t)
			want := contents(t, fs.CrashClone(vfs.CrashCloneCfg{}))
			random := rand.New(rand.NewPCG(3, 3))
			for _, path := range files(t, fs, "log") {
				size := len(bytesOf(t, fs, path))
				detected, harmless := 0, 0
				for at := random.IntN(*flipEvery); at < size; at += *flipEvery {
					damaged := fs.CrashClone(vfs.CrashCloneCfg{})
					bit := random.IntN(8)
					bytesOf(t, damaged, path)[at] ^= 1 << bit
					found, err := readEverything(damaged)
					switch {
					case err != nil:
						detected++
					case sameEvents(found, want):
						harmless++
					default:
						t.Errorf("%s byte %d bit %d: nobody noticed, and %d of %d events are there", path, at, bit, len(found), len(want))
					}
				}
				t.Logf("%s: of %d bytes, %d flips detected, %d harmless", path, size, detected, harmless)
			}
		})
	}
}

// closedImage has events in tables and nothing else.
func closedImage(t *testing.T) *vfs.MemFS {
	fs := vfs.NewCrashableMem()
	s := open(t, memory(fs))
	fillSmall(t, s, 20)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return fs
}

// crashedImage has events in tables and in the write-ahead log, in several blocks of it, the last group included.
func crashedImage(t *testing.T) *vfs.MemFS {
	fs := closedImage(t)
	s := open(t, memory(fs))
	t.Cleanup(func() { _ = s.Close() })
	fillSmall(t, s, 90)
	return fs.CrashClone(vfs.CrashCloneCfg{})
}

func fillSmall(t *testing.T, s *embedded.Store, rounds int) {
	t.Helper()
	for i := range rounds {
		appendSome(t, s, fmt.Sprintf("tab-s%d-t%d", i%2, i%5), 1+i%3)
		appendSome(t, s, fmt.Sprintf("store-s%d", i%2), 1)
	}
}

// files lists all files below a folder.
func files(t *testing.T, fs *vfs.MemFS, folder string) (list []string) {
	t.Helper()
	names, err := fs.List(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := fs.PathJoin(folder, name)
		info, err := fs.Stat(path)
		switch {
		case err != nil:
			t.Fatal(err)
		case info.IsDir():
			list = append(list, files(t, fs, path)...)
		case info.Size() > 0:
			list = append(list, path)
		}
	}
	return list
}

func bytesOf(t *testing.T, fs *vfs.MemFS, path string) []byte {
	t.Helper()
	data, err := fs.UnsafeGetFileDataBuffer(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func sameEvents(a, b []eventstore.Event) bool {
	return slices.EqualFunc(a, b, func(a, b eventstore.Event) bool {
		dataEqual := bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Metadata, b.Metadata)
		a.Data, b.Data, a.Metadata, b.Metadata = nil, nil, nil, nil
		return dataEqual && reflect.DeepEqual(a, b)
	})
}

func contents(t *testing.T, fs *vfs.MemFS) []eventstore.Event {
	t.Helper()
	list, err := readEverything(fs)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// readEverything opens, reads in all ways and checks. An error of a read that is no *eventstore.Corruption is a panic:
// those who read must be able to tell.
func readEverything(fs *vfs.MemFS) (list []eventstore.Event, err error) {
	s, err := embedded.Open(memory(fs))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	ctx := context.Background()
	streams := map[string]int{}
	for e, err := range s.ReadAll(ctx, eventstore.LogRead{}) {
		if err != nil {
			return nil, mustBeCorruption(err)
		}
		list = append(list, e)
		streams[e.Stream]++
	}
	for stream, n := range streams {
		for _, err := range s.ReadStream(ctx, stream, eventstore.StreamRead{}) {
			if err != nil {
				return nil, mustBeCorruption(err)
			}
			n--
		}
		if n != 0 {
			panic(fmt.Sprintf("stream %s: %d events missing", stream, n))
		}
	}
	if err := s.Check(ctx, nil); err != nil {
		return nil, mustBeCorruption(err)
	}
	return list, nil
}

func mustBeCorruption(err error) error {
	var corruption *eventstore.Corruption
	if !errors.As(err, &corruption) || corruption.Place == "" {
		panic(err)
	}
	return err
}
