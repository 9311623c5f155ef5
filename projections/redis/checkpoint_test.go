package redis

import (
	"errors"
	"testing"

	"daybook/internal/services"
	"daybook/projections"
)

// TestTargetOfAnEarlierProgram: what a release left that did not count what it stored cannot be trusted to be whole. It is
// made again from the log, and nothing of it is counted on from.
func TestTargetOfAnEarlierProgram(t *testing.T) {
	address := services.Redis(t)
	admin, sink := raw(t, address), open(t, address)
	defer sink.Close()
	err := errors.Join(
		admin.Set(t.Context(), targetKey(load.Target, "checkpoint"), "3 0 7 7 log", 0).Err(),
		admin.HSet(t.Context(), partitionKey(load.Target, "left"), "batches", "7", "gone", "1").Err(),
		admin.HSet(t.Context(), partitionKey(load.Target, "elsewhere"), "n", "1").Err(),
		admin.ZAdd(t.Context(), partitionsKey(load.Target), member("left"), member("elsewhere")).Err(),
	)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := sink.Checkpoint(t.Context(), load.Target); err != nil || at != (projections.Checkpoint{}) {
		t.Fatalf("%+v, %v", at, err)
	}
	run(t, sink, 10)
	if n, err := admin.Exists(t.Context(), targetKey(load.Target, "checkpoint"), partitionKey(load.Target, "elsewhere")).Result(); err != nil || n > 0 {
		t.Fatalf("%d keys are left over, %v", n, err)
	}
}
