package follow

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"daybook/eventstore"
)

// Follower is one who follows the log batch by batch, and keeps by itself how far it has come. Its functions are called
// by one goroutine at a time.
type Follower struct {
	Name  string
	Types []string // of the events that it wants; empty: all
	// Start returns the position to follow from. It is called when the follower begins, and whenever it begins again.
	Start func(ctx context.Context) (eventstore.Position, error)
	// Handle takes the next batch, which may begin before the position that was handled last. At least every IdleMax it
	// is called, with an empty batch if nothing happened.
	Handle  func(ctx context.Context, batch eventstore.Batch) error
	IdleMax time.Duration
	// Failed is told why the log cannot be followed now.
	Failed func(err error)
	// Again says whether to call Handle again after an error, with the same batch, a few times. Otherwise, and after
	// that, the follower begins again with Start.
	Again func(err error) bool
	// Final says whether an error of Start stays, however long one waits: Run then ends with it.
	Final func(err error) bool
	Log   *slog.Logger
}

// Run keeps followers at work until the context ends, and then returns nil once no batch is in flight. It returns early
// with an error that is final for one of them. One that fails does not disturb the others.
//
// It is a Watermill router: each follower is a handler whose topic is its name. Middleware is called for each batch, once
// for all attempts.
func Run(ctx context.Context, feed *Feed, followers []Follower, log *slog.Logger, middlewares ...message.HandlerMiddleware) error {
	router, err := NewRouter(log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	router.AddMiddleware(middlewares...)
	for _, f := range followers {
		s := &subscriber{Follower: f, feed: feed, stop: cancel}
		handler := router.AddConsumerHandler(f.Name, f.Name, s, s.handle)
		handler.AddMiddleware(retry(f), middleware.Recoverer)
	}
	if err := router.Run(ctx); err != nil {
		return err
	}
	var ended *finalError
	if errors.As(context.Cause(ctx), &ended) {
		return ended.error
	}
	return nil
}

// finalError ends Run.
type finalError struct{ error }

// NewRouter returns a Watermill router whose words are of debug level: what went wrong is told once, by retry or by the
// subscriber.
func NewRouter(log *slog.Logger) (*message.Router, error) {
	quiet := watermill.NewSlogLoggerWithLevelMapping(log.With("part", "router"), map[slog.Level]slog.Level{
		slog.LevelInfo: slog.LevelDebug, slog.LevelWarn: slog.LevelDebug, slog.LevelError: slog.LevelDebug,
	})
	return message.NewRouter(message.RouterConfig{CloseTimeout: 10 * time.Second}, quiet)
}

// retry tries a failed batch a few times, with growing pauses. After that, and at once where trying again cannot help,
// the batch goes back to the subscriber, which starts again.
func retry(f Follower) message.HandlerMiddleware {
	return middleware.Retry{
		MaxRetries: 4, InitialInterval: 20 * time.Millisecond, MaxInterval: time.Second, Multiplier: 3, RandomizationFactor: 0.3,
		ShouldRetry: func(p middleware.RetryParams) bool {
			again := f.Again(p.Err)
			if again {
				f.Log.Warn("batch failed", "attempt", p.RetryNum+1, "error", p.Err)
			}
			return again
		},
	}.Middleware
}

// subscriber is Watermill's view of a follower: a message carries a batch, so that order and throughput survive. The
// next message comes when the last was acknowledged; a refused one makes it start again.
type subscriber struct {
	Follower
	feed    *Feed
	stop    context.CancelCauseFunc
	problem error // why it is not following
}

type batchKey struct{}

// BatchOf returns the batch that a message of Run carries.
func BatchOf(msg *message.Message) eventstore.Batch {
	return msg.Context().Value(batchKey{}).(eventstore.Batch)
}

func (s *subscriber) handle(msg *message.Message) error {
	s.problem = s.Handle(msg.Context(), BatchOf(msg))
	return s.problem
}

// Subscribe follows the log, whatever breaks, until the context ends.
func (s *subscriber) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		if err := keep(ctx, s.Log, s.Final, func() (bool, error) { return s.follow(ctx, out) }); err != nil {
			s.stop(&finalError{err})
		}
	}()
	return out, nil
}

// Close does nothing: the context given to Subscribe ends the subscription.
func (s *subscriber) Close() error { return nil }

// errRefused: the handler gave a batch back.
var errRefused = errors.New("batch was refused")

// follow delivers batches until something breaks, and says whether any was delivered.
func (s *subscriber) follow(ctx context.Context, out chan<- *message.Message) (delivered bool, err error) {
	position, err := s.Start(ctx)
	if err != nil {
		return false, err
	}
	sub, err := s.feed.Subscribe(ctx, position, eventstore.Filter{Types: s.Types})
	if err != nil {
		s.Failed(err)
		return false, err
	}
	defer sub.Close()
	batch := eventstore.Batch{Position: position}
	for last := (time.Time{}); ; last = time.Now() {
		if err := rest(ctx, last); err != nil {
			return delivered, err
		}
		if batch, err = s.next(ctx, sub, batch); err != nil {
			s.Failed(err)
			return delivered, err
		}
		if err := s.deliver(ctx, out, batch); err != nil {
			return delivered, err
		}
		delivered = true
	}
}

// batchInterval is the least time from the end of one batch to the beginning of the next. On a busy log, batches so
// become large enough to be worth their round trips to the sink; on a quiet one, nothing waits.
const batchInterval = 5 * time.Millisecond

func rest(ctx context.Context, last time.Time) error {
	pause := batchInterval - time.Since(last)
	if pause <= 0 {
		return nil
	}
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// next returns the subscription's next batch, or, when nothing happens for a while, an empty one.
func (s *subscriber) next(ctx context.Context, sub eventstore.Subscription, last eventstore.Batch) (eventstore.Batch, error) {
	batch, err := nextWithin(ctx, sub, s.IdleMax)
	if errors.Is(err, errQuiet) {
		return eventstore.Batch{Position: last.Position, CaughtUp: last.CaughtUp}, nil
	}
	return batch, err
}

// deliver sends a batch and waits for its acknowledgement.
func (s *subscriber) deliver(ctx context.Context, out chan<- *message.Message, batch eventstore.Batch) error {
	msg := message.NewMessage(batch.Position.String(), nil)
	s.problem = errRefused
	acked, err := send(context.WithValue(ctx, batchKey{}, batch), out, msg)
	if err == nil && !acked {
		err = s.problem
	}
	return err
}
