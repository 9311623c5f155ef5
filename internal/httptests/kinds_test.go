package httptests

import (
	"context"
	"testing"

	"daybook/domain/command"
	"daybook/domain/stream"
	"daybook/eventstore"
)

// notByRoutes are the kinds of streams that no route writes, and who does.
var notByRoutes = map[string]string{
	stream.ImportCategory: "daybook import, on this machine",
	stream.ClaimCategory:  "commands over a log without an index",
	stream.ParkedCategory: "daybook parked, on this machine",
}

// written returns how many events of each kind of streams the log holds after a position. It fails the test for each
// that the list of kinds does not know.
func (w *world) written(t *testing.T, after eventstore.Position) map[string]int {
	t.Helper()
	kinds := map[string]int{}
	for e, err := range w.app.Store.ReadAll(context.Background(), eventstore.LogRead{After: after}) {
		if err != nil {
			t.Fatal(err)
		}
		category, _, _ := stream.Parse(e.Stream)
		kind, listed := stream.KindOf(category)
		if !listed {
			t.Errorf("stream %s is of no kind", e.Stream)
		}
		if e.Type != command.UnchangedType && kind.Catalog[e.Type] == nil {
			t.Errorf("stream %s holds %s, which its kind does not", e.Stream, e.Type)
		}
		kinds[category]++
	}
	return kinds
}

// everyKindWritten fails the test for each kind of streams that routes write and these have not: then a table of
// operations lacks an aggregate.
func everyKindWritten(t *testing.T, kinds map[string]int) {
	t.Helper()
	for _, k := range stream.Kinds() {
		if by := notByRoutes[k.Category]; (kinds[k.Category] > 0) != (by == "") {
			t.Errorf("%d events are in streams of kind %s, which is written by %q", kinds[k.Category], k.Category, by)
		}
	}
	for category := range notByRoutes {
		if _, listed := stream.KindOf(category); !listed {
			t.Errorf("%s is no kind", category)
		}
	}
}
