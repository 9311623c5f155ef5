package projections_test

import (
	"testing"

	"daybook/eventstore"
	"daybook/projections"
)

// TestCheckpoints: a checkpoint is there for the next process, moves forward only, whoever moves it, and counts as lost
// in another log, or an older copy of this one.
func TestCheckpoints(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 41).steps(30)
	all := w.events()
	load := func(store eventstore.Store) (*projections.Checkpoints, eventstore.Position) {
		t.Helper()
		c := projections.NewCheckpoints(sink, store)
		at, err := c.Load(t.Context(), "policy")
		if err != nil {
			t.Fatal(err)
		}
		return c, at
	}
	save := func(c *projections.Checkpoints, at eventstore.Position) {
		t.Helper()
		if err := c.Save(t.Context(), "policy", at); err != nil {
			t.Fatal(err)
		}
	}
	want := func(store eventstore.Store, position eventstore.Position) *projections.Checkpoints {
		t.Helper()
		c, at := load(store)
		if at != position {
			t.Errorf("it stands at %v, want %v", at, position)
		}
		return c
	}
	one, two := want(log, eventstore.Position{}), want(log, eventstore.Position{})
	save(one, all[5].Position)
	save(two, all[3].Position) // fenced: it takes where one stands
	want(log, all[5].Position)
	save(two, all[4].Position)
	want(log, all[5].Position)
	save(two, all[9].Position)
	want(log, all[9].Position)
	if got := contentsOf(t, sink, projections.Target{Model: "follow_policy", Generation: 1}); got != "" {
		t.Errorf("it has rows: %s", got)
	}

	other := newLog(t)
	v := newWorld(t, other, 42).steps(30)
	in := want(other, eventstore.Position{})
	save(in, v.events()[7].Position)
	want(other, v.events()[7].Position)
}

// TestCheckpointsOfAnOlderCopy: where the log is an older copy, everything comes again, and is noted again.
func TestCheckpointsOfAnOlderCopy(t *testing.T) {
	r := restore(t, 43)
	newer := projections.Checkpoint{Log: identity(t, r.older), Position: eventstore.Position{Commit: 1 << 40, Prepare: 1 << 40}}
	target := projections.Target{Model: "follow_policy", Generation: 1}
	if err := r.sink.Apply(t.Context(), target, projections.Batch{To: newer}); err != nil {
		t.Fatal(err)
	}
	for want, rounds := (eventstore.Position{}), 0; rounds < 3; rounds++ {
		c := projections.NewCheckpoints(r.sink, r.older)
		at, err := c.Load(t.Context(), "policy")
		if err != nil || at != want {
			t.Fatalf("it stands at %v, want %v: %v", at, want, err)
		}
		r.world.steps(10)
		if want, err = r.older.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.Save(t.Context(), "policy", want); err != nil {
			t.Fatal(err)
		}
	}
}
