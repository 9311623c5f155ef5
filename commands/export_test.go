package commands

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daybook/commands/policies"
	"daybook/eventstore"
	"daybook/follow"
)

// NewRequest is what the routes make of an HTTP request.
var NewRequest = newRequest

// NewID is the id that a request's command makes.
func NewID(r Request, prefix string) string { return r.newID(prefix) }

// Fold reads a stream of a kind that Caches names.
func (s *Service) Fold(ctx context.Context, kind, name string) (err error) {
	switch kind {
	case "tabs":
		_, err = s.tabs.load(ctx, name)
	case "menus":
		_, err = s.menus.load(ctx, name)
	case "stores":
		_, err = s.stores.load(ctx, name)
	case "codes":
		_, err = s.codes.load(ctx, name)
	default:
		err = fmt.Errorf("no kind %s", kind)
	}
	return err
}

// Followed waits until a service has folded what others appended up to a position, and knows it.
func (s *Service) Followed(ctx context.Context, position eventstore.Position) error {
	if err := s.others.place.reach(ctx, position); err != nil {
		return err
	}
	for !s.others.followed(s.others.tick()) {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// LateAtMost replaces lateMax. It must not run while the service is used.
func (s *Service) LateAtMost(late time.Duration) { s.others.late = late }

// Follows says whether others are followed now.
func (s *Service) Follows() bool { return s.others.since.Load() != 0 }

// Handle has a policy handle one event, as React does.
func (s *Service) Handle(ctx context.Context, p policies.Policy, e eventstore.Event) error {
	r := &reactor{service: s, policy: p, metrics: NewPolicyMetrics(prometheus.NewRegistry()), log: slog.New(slog.DiscardHandler)}
	msg := follow.MessageOf(e)
	msg.SetContext(ctx)
	return r.handle(msg)
}
