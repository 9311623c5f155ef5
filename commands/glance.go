package commands

import (
	"context"

	"daybook/eventstore"
)

// glance returns a stream's state as this process knows it, which may be older than the log. It reads the log only if it
// knows nothing of the stream.
func (a *aggregate[S, C, E]) glance(ctx context.Context, name string) (S, error) {
	s, release, err := a.hold(ctx, name)
	if err != nil {
		var none S
		return none, err
	}
	defer release()
	if s.revision == eventstore.NoStream {
		err = a.refresh(ctx, name, s)
	}
	return s.state, err
}
