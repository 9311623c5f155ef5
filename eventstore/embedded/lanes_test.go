package embedded_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

// A filtered read gives what an unfiltered one gives that is filtered afterwards: along lanes and along the index, over
// many pieces, and where there are too many lanes to merge.
func TestLanesGiveWhatAFilterGives(t *testing.T) {
	for name, size := range map[string]struct{ stores, types int }{"a few lanes": {3, 4}, "many lanes": {25, 9}, "too many lanes": {40, 9}} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(size.stores), 7))
			fs := vfs.NewMem()
			s := open(t, memory(fs))
			all := appendMixed(t, s, random, size.stores, size.types, 9000)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, gap := range []uint64{1, 4096, 1 << 40} {
				s := open(t, embedded.MergingFrom(memory(fs), gap))
				for range 40 {
					wantFiltered(t, s, all, drawRead(random, size.stores, size.types, len(all)))
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// appendMixed appends at least n events, most of few types, and returns the log.
func appendMixed(t *testing.T, s *embedded.Store, random *rand.Rand, stores, types, n int) (all []eventstore.Event) {
	t.Helper()
	ends := map[string]eventstore.Revision{}
	for len(all) < n {
		stream := fmt.Sprintf("tab-s%d-%d", random.IntN(stores), random.IntN(3))
		list := make([]eventstore.NewEvent, 1+random.IntN(300))
		for i := range list {
			typ := min(random.IntN(types), random.IntN(types))
			list[i] = eventstore.NewEvent{ID: uuid.New(), Type: fmt.Sprintf("type%d.v1", typ), Data: make([]byte, random.IntN(100)), Metadata: make([]byte, random.IntN(2))}
			for j := range list[i].Data {
				list[i].Data[j] = byte(random.Uint32())
			}
		}
		end, ok := ends[stream]
		if !ok {
			end = eventstore.NoStream
		}
		appended, err := s.Append(context.Background(), stream, end, list)
		if err != nil {
			t.Fatal(err)
		}
		ends[stream] = appended.Revision
		for i, e := range list {
			p := uint64(len(all) + 1)
			all = append(all, eventstore.Event{Stream: stream, Revision: end + 1 + eventstore.Revision(i), Position: eventstore.Position{Commit: p, Prepare: p}, ID: e.ID, Type: e.Type, Data: e.Data, Metadata: e.Metadata})
		}
	}
	return all
}

func drawRead(random *rand.Rand, stores, types, events int) (read eventstore.LogRead) {
	for range random.IntN(3) {
		store := random.IntN(stores + 1)
		prefixes := []string{"tab-", "tab", "tab-s", fmt.Sprintf("tab-s%d", store), fmt.Sprintf("tab-s%d-", store), fmt.Sprintf("tab-s%d-1", store), "store-"}
		read.Filter.Prefixes = append(read.Filter.Prefixes, prefixes[random.IntN(len(prefixes))])
	}
	for range random.IntN(4) {
		read.Filter.Types = append(read.Filter.Types, fmt.Sprintf("type%d.v1", random.IntN(types+1)))
	}
	read.Direction = eventstore.Direction(random.IntN(2) == 0)
	if random.IntN(2) == 0 {
		read.Limit = 1 + random.IntN(1+random.IntN(events))
	}
	if random.IntN(2) == 0 {
		after := uint64(random.IntN(events + 2))
		read.After = eventstore.Position{Commit: after, Prepare: after}
	}
	return read
}

func wantFiltered(t *testing.T, s *embedded.Store, all []eventstore.Event, read eventstore.LogRead) {
	t.Helper()
	want := slices.DeleteFunc(slices.Clone(all), func(e eventstore.Event) bool {
		inside := read.After.Before(e.Position)
		if read.Direction == eventstore.Backward && !read.After.IsZero() {
			inside = e.Position.Before(read.After)
		}
		return !inside || !read.Filter.Matches(e.Stream, e.Type)
	})
	if read.Direction == eventstore.Backward {
		slices.Reverse(want)
	}
	want = limited(want, read.Limit)
	var got []eventstore.Event
	for e, err := range s.ReadAll(context.Background(), read) {
		if err != nil {
			t.Fatalf("%+v: %v", read, err)
		}
		got = append(got, e)
	}
	for i := range got {
		got[i].Created = time.Time{}
	}
	if !sameEvents(got, want) {
		t.Fatalf("%+v: %d events, want %d", read, len(got), len(want))
	}
}
