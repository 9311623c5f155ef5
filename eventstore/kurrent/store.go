package kurrent

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"daybook/eventstore"
)

// Options of Open.
type Options struct {
	// URL is the connection string: esdb://user:password@host:2113?tls=true, or esdb://a,b,c or esdb+discover:// for a cluster. The settings are the library's; maxDiscoverAttempts and discoveryInterval have no
	// effect, as an unreachable server is tried again for as long as somebody waits for it.
	URL    string
	Logger *slog.Logger // nil: none
	// Patience is how long a call whose context has no earlier end tries to reach the server before it returns
	// ErrUnavailable. 0 means 30 s. Subscriptions have no end of patience.
	Patience time.Duration
	// Prefixes are what the names of this log's streams begin with. Events of other streams are other applications':
	// the server keeps them to itself where it can, and they are never shown. None: all but the server's own events are
	// shown.
	Prefixes []string
	// WentBack, if not nil, is told once for each time that an older copy was put in the log's place, before anything is
	// read of it: the position is that of an event that is missing. It must return at once, and not use the store.
	WentBack func(missing eventstore.Position)
}

// Store is a log in KurrentDB or EventStoreDB. It implements eventstore.Store.
type Store struct {
	url      string
	place    string // the hosts of the URL, for people
	prefixes []string
	logger   *slog.Logger
	patience time.Duration
	onBack   func(missing eventstore.Position) // nil: nobody

	life context.Context // ends with Close
	end  context.CancelCauseFunc
	work sync.WaitGroup // goroutines; added to under mu while life goes on

	mu        sync.Mutex
	link      *link // nil before the first connection
	dialing   *attempt
	identity  string // "" until it was read
	known     extent
	history   uint64
	last      witness
	searching *search         // nil: none is under way
	trouble   error           // why the last attempt failed, nil: it did not
	advised   map[string]bool // in this outage; empty when it is over
	connected string          // address of the last connection
	dialPause backoff         // this and nextDial belong to the attempt that is under way
	nextDial  time.Time
}

var _ eventstore.Restorable = (*Store)(nil)

// Open checks the connection string and returns a store that connects when it is first used: ask for Identity to see
// whether the server can be reached and takes the credentials. An error never holds the password.
func Open(o Options) (*Store, error) {
	config, err := parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("event store address: %w", err)
	}
	s := &Store{
		url: o.URL, place: hosts(o.URL), prefixes: slices.Clone(o.Prefixes), logger: o.Logger, patience: cmp.Or(o.Patience, 30*time.Second),
		advised: map[string]bool{}, onBack: o.WentBack, dialPause: backoff{first: dialPauseFirst, max: dialPauseMax},
	}
	if s.logger == nil {
		s.logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if config.DisableTLS && config.Username != "" {
		s.logger.Warn("event store: without TLS the client does not send the user name and password")
	}
	s.life, s.end = context.WithCancelCause(context.Background())
	return s, nil
}

// closeMax is how long Close waits for what it interrupted. Only a connection that is just being made takes longer.
const closeMax = time.Second

// Close ends everything that is under way, with ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	s.end(eventstore.ErrClosed)
	l := s.link
	s.mu.Unlock()
	if l != nil {
		l.kill(eventstore.ErrClosed)
	}
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeMax):
		s.logger.Warn("event store: closed while a connection is being made")
	}
	return nil
}

// spawn runs work in a goroutine that Close waits for; after Close it does nothing and returns false.
func (s *Store) spawn(work func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spawnLocked(work)
}

func (s *Store) spawnLocked(work func()) bool {
	if s.life.Err() != nil {
		return false
	}
	s.work.Go(work)
	return true
}

// begin returns a context that ends with ctx and with the store; done must be called.
func (s *Store) begin(ctx context.Context) (_ context.Context, done func(), err error) {
	if s.life.Err() != nil {
		return nil, nil, eventstore.ErrClosed
	}
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(eventstore.ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }, nil
}
