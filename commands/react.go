package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"daybook/commands/policies"
	"daybook/domain/event"
	"daybook/domain/refusal"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/eventstore"
	"daybook/follow"
)

// React keeps policies at work until the context ends, and then returns nil once no command is in flight. Each follows the
// log from its checkpoint, which moves after its commands were carried out. Several processes may do so at once: the state
// of a command's target decides.
//
// A refused command is an answer, and is counted. Where the log cannot be reached, the event comes again until it can. An
// event for which something else fails, five times, stops its stream for this policy; others go on. The checkpoint then
// stays before it, so that a restart, of a mended program perhaps, tries again.
func (s *Service) React(
	ctx context.Context, feed *follow.Feed, checkpoints follow.Checkpoints, all []policies.Policy, metrics *PolicyMetrics, log *slog.Logger,
) error {
	router, err := follow.NewRouter(log)
	if err != nil {
		return err
	}
	for _, p := range all {
		r := &reactor{
			Checkpoints: checkpoints, service: s, policy: p, metrics: metrics, log: log.With("policy", p.Name), stopped: map[string]bool{},
		}
		options := follow.SubscriberOptions{Types: p.Types, Consumer: p.Name, Checkpoints: r, Log: r.log}
		handler := router.AddConsumerHandler(p.Name, follow.AllStreams, follow.NewSubscriber(feed, options), r.handle)
		handler.AddMiddleware(r.stopping, retrying.Middleware, middleware.Recoverer)
	}
	return router.Run(ctx)
}

// retrying tries an event again where that may help. After that it comes again if the log cannot be reached, or else its
// stream stops.
var retrying = middleware.Retry{
	MaxRetries: 4, InitialInterval: 20 * time.Millisecond, MaxInterval: time.Second, Multiplier: 3, RandomizationFactor: 0.3,
}

// reactor is one policy at work. Its methods are called by one goroutine at a time.
type reactor struct {
	follow.Checkpoints
	service *Service
	policy  policies.Policy
	metrics *PolicyMetrics
	log     *slog.Logger
	stopped map[string]bool // streams with an event that could not be handled
}

// stoppedMax bounds how many streams are stopped. More, and the policy itself is at fault: it stands still.
const stoppedMax = 1000

// reactMax bounds one attempt to carry out what follows from an event.
const reactMax = 10 * time.Second

func (r *reactor) handle(msg *message.Message) error {
	e, err := follow.EventOf(msg)
	if err != nil {
		return err
	}
	if r.stopped[e.Stream] {
		return nil
	}
	ctx, cancel := context.WithTimeout(msg.Context(), reactMax)
	defer cancel()
	wanted, err := r.policy.React(e)
	if err != nil {
		return err
	}
	for n, c := range wanted {
		if err := r.carryOut(ctx, e, n, c); err != nil {
			return err
		}
	}
	r.metrics.events.WithLabelValues(r.policy.Name).Inc()
	return nil
}

// carryOut carries out the n-th command that follows from an event.
func (r *reactor) carryOut(ctx context.Context, e eventstore.Event, n int, c policies.Command) error {
	req, err := r.service.reaction(r.policy.Name, e, n)
	if err != nil {
		return err
	}
	outcome := "done"
	err = r.service.carryOut(ctx, req, c)
	var no *refusal.Refusal
	switch {
	case errors.As(err, &no):
		outcome = "refused"
		r.log.Info("what follows from an event was refused", "stream", e.Stream, "revision", e.Revision, "target", c.Stream, "code", no.Code)
	case err != nil:
		return fmt.Errorf("command for %s: %w", c.Stream, err)
	}
	r.metrics.commands.WithLabelValues(r.policy.Name, outcome).Inc()
	return nil
}

// stopping stops the stream of an event that could not be handled, unless that was only because the log could not be
// reached, or the server ends.
func (r *reactor) stopping(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		out, err := next(msg)
		if err == nil || msg.Context().Err() != nil {
			return out, err
		}
		place := []any{"stream", msg.Metadata[follow.Stream], "revision", msg.Metadata[follow.Revision], "error", err}
		if reachable(err) && len(r.stopped) < stoppedMax {
			r.stopped[msg.Metadata[follow.Stream]] = true
			r.metrics.stopped.WithLabelValues(r.policy.Name).Set(float64(len(r.stopped)))
			r.log.Error("stream stopped: an event cannot be handled; a restart tries again", place...)
			return nil, nil
		}
		r.log.Warn("event cannot be handled now: trying again", place...)
		return nil, err
	}
}

// reachable says that an error is not of a log that cannot be reached, or that is changed faster by others.
func reachable(err error) bool {
	var conflict *eventstore.Conflict
	return !errors.Is(err, eventstore.ErrUnavailable) && !errors.Is(err, eventstore.ErrClosed) && !errors.Is(err, eventstore.ErrTaken) &&
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) && !errors.As(err, &conflict)
}

// Save moves the checkpoint, unless a stream is stopped.
func (r *reactor) Save(ctx context.Context, consumer string, at eventstore.Position) error {
	if len(r.stopped) > 0 {
		return nil
	}
	if err := r.Checkpoints.Save(ctx, consumer, at); err != nil {
		return err
	}
	r.metrics.position.WithLabelValues(consumer).Set(float64(at.Commit))
	return nil
}

// reaction makes the request of the n-th command that follows from an event, the same each time. It continues what the
// event correlates with.
func (s *Service) reaction(policy string, e eventstore.Event, n int) (Request, error) {
	meta, err := readMetadata(e)
	if err != nil {
		return Request{}, err
	}
	_, storeID, _ := stream.Parse(e.Stream)
	req := Request{
		CommandID: uuid.NewSHA1(namespace, fmt.Appendf(nil, "policy %s\n%s\n%d", policy, e.ID, n)),
		Actor:     "policy:" + policy, StoreID: storeID, Correlation: meta.Correlation, Causation: e.ID.String(), secret: s.secret,
	}
	if req.Correlation == "" && meta.CommandID != uuid.Nil {
		req.Correlation = meta.CommandID.String()
	}
	return req, nil
}

// carryOut carries out what a policy wants. A new kind of command is a case here.
func (s *Service) carryOut(ctx context.Context, req Request, c policies.Command) error {
	switch wanted := c.Wanted.(type) {
	case store.ClaimStore:
		return carryOut(ctx, s.owners, c.Stream, req, wanted)
	}
	return fmt.Errorf("no aggregate takes a %T", c.Wanted)
}

// carryOut carries out a command that nobody waits for. Error: a refusal, and the event store's.
func carryOut[S, C any, E event.Stored](ctx context.Context, a *aggregate[S, C, E], name string, req Request, wanted C) error {
	_, err := a.execute(ctx, name, req, decision[S, C, E]{
		decide: func(S) (C, error) { return wanted, nil },
		answer: func(S, []E) (any, error) { return nil, nil },
	})
	return err
}

// PolicyMetrics are what operators see of policies.
type PolicyMetrics struct {
	events, commands  *prometheus.CounterVec
	stopped, position *prometheus.GaugeVec
}

// NewPolicyMetrics registers the policies' metrics.
func NewPolicyMetrics(registry prometheus.Registerer) *PolicyMetrics {
	m := &PolicyMetrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_policy_events_total", Help: "Events delivered to a policy and handled.",
		}, []string{"policy"}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_policy_commands_total", Help: "Commands of a policy, done (there may have been nothing left to do) or refused.",
		}, []string{"policy", "outcome"}),
		stopped: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "daybook_policy_stopped_streams", Help: "Streams that a policy stopped following, until a restart.",
		}, []string{"policy"}),
		position: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "daybook_policy_position", Help: "Position in the log up to which a policy has handled everything.",
		}, []string{"policy"}),
	}
	registry.MustRegister(m.events, m.commands, m.stopped, m.position)
	return m
}
