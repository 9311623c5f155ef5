package projections

import (
	"context"
	"errors"
	"log/slog"

	"daybook/follow"
)

// Run keeps the runners' read models up to date until the context ends, and then returns nil once no batch is in
// flight. It returns ErrForeign if one of them does not belong to the log: that no waiting will mend. The feed is of the
// runners' log.
func Run(ctx context.Context, feed *follow.Feed, runners []*Runner, metrics *Metrics, log *slog.Logger) error {
	followers := make([]follow.Follower, 0, len(runners))
	for _, r := range runners {
		metrics.watch(r)
		followers = append(followers, r.follower())
	}
	return follow.Run(ctx, feed, followers, log, metrics.middleware)
}

func (r *Runner) follower() follow.Follower {
	return follow.Follower{
		Name: r.Model.Name, Types: r.Model.Types, Log: r.log,
		Start: r.start, Handle: r.handle, IdleMax: sinkCheckInterval,
		Failed: func(err error) { _ = r.failed(err) },
		Again:  func(err error) bool { return !errors.Is(err, errMoved) },
		Final:  func(err error) bool { return errors.Is(err, ErrForeign) },
	}
}
