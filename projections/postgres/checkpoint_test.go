package postgres

import (
	"testing"

	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/projections"
)

// TestCheckpointOfAnEarlierProgram: a process of a release that named no event moves the position and leaves the event
// behind. It then counts as none, and is named again with the next batch.
func TestCheckpointOfAnEarlierProgram(t *testing.T) {
	sink := storage(t).Open(t).(*Sink)
	defer sink.Close()
	target := projections.Target{Model: "earlier", Generation: 1}
	first := projections.Checkpoint{Log: "log", Version: 3, Position: eventstore.Position{Commit: 7, Prepare: 7}, Event: uuid.New()}
	if err := sink.Apply(t.Context(), target, projections.Batch{To: first}); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.pool.Exec(t.Context(), "UPDATE read_target SET commit_position = 71, prepare_position = 7"); err != nil {
		t.Fatal(err)
	}
	moved := first
	moved.Position, moved.Event = eventstore.Position{Commit: 71, Prepare: 7}, uuid.Nil
	if at, err := sink.Checkpoint(t.Context(), target); err != nil || at != moved {
		t.Fatalf("%+v, %v, want %+v", at, err, moved)
	}
	next := moved
	next.Position, next.Event = eventstore.Position{Commit: 72, Prepare: 72}, uuid.New()
	if err := sink.Apply(t.Context(), target, projections.Batch{From: moved, To: next}); err != nil {
		t.Fatal(err)
	}
	if at, err := sink.Checkpoint(t.Context(), target); err != nil || at != next {
		t.Fatalf("%+v, %v, want %+v", at, err, next)
	}
}
