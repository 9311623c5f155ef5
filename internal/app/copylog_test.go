package app

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
)

// TestTooLargeEventsAreNamed: a log from before today's limit may hold events that the target refuses. They are named
// before anything is written.
func TestTooLargeEventsAreNamed(t *testing.T) {
	open := func(max int) *embeddedlog.Store {
		log, err := embeddedlog.Open(embeddedlog.Options{
			Dir: "log", FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler), AppendBytesMax: max,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { log.Close() })
		return log
	}
	source, target := open(1<<20), open(0)
	for i, size := range []int{10, eventstore.AppendBytesMax + 1} {
		e := eventstore.NewEvent{ID: uuid.New(), Type: "t", Data: make([]byte, size)}
		if _, err := source.Append(t.Context(), "tab-s-1", eventstore.Revision(i-1), []eventstore.NewEvent{e}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := copyLog(t.Context(), source, target, time.Now(), func(string, uint64, uint64) {})
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "stream tab-s-1 revision 1: 1000003 bytes") {
		t.Errorf("got %v", err)
	}
	if head, err := target.Head(t.Context()); err != nil || !head.IsZero() {
		t.Errorf("the target is at %s, %v", head, err)
	}
}
