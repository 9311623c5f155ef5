package embedded_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

// A write or sync of the write-ahead log fails: the append is not acknowledged, nothing more is written, nothing that
// may not be durable is shown, what is durable is, and the next Open finds it.
func TestFailedWrite(t *testing.T) {
	syncs := []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}
	for name, fault := range map[string]struct {
		kinds []errorfs.OpKind
		err   error
	}{
		"EIO on sync":     {syncs, syscall.EIO},
		"ENOSPC on sync":  {syncs, syscall.ENOSPC},
		"EIO on write":    {[]errorfs.OpKind{errorfs.OpFileWrite}, syscall.EIO},
		"ENOSPC on write": {[]errorfs.OpKind{errorfs.OpFileWrite}, syscall.ENOSPC},
	} {
		t.Run(name, func(t *testing.T) {
			var broken atomic.Bool
			fs := vfs.NewCrashableMem()
			s, err := embedded.Open(memory(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if broken.Load() && strings.HasSuffix(op.Path, ".log") {
					for _, kind := range fault.kinds {
						if op.Kind == kind {
							return fault.err
						}
					}
				}
				return nil
			}))))
			if err != nil {
				t.Fatal(err)
			}
			var l ledger
			if err := l.write(s, 1, 30, rand.New(rand.NewPCG(1, 1))); err != nil {
				t.Fatal(err)
			}
			broken.Store(true)
			if err := l.write(s, 2, 1, rand.New(rand.NewPCG(2, 2))); !errors.Is(err, eventstore.ErrUnavailable) || !errors.Is(err, fault.err) {
				t.Fatalf("append: %v", err)
			}
			broken.Store(false)
			if err := l.write(s, 3, 1, rand.New(rand.NewPCG(3, 3))); !errors.Is(err, eventstore.ErrUnavailable) {
				t.Fatalf("append after a failed one: %v", err)
			}
			wantOnlyAcknowledged(t, s, l.snapshot())
			if err := s.Close(); !errors.Is(err, eventstore.ErrUnavailable) {
				t.Errorf("close: %v", err)
			}
			verify(t, fs.CrashClone(vfs.CrashCloneCfg{}), l.snapshot()) // with a reboot between
			verify(t, fs, l.snapshot())                                 // without
		})
	}
}

// wantOnlyAcknowledged demands that reads and followers see exactly what was acknowledged.
func wantOnlyAcknowledged(t *testing.T, s *embedded.Store, attempts []attempt) {
	t.Helper()
	ctx := context.Background()
	var acked []attempt
	for _, a := range attempts {
		if a.acked {
			acked = append(acked, a)
			continue
		}
		for range s.ReadStream(ctx, a.stream, eventstore.StreamRead{Direction: eventstore.Backward, From: eventstore.Last}) {
			t.Fatalf("stream %s of an append that failed can be read", a.stream)
		}
	}
	wantOnce(t, s, acked)
	head, err := s.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := s.Subscribe(ctx, eventstore.Position{}, eventstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for {
		b, err := sub.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if b.Position.Compare(head) > 0 {
			t.Fatalf("followed to %v, the head is %v", b.Position, head)
		}
		if b.CaughtUp {
			return
		}
	}
}

// While a sync takes its time, nobody sees the event, and an append whose context ends returns.
func TestNothingIsSeenBeforeItIsDurable(t *testing.T) {
	ctx := context.Background()
	var slow atomic.Bool
	syncing, goOn := make(chan struct{}), make(chan struct{})
	s := open(t, memory(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		isSync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if isSync && strings.HasSuffix(op.Path, ".log") && slow.CompareAndSwap(true, false) {
			close(syncing)
			<-goOn
		}
		return nil
	}))))
	appendSome(t, s, "tab-a-1", 1)
	sub, err := s.Subscribe(ctx, eventstore.Position{}, eventstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := sub.Next(ctx); err != nil || !b.CaughtUp || len(b.Events) != 1 {
		t.Fatalf("got %+v, %v", b, err)
	}
	given := []eventstore.NewEvent{{ID: uuid.New(), Type: "x", Data: []byte("{}")}}
	slow.Store(true)
	short, cancel := context.WithCancel(ctx)
	result := make(chan error, 2)
	go func() {
		_, err := s.Append(short, "tab-a-1", 0, given)
		result <- err
	}()
	<-syncing
	wantFirstOnly(t, s)
	go func() { // waits behind the first and is given up before its turn
		_, err := s.Append(short, "tab-a-2", eventstore.NoStream, given)
		result <- err
	}()
	cancel()
	for range 2 {
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("append: %v", err)
		}
	}
	close(goOn)
	if b, err := sub.Next(ctx); err != nil || len(b.Events) != 1 || b.Events[0].ID != given[0].ID {
		t.Errorf("got %+v, %v", b, err)
	}
	if a, err := s.Append(ctx, "tab-a-1", 0, given); err != nil || a.Position.Commit != 2 {
		t.Errorf("repeated: %+v, %v", a, err)
	}
	for range s.ReadStream(ctx, "tab-a-2", eventstore.StreamRead{}) {
		t.Error("an append that was given up before its turn was written")
	}
}

// wantFirstOnly demands that every way of reading shows the first event of tab-a-1 and no other.
func wantFirstOnly(t *testing.T, s *embedded.Store) {
	t.Helper()
	ctx := context.Background()
	for name, seq := range map[string]func(func(eventstore.Event, error) bool){
		"stream":           s.ReadStream(ctx, "tab-a-1", eventstore.StreamRead{}),
		"stream backward":  s.ReadStream(ctx, "tab-a-1", eventstore.StreamRead{Direction: eventstore.Backward, From: eventstore.Last}),
		"stream from 1":    s.ReadStream(ctx, "tab-a-1", eventstore.StreamRead{Direction: eventstore.Backward, From: 1}),
		"log":              s.ReadAll(ctx, eventstore.LogRead{}),
		"log backward":     s.ReadAll(ctx, eventstore.LogRead{Direction: eventstore.Backward}),
		"partition":        s.ReadPartition(ctx, "tab-a", eventstore.PartitionRead{}),
		"partition beyond": s.ReadPartition(ctx, "tab-a", eventstore.PartitionRead{To: eventstore.Position{Commit: 9, Prepare: 9}}),
	} {
		n := 0
		for e, err := range seq {
			if n++; err != nil || e.Position.Commit != 1 {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d events", name, n)
		}
	}
	if head, err := s.Head(ctx); err != nil || head.Commit != 1 {
		t.Errorf("head is %v, %v", head, err)
	}
}
