package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"daybook/domain/stream"
	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
)

// copied is a log with what it is copied to, both of which count.
type copied struct {
	t              *testing.T
	source, target *counted
	events         int
}

// counted counts forward reads of the whole log, events that were read, and appends. It fails after some appends, having
// done one of them or not.
type counted struct {
	eventstore.Store
	passes, events, appends atomic.Int64
	takes                   atomic.Int64 // appends, before it is down
	loses                   string       // an event type that it acknowledges and does not keep
}

var errDown = errors.New("down")

func (c *counted) ReadAll(ctx context.Context, read eventstore.LogRead) iter.Seq2[eventstore.Event, error] {
	if read.Direction == eventstore.Forward && read.Limit == 0 {
		c.passes.Add(1)
	}
	return func(yield func(eventstore.Event, error) bool) {
		for e, err := range c.Store.ReadAll(ctx, read) {
			if c.events.Add(1); !yield(e, err) {
				return
			}
		}
	}
}

func (c *counted) Append(ctx context.Context, name string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	c.appends.Add(1)
	left := c.takes.Add(-1)
	if left < -1 {
		return eventstore.Appended{}, errDown
	}
	if c.loses != "" && events[0].Type == c.loses {
		return eventstore.Appended{}, nil
	}
	at, err := c.Store.Append(ctx, name, expected, events)
	if left == -1 { // the answer is lost
		err = errDown
	}
	return at, err
}

func newCounted(t *testing.T, now func() time.Time) *counted {
	log, err := embeddedlog.Open(embeddedlog.Options{Dir: "log", FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	c := &counted{Store: log}
	c.takes.Store(1 << 30)
	return c
}

// newCopied makes a log of so many commands of one to four events.
func newCopied(t *testing.T, commands int) *copied {
	c := &copied{t: t, source: newCounted(t, nil), target: newCounted(t, nil)}
	random := rand.New(rand.NewPCG(1, 2))
	ends := map[string]eventstore.Revision{}
	for range commands {
		name := fmt.Sprintf("tab-s%d-t.%d", random.IntN(3), random.IntN(10))
		if _, met := ends[name]; !met {
			ends[name] = eventstore.NoStream
		}
		var events []eventstore.NewEvent
		for range 1 + random.IntN(4) {
			events = append(events, eventstore.NewEvent{ID: uuid.New(), Type: fmt.Sprint("t", random.IntN(5)), Data: fmt.Appendf(nil, `{"n":%d}`, random.Int())})
		}
		ends[name] = must(c.source.Store.Append(t.Context(), name, ends[name], events)).Revision
		c.events += len(events)
	}
	return c
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func (c *copied) copy() (Copied, error) {
	return copyLog(c.t.Context(), c.source, c.target, time.Now(), func(_ string, done, total uint64) {
		if total > 0 && done > total {
			c.t.Errorf("%d of %d", done, total)
		}
	})
}

// check makes sure that both logs hold the same in the same order.
func (c *copied) check() {
	c.t.Helper()
	next, stop := iter.Pull2(withoutAsides(c.target.Store.ReadAll(c.t.Context(), eventstore.LogRead{})))
	defer stop()
	for e, err := range c.source.Store.ReadAll(c.t.Context(), eventstore.LogRead{}) {
		got, gotErr, more := next()
		if err := errors.Join(err, gotErr); err != nil || !more || !sameEvent(got, e) {
			c.t.Fatalf("at %s: %+v, %v", e.Position, got, err)
		}
	}
	if extra, _, more := next(); more {
		c.t.Fatalf("it goes on with %+v", extra)
	}
}

// TestCopyReadsTwice: what is copied is read twice, and read back once; neighbours of a stream are one append.
func TestCopyReadsTwice(t *testing.T) {
	c := newCopied(t, 4000)
	got, err := c.copy()
	if err != nil || got.Events != uint64(c.events) || got.Added != got.Events || got.Resumed {
		t.Fatalf("%+v, %v", got, err)
	}
	c.check()
	wantAppends := 0
	for range runs(c.source.Store.ReadAll(t.Context(), eventstore.LogRead{})) {
		wantAppends++
	}
	if reads := c.source.events.Load(); c.source.passes.Load() != 2 || reads > int64(3*c.events) {
		t.Errorf("the original: %d passes, %d events of %d read", c.source.passes.Load(), reads, c.events)
	}
	if reads := c.target.events.Load(); reads > int64(c.events) || c.target.appends.Load() != int64(wantAppends) {
		t.Errorf("the copy: %d events of %d read back, %d appends, want %d", reads, c.events, c.target.appends.Load(), wantAppends)
	}
	again, err := c.copy()
	if err != nil || again.Added != 0 || again.Events != got.Events || !again.Resumed {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// TestNeighboursAreOneAppend: as many events of one stream as an append may have, in number and in bytes.
func TestNeighboursAreOneAppend(t *testing.T) {
	c := newCopied(t, 0)
	end := eventstore.NoStream
	add := func(events, size int) {
		var drafts []eventstore.NewEvent
		for range events {
			drafts = append(drafts, eventstore.NewEvent{ID: uuid.New(), Type: "t", Data: make([]byte, size)})
		}
		end = must(c.source.Store.Append(t.Context(), "menu-s", end, drafts)).Revision
	}
	for range 3 { // 21,000 small ones: three appends
		add(7000, 1)
	}
	for range 3 { // the last of them is full; each of these is more than half of one
		add(1, eventstore.AppendBytesMax-2)
	}
	if _, err := c.copy(); err != nil || c.target.appends.Load() != 6 {
		t.Errorf("%d appends, %v", c.target.appends.Load(), err)
	}
	c.check()
}

// TestCopyGoesOn: a copy that breaks off at any append, whose answer is lost, goes on behind it, and doubles nothing.
func TestCopyGoesOn(t *testing.T) {
	c := newCopied(t, 120)
	for added := uint64(0); ; {
		c.target.takes.Store(5)
		got, err := c.copy()
		if err == nil {
			if got.Events != uint64(c.events) || added == 0 {
				t.Errorf("%+v after %d", got, added)
			}
			break
		}
		if added += got.Added; !errors.Is(err, errDown) || got.Added == 0 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	c.check()
}

// TestCopyIsCompared: what is not as it should be in the target is found, wherever it stands, and named.
func TestCopyIsCompared(t *testing.T) {
	foreign := eventstore.NewEvent{ID: uuid.New(), Type: "foreign"}
	for name, prepare := range map[string]func(c *copied){
		"the target holds something else": func(c *copied) {
			must(c.target.Store.Append(t.Context(), "tab-s0-t.1", eventstore.NoStream, []eventstore.NewEvent{foreign}))
		},
		"the target goes on": func(c *copied) {
			must(c.copy())
			must(c.target.Store.Append(t.Context(), "other-1", eventstore.NoStream, []eventstore.NewEvent{foreign}))
		},
		"somebody else writes between": func(c *copied) {
			c.target.takes.Store(7)
			if _, err := c.copy(); !errors.Is(err, errDown) {
				t.Fatal(err)
			}
			c.target.takes.Store(1000)
			must(c.target.Store.Append(t.Context(), "other-1", eventstore.NoStream, []eventstore.NewEvent{foreign}))
		},
		"the target loses what it acknowledged": func(c *copied) {
			c.target.loses = "lost"
			must(c.source.Store.Append(t.Context(), "tab-s9-t.1", eventstore.NoStream, []eventstore.NewEvent{{ID: uuid.New(), Type: "lost"}}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCopied(t, 50)
			prepare(c)
			if got, err := c.copy(); !errors.Is(err, ErrNotACopy) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// TestKeysOfThirtyDays: the keys of the last 30 days are claimed in the copy, and no others, though the clock went back once.
func TestKeysOfThirtyDays(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	clock := now
	c := &copied{t: t, source: newCounted(t, func() time.Time { return clock }), target: newCounted(t, nil)}
	want := map[string]bool{}
	for i, days := range []float64{90, 31, 30.1, 29.9, 30.5, 12, 1, 0} {
		clock = now.Add(-time.Duration(days * 24 * float64(time.Hour)))
		id := uuid.New()
		metadata := fmt.Appendf(nil, `{"schema":1,"commandId":%q,"storeId":"s","actor":"owner:o","fingerprint":"f","answer":{"status":200}}`, id)
		e := eventstore.NewEvent{ID: uuid.New(), Type: "t", Data: []byte("{}"), Metadata: metadata}
		must(c.source.Store.Append(t.Context(), fmt.Sprintf("tab-s-t.%d", i), eventstore.NoStream, []eventstore.NewEvent{e}))
		if days < 30 {
			want[stream.Claim("s", strings.ReplaceAll(id.String(), "-", ""))] = true
		}
	}
	for range 2 { // once more, and they are there already
		got, err := copyLog(t.Context(), c.source, c.target, now, func(string, uint64, uint64) {})
		if err != nil || got.Keys != len(want) || got.Events != 8 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	for e, err := range c.target.Store.ReadAll(t.Context(), eventstore.LogRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if isAside(e) && !want[e.Stream] {
			t.Errorf("%s is claimed", e.Stream)
		}
		delete(want, e.Stream)
	}
	if len(want) > 0 {
		t.Errorf("not claimed: %v", want)
	}
}
