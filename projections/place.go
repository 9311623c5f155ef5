package projections

import (
	"context"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// place is where an event of the log stands. Checkpoints are such places only, so that each names its event; a
// position between two events, as a subscription may tell, says nothing of which history it is of. The zero place is
// before the first event.
type place struct {
	position eventstore.Position
	event    uuid.UUID
}

func placeOf(e eventstore.Event) place { return place{e.Position, e.ID} }

// lastPlace returns the place of the last event at or before a position.
func lastPlace(ctx context.Context, store eventstore.Store, position eventstore.Position) (place, error) {
	e, is, err := store.At(ctx, position)
	switch {
	case err != nil:
		return place{}, err
	case is:
		return placeOf(e), nil
	case position.IsZero(): // read backward, it would be the end
		return place{}, nil
	}
	before := eventstore.LogRead{After: position, Direction: eventstore.Backward, Limit: 1}
	for e, err := range store.ReadAll(ctx, before) {
		return placeOf(e), err
	}
	return place{}, nil
}
