package redis

import (
	"testing"

	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/projections"
)

// TestCheckpointOfAnEarlierProgram: what a release that named no event stored is read, and moved on from.
func TestCheckpointOfAnEarlierProgram(t *testing.T) {
	sink := storage(t).Open(t).(*Sink)
	defer sink.Close()
	target := projections.Target{Model: "earlier", Generation: 1}
	if err := sink.client.Set(t.Context(), checkpointKey(target), "3 1 7 9 log of 2 words", 0).Err(); err != nil {
		t.Fatal(err)
	}
	earlier := projections.Checkpoint{Log: "log of 2 words", Version: 3, Position: eventstore.Position{Commit: 7, Prepare: 9}, Resumed: 1}
	if at, err := sink.Checkpoint(t.Context(), target); err != nil || at != earlier {
		t.Fatalf("%+v, %v", at, err)
	}
	next := earlier
	next.Position, next.Event = eventstore.Position{Commit: 8, Prepare: 10}, uuid.New()
	if err := sink.Apply(t.Context(), target, projections.Batch{From: earlier, To: next}); err != nil {
		t.Fatal(err)
	}
	if at, err := sink.Checkpoint(t.Context(), target); err != nil || at != next {
		t.Fatalf("%+v, %v, want %+v", at, err, next)
	}
}
