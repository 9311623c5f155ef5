package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"daybook/projections"
)

var (
	// ErrAddress: the address cannot be parsed. It is never shown, as it may hold a password anywhere.
	ErrAddress = errors.New("not an address of Redis, as in redis://user:password@host:6379/0")
	// ErrEvicts: Redis is configured to delete any key when its memory is full, and so to lose single counters.
	ErrEvicts = errors.New("redis evicts keys: set its maxmemory-policy to noeviction, or maxmemory to 0")
)

const (
	dialTimeout = 2 * time.Second
	// callTimeout is what a call waits for Redis if its context allows more. A large batch takes a second.
	callTimeout = 5 * time.Second
	// holdTime is how long a scan that has died holds its target.
	holdTime = 5 * time.Second
)

// Sink is projections.Sink on a Redis.
type Sink struct {
	client   *redis.Client
	holdTime time.Duration
	life     context.Context // ends with Close
	endLife  context.CancelFunc
}

var _ projections.Sink = (*Sink)(nil)

// Open connects to the Redis at url, for example redis://user:secret@cache:6379/0, or rediss: for TLS. Beside
// ErrAddress and ErrEvicts, an error wraps projections.ErrSinkUnavailable.
func Open(ctx context.Context, url string) (*Sink, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, ErrAddress
	}
	quiet()
	options.ClientName = "daybook"
	options.ContextTimeoutEnabled = true
	options.DialTimeout = dialTimeout
	options.ReadTimeout, options.WriteTimeout = callTimeout, callTimeout
	options.MaxRetries = 1 // harmless: a batch that is sent twice is fenced
	options.DialerRetries = 1
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	s := &Sink{client: redis.NewClient(options), holdTime: holdTime}
	s.life, s.endLife = context.WithCancel(context.Background())
	if err := s.Ping(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// quiet sends what go-redis would write to standard error, about every failed dial, to the debug level: it comes back
// as an error anyway. go-redis has one logger for the process.
var quiet = sync.OnceFunc(func() { redis.SetLogger(debugLogger{}) })

type debugLogger struct{}

func (debugLogger) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, fmt.Sprintf(format, args...))
}

// Name is "redis".
func (s *Sink) Name() string { return "redis" }

// Ping returns nil if Redis answers, takes writes and keeps what it has.
func (s *Sink) Ping(ctx context.Context) error {
	_, err := call(ctx, s, func(ctx context.Context) (struct{}, error) {
		var memory, replication *redis.StringCmd
		_, err := s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			memory, replication = pipe.Info(ctx, "memory"), pipe.Info(ctx, "replication")
			return nil
		})
		switch {
		case err != nil:
			return struct{}{}, err
		case strings.Contains(memory.Val(), "maxmemory_policy:allkeys-") && !strings.Contains(memory.Val(), "maxmemory:0\r\n"):
			return struct{}{}, ErrEvicts
		case strings.Contains(replication.Val(), "role:slave"):
			return struct{}{}, fmt.Errorf("%w: redis: this is a replica", projections.ErrSinkUnavailable)
		}
		return struct{}{}, nil
	})
	return err
}

// Close ends calls under way and closes the connections.
func (s *Sink) Close() error {
	if s.life.Err() != nil {
		return nil
	}
	s.endLife()
	return s.client.Close()
}

// call runs fn and says what an error of it means. It does not wait for fn longer than for the end of the context or
// the sink: go-redis looks at deadlines, but not at cancellation.
func call[Answer any](ctx context.Context, s *Sink, fn func(context.Context) (Answer, error)) (answer Answer, err error) {
	if err := projections.CallEnded(ctx, s.life); err != nil {
		return answer, err
	}
	type result struct {
		answer Answer
		err    error
	}
	done := make(chan result, 1)
	go func() {
		answer, err := fn(ctx)
		done <- result{answer, err}
	}()
	select {
	case r := <-done:
		answer, err = r.answer, meaning(r.err)
	case <-ctx.Done():
		return answer, ctx.Err()
	case <-s.life.Done():
		return answer, projections.ErrSinkClosed
	}
	if errors.Is(err, projections.ErrSinkUnavailable) { // perhaps only because we hung up
		if ended := projections.CallEnded(ctx, s.life); ended != nil {
			return answer, ended
		}
	}
	return answer, err
}

// passing are the first words of Redis's refusals that may be gone later.
var passing = []string{
	"LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", // starting, a replica, failing over
	"OOM", "MISCONF", "BUSY", // memory or disk full, a script that runs long
	"NOAUTH", "WRONGPASS", "NOPERM", // while passwords are changed
	"ERR max number of clients reached",
	"ERR Error running script, Script killed", // by SCRIPT KILL, which takes only scripts that have written nothing
}

// meaning says what an error means to a caller of the port.
func meaning(err error) error {
	var refusal redis.Error
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		return nil
	case errors.Is(err, projections.ErrSinkUnavailable) || errors.Is(err, ErrEvicts):
		return err
	case !errors.As(err, &refusal): // not said by Redis, so said about the connection to it
		return fmt.Errorf("%w: redis: %w", projections.ErrSinkUnavailable, err)
	}
	for _, words := range passing {
		if strings.HasPrefix(refusal.Error(), words) {
			return fmt.Errorf("%w: redis: %w", projections.ErrSinkUnavailable, err)
		}
	}
	return fmt.Errorf("redis: %w", err)
}
