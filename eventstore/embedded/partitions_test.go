package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

// appendSome appends n events to a stream, from its end on.
func appendSome(t testing.TB, s *embedded.Store, stream string, n int) {
	t.Helper()
	ctx, end := context.Background(), eventstore.NoStream
	for e, err := range s.ReadStream(ctx, stream, eventstore.StreamRead{Direction: eventstore.Backward, From: eventstore.Last, Limit: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		end = e.Revision
	}
	list := make([]eventstore.NewEvent, n)
	for i := range list {
		list[i] = eventstore.NewEvent{ID: uuid.New(), Type: fmt.Sprintf("type%d.v1", i%3), Data: fmt.Appendf(nil, `{"n":%d}`, i)}
	}
	if _, err := s.Append(ctx, stream, end, list); err != nil {
		t.Fatal(err)
	}
}

func TestPartitionOf(t *testing.T) {
	for stream, want := range map[string]string{
		"tab-S-T.1": "tab-S", "tab-S-T-x": "tab-S", "tab-S-": "tab-S", "tab-S": "tab-S", "store-S": "store-S", "tab": "tab",
		"$settings": "$settings", "$$tab-S-T.1": "$$tab-S", "-": "-", "--": "-", "-a-b": "-a", "": "",
	} {
		if got := embedded.PartitionOf(stream); got != want {
			t.Errorf("%q is in %q, want %q", stream, got, want)
		}
	}
}

func TestPartitions(t *testing.T) {
	s := open(t, memory(vfs.NewMem()))
	for _, stream := range []string{"tab-b-1", "tab-a-1", "tab-a-2", "tab-a", "tab-a1-1", "tabs-a-1", "ta-a-1", "tab", "store-a", "tab-"} {
		appendSome(t, s, stream, 2)
	}
	for category, want := range map[string][]string{
		"tab": {"tab", "tab-", "tab-a", "tab-a1", "tab-b"}, "store": {"store-a"}, "ta": {"ta-a"}, "none": nil,
	} {
		got, err := s.Partitions(context.Background(), category)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", category, got, err, want)
		}
	}
}

// Events of a read that uses memory again are good one at a time, and take little memory together.
func TestReadPartitionReuse(t *testing.T) {
	s := open(t, memory(vfs.NewMem()))
	const events, size = 10_000, 1000
	for range events / 100 {
		batch := make([]eventstore.NewEvent, 100)
		for i := range batch {
			batch[i] = eventstore.NewEvent{ID: uuid.New(), Type: "large.v1", Data: bytes.Repeat([]byte{byte(i)}, size)}
		}
		if _, err := s.Append(context.Background(), "tab-a-"+uuid.NewString(), eventstore.NoStream, batch); err != nil {
			t.Fatal(err)
		}
	}
	scan := func(reuse bool) (places int) {
		read, met := 0, map[*byte]bool{} // which keeps what it has met from being used for something else
		for e, err := range s.ReadPartition(context.Background(), "tab-a", eventstore.PartitionRead{Types: []string{"large.v1"}, Reuse: reuse}) {
			if err != nil || bytes.Count(e.Data, []byte{byte(read % 100)}) != size {
				t.Fatalf("event %d: %.20q, %v", read, e.Data, err)
			}
			met[&e.Data[0]] = true
			read++
		}
		if read != events {
			t.Errorf("%d events", read)
		}
		return len(met)
	}
	if kept, reused := scan(false), scan(true); kept != events || reused > events/10 {
		t.Errorf("%d events lay in %d places, or in %d where memory is used again", events, kept, reused)
	}
}

func TestReadPartition(t *testing.T) {
	s := open(t, memory(vfs.NewMem()))
	for i := range 50 {
		for _, stream := range []string{"tab-a-1", "tab-a-2", "tab-a1-1", "tab-b-1", "store-a"} {
			appendSome(t, s, stream, 1+i%4)
		}
	}
	ctx := context.Background()
	var all []eventstore.Event
	for e, err := range s.ReadAll(ctx, eventstore.LogRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	position := func(i int) eventstore.Position { return all[i].Position }
	for _, read := range []eventstore.PartitionRead{
		{}, {After: position(100)}, {To: position(100)}, {After: position(50), To: position(300)}, {Types: []string{"type1.v1"}},
		{Types: []string{"type0.v1", "type2.v1"}, To: position(200)}, {Types: []string{"none"}}, {Types: []string{""}}, {Types: []string{"type2.v1", "type2.v1"}}, {Types: []string{"type1.v1\x00"}},
		{Types: []string{"type1.v1", "type0.v1"}, After: position(2), To: position(5)}, {To: eventstore.Position{Commit: 1e9, Prepare: 1e9}},
	} {
		for _, partition := range []string{"tab-a", "tab-a1", "store-a", "tab-none", "tab", "", "tab-a\x00type1.v1"} {
			var want []eventstore.Event
			for _, e := range all {
				inside := read.After.Before(e.Position) && (read.To.IsZero() || !read.To.Before(e.Position))
				if inside && embedded.PartitionOf(e.Stream) == partition && (eventstore.Filter{Types: read.Types}).Matches("", e.Type) {
					want = append(want, e)
				}
			}
			for _, read.Reuse = range []bool{false, true} {
				var got []eventstore.Event
				for e, err := range s.ReadPartition(ctx, partition, read) {
					if err != nil {
						t.Fatal(err)
					}
					if read.Reuse {
						e.Data, e.Metadata = bytes.Clone(e.Data), bytes.Clone(e.Metadata)
					}
					got = append(got, e)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s %+v (-want +got)\n%s", partition, read, diff)
				}
			}
		}
	}
}

// TestCloseEndsPausedReads: a read for reuse keeps the storage open while its reader handles an event. Closing the log
// does not wait for it, nor for one that was left early, and leaves nothing of either.
func TestCloseEndsPausedReads(t *testing.T) {
	for range 20 {
		s, err := embedded.Open(memory(vfs.NewMem()))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			appendSome(t, s, fmt.Sprint("tab-a-", i), 40)
		}
		read := eventstore.PartitionRead{Reuse: true}
		for _, err := range s.ReadPartition(context.Background(), "tab-a", read) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		seen, ended := 0, error(nil)
		for _, err := range s.ReadPartition(context.Background(), "tab-a", read) {
			if ended = err; err != nil {
				break
			}
			if seen++; seen == 100 {
				if err := s.Close(); err != nil { // Pebble's tells of iterators that are still open
					t.Fatal(err)
				}
			}
		}
		if !errors.Is(ended, eventstore.ErrClosed) || seen < 100 || seen == 400 {
			t.Fatalf("%d events, then %v", seen, ended)
		}
	}
}
