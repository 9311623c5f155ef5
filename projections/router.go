package projections

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

// Run keeps the runners' read models up to date until the context ends, and then returns nil once no batch is in
// flight. It returns ErrForeign if one of them does not belong to the log: that no waiting will mend.
//
// It is a Watermill router: each runner is a handler whose topic is the model's name.
func Run(ctx context.Context, runners []*Runner, metrics *Metrics, log *slog.Logger) error {
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 10 * time.Second}, routerLog(log))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	router.AddMiddleware(metrics.middleware, retry(log), middleware.Recoverer)
	for _, r := range runners {
		r := r
		metrics.watch(r)
		router.AddConsumerHandler(r.Model.Name, r.Model.Name, &subscriber{r, cancel}, func(msg *message.Message) error {
			return r.handle(msg.Context(), batchOf(msg))
		})
	}
	if err := router.Run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrForeign) {
		return cause
	}
	return nil
}

// routerLog lowers what the router says to debug level: what went wrong is told once, by retry or by the subscriber.
func routerLog(log *slog.Logger) watermill.LoggerAdapter {
	return watermill.NewSlogLoggerWithLevelMapping(log.With("part", "router"), map[slog.Level]slog.Level{
		slog.LevelInfo: slog.LevelDebug, slog.LevelWarn: slog.LevelDebug, slog.LevelError: slog.LevelDebug,
	})
}

// retry tries a failed batch a few times, with growing pauses. After that, and at once where trying again cannot help,
// the batch goes back to the subscriber, which starts again from the sink's checkpoint.
func retry(log *slog.Logger) message.HandlerMiddleware {
	return middleware.Retry{
		MaxRetries: 4, InitialInterval: 20 * time.Millisecond, MaxInterval: time.Second, Multiplier: 3, RandomizationFactor: 0.3,
		ShouldRetry: func(p middleware.RetryParams) bool {
			moved := errors.Is(p.Err, errMoved)
			if !moved {
				log.Warn("projection failed", "attempt", p.RetryNum+1, "error", p.Err)
			}
			return !moved
		},
	}.Middleware
}

// subscriber is Watermill's view of the log: a message carries a batch, in its context, so that order and throughput
// survive. The next message comes when the last was acknowledged; a refused one makes it start again.
type subscriber struct {
	runner *Runner
	stop   context.CancelCauseFunc
}

type batchKey struct{}

func batchOf(msg *message.Message) eventstore.Batch {
	return msg.Context().Value(batchKey{}).(eventstore.Batch)
}

// Subscribe follows the log on behalf of the runner, whatever breaks, until the context ends.
func (s *subscriber) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for pause := restartPauseMin; ctx.Err() == nil; pause = min(2*pause, restartPauseMax) {
			delivered, err := s.follow(ctx, out)
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, ErrForeign):
				s.stop(err)
				return
			case delivered:
				pause = restartPauseMin
			}
			level := slog.LevelDebug // once is nothing: a rebuild that switches generations does it
			if pause >= restartPauseTold {
				level = slog.LevelWarn
			}
			s.runner.log.Log(ctx, level, "not following the log: trying again", "pause", pause, "error", s.runner.Status().Problem)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}()
	return out, nil
}

// Close does nothing: the context given to Subscribe ends the subscription.
func (s *subscriber) Close() error { return nil }

// The pause before the log is followed again grows from the first to the second. From the third on, the operator is
// told.
const (
	restartPauseMin  = 20 * time.Millisecond
	restartPauseMax  = 2 * time.Second
	restartPauseTold = 500 * time.Millisecond
)

// errRefused: the handler gave a batch back.
var errRefused = errors.New("batch was refused")

// follow delivers batches until something breaks, and says whether any was delivered.
func (s *subscriber) follow(ctx context.Context, out chan<- *message.Message) (delivered bool, err error) {
	position, err := s.runner.start(ctx)
	if err != nil {
		return false, err
	}
	sub, err := s.runner.store.Subscribe(ctx, position, eventstore.Filter{Types: s.runner.Model.Types})
	if err != nil {
		return false, s.runner.failed(err)
	}
	defer sub.Close()
	batch := eventstore.Batch{Position: position}
	for last := (time.Time{}); ; last = time.Now() {
		if err := rest(ctx, last); err != nil {
			return delivered, err
		}
		if batch, err = next(ctx, sub, batch); err != nil {
			return delivered, s.runner.failed(err)
		}
		if err := deliver(ctx, out, batch); err != nil {
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

// next returns the subscription's next batch, or, when nothing happens for a while, an empty one that gives the runner
// the opportunity to look after its sink.
func next(ctx context.Context, sub eventstore.Subscription, last eventstore.Batch) (eventstore.Batch, error) {
	waiting, cancel := context.WithTimeout(ctx, sinkCheckInterval)
	defer cancel()
	batch, err := sub.Next(waiting)
	if err != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return eventstore.Batch{Position: last.Position, CaughtUp: last.CaughtUp}, nil
	}
	return batch, err
}

// deliver sends a batch and waits for its acknowledgement.
func deliver(ctx context.Context, out chan<- *message.Message, batch eventstore.Batch) error {
	msg := message.NewMessage(batch.Position.String(), nil)
	msg.SetContext(context.WithValue(ctx, batchKey{}, batch))
	select {
	case out <- msg:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-msg.Acked():
		return nil
	case <-msg.Nacked():
		return errRefused
	case <-ctx.Done():
		return ctx.Err()
	}
}
