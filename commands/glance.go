package commands

import "context"

// glance returns a stream's state as this process knows it, which may be older than the log. It reads the log only if it
// knows nothing of the stream.
func (a *aggregate[S, C, E]) glance(ctx context.Context, name string) (S, error) {
	return a.look(ctx, name, func(*foldedStream[S]) bool { return true })
}
