package kurrent

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// link is one client of the library, from its first connection to its first failure.
//
// The library cannot be trusted with a broken connection: its next call would look for a server again, forget to close
// the old connection, and, finding none, leave every other caller waiting for ever on a channel that nobody reads. So
// a link is closed at the first sign of trouble and never used again. Closing makes the library close its connection,
// and callers that hang in it panic ("send on closed channel"), which guard turns into an error.
type link struct {
	client  *esdb.Client
	address string
	version version
	logger  *slog.Logger
	ready   atomic.Bool  // it has greeted the server
	greeted atomic.Int64 // nanoseconds that a small question took
	history uint64       // of the log that the server has, as Store.History counts; set before the link is used

	mu                    sync.Mutex
	entering              int // calls that have not got their connection yet
	dead                  bool
	waiting               int // calls without an answer
	waitsSince, lastHeard time.Time
	cause                 error
	idle                  chan struct{} // closed when the link is dead and nobody enters
	closed                chan struct{} // closed when the client is
}

// enterPatience is how long a dying link waits for callers in the library's entrance, which takes microseconds unless
// the library hangs. The wait is no more than politeness: it spares them the panic.
const enterPatience = 250 * time.Millisecond

func newLink(config esdb.Configuration, logger *slog.Logger) (*link, error) {
	l := &link{logger: logger, idle: make(chan struct{}), closed: make(chan struct{})}
	config.Logger = l.log
	client, err := esdb.NewClient(&config)
	if err != nil {
		return nil, err
	}
	l.client = client
	return l, nil
}

// log takes the library's messages. Where it says that a call failed, it is about to tell its connection loop to start
// over, and this is the last moment to close it first.
func (l *link) log(level esdb.LogLevel, format string, args ...any) {
	l.logger.Debug("client: "+fmt.Sprintf(format, args...), "level", level)
	if !strings.HasPrefix(format, "unexpected exception") {
		return
	}
	for _, a := range args {
		if err, ok := a.(error); ok && (status.Code(err) == codes.Unavailable || notTheServer(err)) {
			l.kill(err)
		}
	}
}

// kill closes the client, once; it returns when that is done. No call enters afterwards.
func (l *link) kill(cause error) {
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		<-l.closed
		return
	}
	l.dead, l.cause = true, cause
	if l.entering == 0 {
		close(l.idle)
	}
	l.mu.Unlock()
	select {
	case <-l.idle:
	case <-time.After(enterPatience):
	}
	_ = l.client.Close() // never an error
	close(l.closed)
}

func (l *link) alive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.dead
}

// enter begins a call. The context that it returns is for the library, and leave is to be called when that returned.
func (l *link) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return nil, nil, &lost{fmt.Errorf("the connection was lost: %w", l.cause)}
	}
	l.entering++
	leave = sync.OnceFunc(l.left)
	return entrance{ctx, leave}, leave, nil
}

func (l *link) left() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entering--
	if l.dead && l.entering == 0 {
		close(l.idle)
	}
}

// entrance notices when the library asks for the deadline: it does so once it has its connection, and from then on the
// call no longer depends on the library's connection loop.
type entrance struct {
	context.Context
	passed func()
}

func (e entrance) Deadline() (time.Time, bool) {
	e.passed()
	return e.Context.Deadline()
}

// toLeader marks calls that only the leader may answer. The library's option of that name puts the mark among the
// incoming headers, which are not sent.
func toLeader(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "requires-leader", "true")
}

// guard runs one call of the library with a link that may die meanwhile.
func guard[T any](ctx context.Context, l *link, call func(ctx context.Context) (T, error)) (result T, err error) {
	ctx, leave, err := l.enter(ctx)
	if err != nil {
		return result, err
	}
	defer leave()
	defer l.survive(&err)
	defer l.waits()()
	result, err = call(ctx)
	if err != nil && answered(err) {
		l.heard()
	}
	if status.Code(err) == codes.Unavailable || err != nil && notTheServer(err) { // a read that could not begin: the library does not log that
		l.kill(err)
	}
	if err == nil {
		err = l.stillTied()
	}
	return result, l.judge(err)
}

// stillTied is to be asked after each answer: where the library went to another node, gRPC may have mended a broken
// connection and got the answer over that.
func (l *link) stillTied() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return &lost{fmt.Errorf("the connection was lost: %w", l.cause)}
	}
	return nil
}

// survive turns a panic of the library into an error and closes the link.
func (l *link) survive(err *error) {
	if p := recover(); p != nil {
		l.kill(fmt.Errorf("the client panicked: %v", p))
		*err = &lost{l.causeOfDeath()}
	}
}

func (l *link) causeOfDeath() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}
