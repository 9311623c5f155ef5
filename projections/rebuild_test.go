package projections_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daybook/eventstore"
	"daybook/projections"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// TestRebuildWhileServing: read models are rebuilt while events keep coming; the new generation equals the old, is
// served, and goes on being kept up to date.
func TestRebuildWhileServing(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 11)
	r := run(t, log, sink)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				w.step()
			}
		}
	}()
	r.caughtUp(t, log)
	for _, model := range projections.Models {
		report, err := projections.Rebuild(t.Context(), log, sink, model, quiet, noProgress)
		if err != nil || report.Difference != "" {
			t.Errorf("%s: %+v, %v", model.Name, report, err)
		}
	}
	for head, err := log.Head(t.Context()); err == nil && head.Commit < 500; head, err = log.Head(t.Context()) {
		time.Sleep(time.Millisecond) // until there is something worth verifying
	}
	close(stop)
	<-stopped
	r.caughtUp(t, log)
	generations, err := sink.Generations(t.Context(), projections.Counters.Target(1).Model)
	if err != nil || generations.Active != 2 {
		t.Errorf("generations: %+v, %v", generations, err)
	}
	// What kept the old generation up to date until now notices the switch within a moment, and brings the new one there.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		audit, err := projections.Audit(t.Context(), log, sink, "", noProgress)
		if err != nil {
			t.Fatal(err)
		}
		if audit.Tabs > 0 || time.Now().After(deadline) {
			break
		}
	}
	verified(t, log, sink)
}

// TestDamageIsFoundAndMended: a counter that is off by one is named by Verify and by Audit, reported by Rebuild, and
// right afterwards; Rollback serves the damaged generation again.
func TestDamageIsFoundAndMended(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 12)
	for range 200 {
		w.step()
	}
	for _, model := range projections.Models {
		if err := projections.CatchUp(t.Context(), log, sink, model, quiet, noProgress); err != nil {
			t.Fatal(err)
		}
	}
	right := contents(t, sink, "counters")
	const partition = "s1|WEEK|2024-11-25"
	damage(t, sink, projections.Change{Partition: partition, Field: projections.CountGross, Op: projections.Add, Delta: 1})
	model := projections.Counters
	verify, err := projections.Verify(t.Context(), log, sink, newSink(t), model, quiet, noProgress)
	if err != nil || !strings.Contains(verify.Difference, partition+": gross is ") {
		t.Errorf("verify: %+v, %v", verify, err)
	}
	audit, err := projections.Audit(t.Context(), log, sink, "", noProgress)
	if err != nil || !strings.Contains(strings.Join(audit.Differences, "\n"), partition+": gross is ") {
		t.Errorf("audit: %+v, %v", audit, err)
	}
	if audit, err = projections.Audit(t.Context(), log, sink, "s0", noProgress); err != nil || len(audit.Differences) != 0 {
		t.Errorf("audit of another store: %+v, %v", audit, err)
	}
	report, err := projections.Rebuild(t.Context(), log, sink, model, quiet, noProgress)
	if err != nil || !strings.Contains(report.Difference, partition) {
		t.Errorf("rebuild: %+v, %v", report, err)
	}
	if diff := cmp.Diff(right, contents(t, sink, "counters")); diff != "" {
		t.Error(diff)
	}
	if err := projections.Rollback(t.Context(), log, sink, model); err != nil || contents(t, sink, "counters") == right {
		t.Errorf("rolled back: %v", err)
	}
	if err := projections.Rollback(t.Context(), log, sink, model); !errors.Is(err, projections.ErrNoRollback) {
		t.Errorf("rolled back again: %v", err)
	}
}

// damage changes a read model behind everybody's back.
func damage(t *testing.T, sink projections.Sink, c projections.Change) {
	t.Helper()
	target := projections.Counters.Target(1)
	at, err := sink.Checkpoint(t.Context(), target)
	to := at
	to.Resumed++
	if err == nil {
		err = sink.Apply(t.Context(), target, projections.Batch{From: at, To: to, Changes: []projections.Change{c}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestMissingAndAddedCountersAreNamed: Audit finds what is gone, and what no order made.
func TestMissingAndAddedCountersAreNamed(t *testing.T) {
	for name, c := range map[string]projections.Change{
		"missing":           {Partition: "s1|MONTH|2024-11-01", Field: projections.CountTabs, Op: projections.Delete},
		"added":             {Partition: "s1|MONTH|2024-11-01", Field: "amount|pX|Y", Op: projections.Add, Delta: 3},
		"added to a period": {Partition: "s1|MONTH|1999-01-01", Field: projections.CountTabs, Op: projections.Add, Delta: 3},
	} {
		t.Run(name, func(t *testing.T) {
			log, sink := newLog(t), newSink(t)
			w := newWorld(t, log, 13)
			for range 100 {
				w.step()
			}
			if err := projections.CatchUp(t.Context(), log, sink, projections.Counters, quiet, noProgress); err != nil {
				t.Fatal(err)
			}
			damage(t, sink, c)
			audit, err := projections.Audit(t.Context(), log, sink, "", noProgress)
			if err != nil || !strings.Contains(strings.Join(audit.Differences, "\n"), c.Partition) {
				t.Errorf("audit: %+v, %v", audit, err)
			}
			verify, err := projections.Verify(t.Context(), log, sink, newSink(t), projections.Counters, quiet, noProgress)
			if err != nil || !strings.Contains(verify.Difference, c.Partition) {
				t.Errorf("verify: %+v, %v", verify, err)
			}
		})
	}
}

// TestOlderVersionIsRebuilt: what an older program made is built anew before it is served.
func TestOlderVersionIsRebuilt(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 14)
	for range 100 {
		w.step()
	}
	old := projections.Tables
	old.Version = 0
	if err := projections.CatchUp(context.Background(), log, sink, old, quiet, noProgress); err != nil {
		t.Fatal(err)
	}
	r := projections.NewRunner(projections.Tables, sink, log, quiet, time.Now)
	if _, err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.Status().Persisted; got.Version != projections.Tables.Version || got.Position == (eventstore.Position{}) {
		t.Errorf("it stands at %+v", got)
	}
}
