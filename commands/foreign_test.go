package commands_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"daybook/domain/stream"
	"daybook/eventstore"
)

// TestAForeignEventInAStreamOfOurs: what another application wrote there, or a link, ends what needs the stream, with its
// place, and changes nothing.
func TestAForeignEventInAStreamOfOurs(t *testing.T) {
	for name, foreign := range map[string]eventstore.NewEvent{
		"another type": {Type: "note.added", Data: []byte(`{"text":"hello"}`)},
		"a link":       {Type: "$>", Data: []byte(`0@tab-x-y`)},
		"no JSON":      {Type: "product.added.v1", Data: []byte(`hello`)},
		"not our metadata": {
			Type: "note.added", Data: []byte(`{}`), Metadata: []byte(`[1]`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRestaurant(t)
			menu, last := stream.Menu(r.store.StoreID), eventstore.NoStream
			for e, err := range r.log.ReadStream(t.Context(), menu, eventstore.StreamRead{}) {
				if err != nil {
					t.Fatal(err)
				}
				last = e.Revision
			}
			foreign.ID = uuid.New()
			at, err := r.log.Append(t.Context(), menu, last, []eventstore.NewEvent{foreign})
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.order("k1", 1)
			if err == nil || !strings.Contains(err.Error(), menu) || !strings.Contains(err.Error(), "revision 1") {
				t.Errorf("the order says %v, want stream %s and revision %d", err, menu, at.Revision)
			}
			if head, err := r.log.Head(t.Context()); err != nil || head != at.Position {
				t.Errorf("the log goes on to %v, %v, from %v", head, err, at.Position)
			}
		})
	}
}
