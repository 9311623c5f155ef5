package redis

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"daybook/internal/services"
	"daybook/projections"
)

// TestHoldIsRenewed scans for much longer than a hold lasts. All the while, nothing may be applied.
func TestHoldIsRenewed(t *testing.T) {
	sink := open(t, services.Redis(t))
	defer sink.Close()
	sink.holdTime = time.Second
	run(t, sink, 10)
	refusals := 0
	stands, err := sink.Scan(t.Context(), load.Target, func(partition string, _ projections.Entry) error {
		if partition != "left" || refusals > 0 {
			return nil
		}
		for began := time.Now(); time.Since(began) < 3*sink.holdTime; refusals++ {
			ctx, cancel := context.WithTimeout(t.Context(), sink.holdTime)
			err := load.Run(ctx, sink, 11, func(uint64) { t.Error("applied") })
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("apply: %w", err)
			}
		}
		return nil
	})
	if err != nil || stands.Position.Commit != 10 || refusals == 0 {
		t.Fatalf("stands at %+v after %d refusals, %v", stands, refusals, err)
	}
	run(t, sink, 11)
}

// TestHoldEnds leaves a hold behind, as a scan does whose process dies.
func TestHoldEnds(t *testing.T) {
	sink := open(t, services.Redis(t))
	defer sink.Close()
	sink.holdTime = time.Second
	run(t, sink, 10)
	dead := hold{sink: sink, target: load.Target, scan: "dead"}
	if _, err := dead.take(t.Context(), "begin"); err != nil {
		t.Fatal(err)
	}
	if err := sink.Drop(t.Context(), load.Target); !errors.Is(err, projections.ErrActive) {
		t.Fatal(err)
	}
	if err := sink.Activate(t.Context(), load.Target.Model, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := dead.page(t.Context(), "-"); err != nil {
		t.Fatalf("a page while it is held: %v", err)
	}
	began := time.Now()
	run(t, sink, 11) // waits for the end of the hold
	if waited := time.Since(began); waited < sink.holdTime/2 {
		t.Errorf("applied after %v", waited)
	}
	if _, err := dead.page(t.Context(), "-"); !errors.Is(err, errHoldLost) {
		t.Errorf("a page without a hold: %v", err)
	}
	if _, err := dead.take(t.Context(), "renew"); !errors.Is(err, errHoldLost) {
		t.Errorf("a renewal without a hold: %v", err)
	}
}
