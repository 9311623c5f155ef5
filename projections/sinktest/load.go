package sinktest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daybook/projections"
)

// Load is a long run of small batches, one for each position from 1, for tests in which something dies meanwhile.
// What the target must hold follows from its checkpoint alone.
type Load struct {
	Target projections.Target
}

// Run applies batches up to a position as a projection does: whatever happens, it reads the checkpoint and goes on from
// there. It calls applied after each batch that it knows was applied, and returns an error only for what a projection
// could not cope with, or when the context ends.
func (l Load) Run(ctx context.Context, sink projections.Sink, until uint64, applied func(position uint64)) error {
	for {
		stands, err := sink.Checkpoint(ctx, l.Target)
		for err == nil && stands.Position.Commit < until {
			if err = sink.Apply(ctx, l.Target, l.batch(stands)); err == nil {
				stands = next(stands)
				applied(stands.Position.Commit)
			}
		}
		switch {
		case err == nil || ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, projections.ErrSinkUnavailable) || errors.Is(err, projections.ErrHeld):
			time.Sleep(2 * time.Millisecond) // a projection backs off, too
		case !errors.Is(err, projections.ErrFenced):
			return err
		}
	}
}

func (l Load) batch(from projections.Checkpoint) projections.Batch {
	n := from.Position.Commit + 1
	amount := int64(n*7919%1000) - 300
	return batch(from,
		add("left", "batches", 1), add("left", "moved", amount),
		add("right", "batches", 1), add("right", "moved", -amount),
		add("sums", fmt.Sprint(n%97), int64(n)),
		put("rows", fmt.Sprint(n%50), fmt.Sprintf(`{"n":%d}`, n)),
		remove("rows", fmt.Sprint((n+25)%50)),
	)
}

// Check fails the test unless the target holds exactly what its checkpoint says, and returns that position.
func (l Load) Check(t testing.TB, sink projections.Sink) uint64 {
	t.Helper()
	all := content{}
	stands, err := sink.Scan(t.Context(), l.Target, func(partition string, entry projections.Entry) error {
		if all[partition] == nil {
			all[partition] = map[string]string{}
		}
		all[partition][entry.Field] = text(entry.Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.expected(stands.Position.Commit), all); diff != "" {
		t.Fatalf("at position %v (-want +got)\n%s", stands.Position, diff)
	}
	return stands.Position.Commit
}

func (l Load) expected(position uint64) content {
	all := content{}
	stands := projections.Checkpoint{}
	for stands.Position.Commit < position {
		b := l.batch(stands)
		all, _ = all.after(b.Changes)
		stands = b.To
	}
	return all
}
