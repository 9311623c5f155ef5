package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

// attempt is one append that was begun, and what became of it.
type attempt struct {
	stream   string
	expected eventstore.Revision
	events   []eventstore.NewEvent
	acked    bool
	appended eventstore.Appended
}

// ledger holds what a workload has tried. What it says is acknowledged must survive anything.
type ledger struct {
	mu       sync.Mutex
	attempts []*attempt
}

func (l *ledger) begin(a *attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts = append(l.attempts, a)
}

func (l *ledger) acknowledge(a *attempt, appended eventstore.Appended) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.acked, a.appended = true, appended
}

// snapshot is the ledger as it is now.
func (l *ledger) snapshot() []attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]attempt, len(l.attempts))
	for i, a := range l.attempts {
		list[i] = *a
	}
	return list
}

func newEvents(random *rand.Rand, n, bytesMax int) []eventstore.NewEvent {
	list := make([]eventstore.NewEvent, n)
	for i := range list {
		data := make([]byte, 1+random.IntN(bytesMax))
		for j := range data {
			data[j] = byte(random.Uint32())
		}
		list[i] = eventstore.NewEvent{ID: uuid.New(), Type: fmt.Sprintf("type%d.v1", random.IntN(3)), Data: data}
	}
	return list
}

// write appends n times to streams of its own, until an error, which is returned.
func (l *ledger) write(s eventstore.Store, writer, n int, random *rand.Rand) error {
	ends := map[string]eventstore.Revision{}
	for range n {
		a := &attempt{stream: fmt.Sprintf("tab-s%d-w%d", random.IntN(3), writer), events: newEvents(random, 1+random.IntN(4), 1<<random.IntN(13))}
		if end, ok := ends[a.stream]; ok {
			a.expected = end
		} else {
			a.expected = eventstore.NoStream
		}
		l.begin(a)
		appended, err := s.Append(context.Background(), a.stream, a.expected, a.events)
		if err != nil {
			return err
		}
		l.acknowledge(a, appended)
		ends[a.stream] = appended.Revision
	}
	return nil
}

// verify opens the log of a crashed machine and holds it against the ledger as it was before the crash.
func verify(t *testing.T, fs vfs.FS, attempts []attempt) {
	t.Helper()
	s, err := embedded.Open(memory(fs))
	if err != nil {
		t.Fatalf("open after the crash: %v", err)
	}
	ctx := context.Background()
	if err := s.Check(ctx, nil); err != nil {
		t.Fatalf("check after the crash: %v", err)
	}
	for _, a := range attempts {
		if a.acked && !stands(t, s, a) {
			t.Fatalf("acknowledged append to %s at %d is gone", a.stream, a.expected)
		}
	}
	for _, a := range attempts { // in the order of each stream
		appended, err := s.Append(ctx, a.stream, a.expected, a.events)
		if err != nil {
			t.Fatalf("repeating the append to %s at %d: %v", a.stream, a.expected, err)
		}
		if a.acked && appended != a.appended {
			t.Fatalf("repeated: %+v, acknowledged: %+v", appended, a.appended)
		}
	}
	wantOnce(t, s, attempts)
	if err := s.Check(ctx, nil); err != nil {
		t.Fatalf("check after repeating: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// stands says whether an attempt's events are in its stream, as they were given.
func stands(t *testing.T, s *embedded.Store, a attempt) bool {
	t.Helper()
	i := 0
	for e, err := range s.ReadStream(context.Background(), a.stream, eventstore.StreamRead{From: a.expected + 1, Limit: len(a.events)}) {
		if err != nil {
			t.Fatal(err)
		}
		if given := a.events[i]; e.ID != given.ID || string(e.Data) != string(given.Data) || e.Type != given.Type {
			return false
		}
		i++
	}
	return i == len(a.events)
}

// wantOnce demands that the log holds each event of the attempts once, and no other.
func wantOnce(t *testing.T, s *embedded.Store, attempts []attempt) {
	t.Helper()
	wanted := map[uuid.UUID]bool{}
	for _, a := range attempts {
		for _, e := range a.events {
			wanted[e.ID] = true
		}
	}
	next := uint64(1)
	for e, err := range s.ReadAll(context.Background(), eventstore.LogRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Position.Commit != next || !wanted[e.ID] {
			t.Fatalf("position %v (after %d): event %v is wanted: %v", e.Position, next-1, e.ID, wanted[e.ID])
		}
		delete(wanted, e.ID)
		next++
	}
	if len(wanted) > 0 {
		t.Fatalf("%d events are missing", len(wanted))
	}
}

// crashes is how much of what was not synced survives, in percent of its pieces.
var crashes = []int{0, 10, 50, 90, 100}

func crash(fs *vfs.MemFS, random *rand.Rand) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: crashes[random.IntN(len(crashes))], RNG: random})
}

// Several writers, and the power is cut at random moments.
func TestCrashUnderLoad(t *testing.T) {
	const rounds, writers, each, cuts = 12, 6, 30, 4
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(round)))
			fs := vfs.NewCrashableMem()
			s := open(t, memory(fs))
			var l ledger
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					if err := l.write(s, w, each, rand.New(rand.NewPCG(uint64(round), uint64(w)))); err != nil {
						t.Error(err)
					}
				})
			}
			type cut struct {
				fs       *vfs.MemFS
				attempts []attempt
			}
			var list []cut
			waitFor := func(acks int) {
				for follow := int64(0); int(follow) < acks; {
					head, err := s.Head(context.Background())
					if err != nil {
						t.Fatal(err)
					}
					follow = int64(head.Commit)
				}
			}
			for range cuts {
				waitFor(random.IntN(writers * each * 2))
				attempts := l.snapshot() // before the cut: all of this was acknowledged by then
				list = append(list, cut{crash(fs, random), attempts})
			}
			wg.Wait()
			for _, c := range list {
				// Appends that were begun after the snapshot may be in the cut as well; repeat the whole ledger.
				verify(t, c.fs, merge(c.attempts, l.snapshot()))
			}
		})
	}
}

// merge is the later ledger with the acknowledgements of the earlier one.
func merge(earlier, later []attempt) []attempt {
	for i := range later {
		later[i].acked = i < len(earlier) && earlier[i].acked
	}
	return later
}

// The power is cut at each single operation on the file system, from the making of a log to its closing, and again
// while the log of a crash is opened.
func TestCrashAtEveryOperation(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for _, percent := range crashes {
		t.Run(fmt.Sprintf("new log, %d percent", percent), func(t *testing.T) {
			empty := func() *vfs.MemFS { return vfs.NewCrashableMem() }
			cutEverywhere(t, empty, nil, percent, random)
		})
		t.Run(fmt.Sprintf("crashed log, %d percent", percent), func(t *testing.T) {
			var l ledger
			fs := vfs.NewCrashableMem()
			s := open(t, memory(fs))
			if err := l.write(s, 9, 40, random); err != nil {
				t.Fatal(err)
			}
			crashed := fs.CrashClone(vfs.CrashCloneCfg{})
			image := func() *vfs.MemFS { return crashed.CrashClone(vfs.CrashCloneCfg{}) }
			cutEverywhere(t, image, l.snapshot(), percent, random)
		})
	}
}

// The power is cut while Pebble changes to a new manifest, and any of the names in the directory may be lost.
func TestCrashWhileTheManifestChanges(t *testing.T) {
	var l ledger
	random := rand.New(rand.NewPCG(11, 11))
	fs := vfs.NewCrashableMem()
	if err := l.write(open(t, memory(fs)), 1, 20, random); err != nil {
		t.Fatal(err)
	}
	fs = fs.CrashClone(vfs.CrashCloneCfg{})
	var cuts []*vfs.MemFS
	s := open(t, memory(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.Contains(op.Path, "marker.manifest") {
			for range 12 {
				cuts = append(cuts, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: random}))
			}
		}
		return nil
	}))))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(cuts) == 0 {
		t.Fatal("the manifest did not change")
	}
	for _, cut := range cuts {
		verify(t, cut, l.snapshot())
	}
}

// cutEverywhere runs a small workload again and again and cuts at one operation after the other.
func cutEverywhere(t *testing.T, image func() *vfs.MemFS, before []attempt, percent int, random *rand.Rand) {
	stride := 3 // of about 130 operations, or 800 where there is something to recover
	if before != nil {
		stride = 11
	}
	for at := 1 + random.IntN(stride); ; at += stride {
		cut, attempts, happened := cutAt(t, image(), before, int64(at), percent, random)
		if !happened {
			t.Logf("%d operations, every %d. cut", at, stride)
			return
		}
		verify(t, cut, attempts)
	}
}

// cutAt cuts at the given operation. It returns the ledger at that moment with all that was begun later.
func cutAt(t *testing.T, fs *vfs.MemFS, before []attempt, at int64, percent int, random *rand.Rand) (cut *vfs.MemFS, attempts []attempt, happened bool) {
	t.Helper()
	var operations atomic.Int64
	var l ledger
	var known []attempt
	seed := random.Uint64()
	injector := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if operations.Add(1) == at {
			known = l.snapshot()
			cut = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 1))})
		}
		return nil
	})
	s, err := embedded.Open(memory(errorfs.Wrap(fs, injector)))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.write(s, 1, 12, random), s.Close()); err != nil {
		t.Fatal(err)
	}
	return cut, append(append([]attempt(nil), before...), merge(known, l.snapshot())...), cut != nil
}
