package projections

import (
	"context"
	"iter"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"daybook/eventstore"
)

// Work is something that is made of the log that it is given, such as the rebuild of one read model. It makes one read at
// a time.
type Work func(ctx context.Context, log eventstore.Store) error

// Together carries out several works of one log. Over a network, fetching events costs more than folding them. So the
// works go on side by side there, and where they read the log forward without a limit, they share one pass through it: it
// begins when every work that is not done waits for one, and goes as fast as the slowest. Works must not wait for each
// other. The first error ends all.
//
// On a Partitioned log each work has its own, faster way, and they come one after the other.
func Together(ctx context.Context, log eventstore.Store, works ...Work) error {
	if _, own := log.(eventstore.Partitioned); own {
		for _, work := range works {
			if err := work(ctx, log); err != nil {
				return err
			}
		}
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	s := &shared{Store: log, ctx: ctx, working: len(works)}
	for _, work := range works {
		group.Go(func() error {
			defer s.done()
			return work(ctx, s)
		})
	}
	return group.Wait()
}

// shared is a log as the works see it.
type shared struct {
	eventstore.Store
	ctx context.Context

	mu      sync.Mutex
	working int      // works that are not done
	waiting []*rider // for the next pass
}

// ReadAll is eventstore.Store's.
func (s *shared) ReadAll(ctx context.Context, read eventstore.LogRead) iter.Seq2[eventstore.Event, error] {
	if read.Direction == eventstore.Backward || read.Limit != 0 {
		return s.Store.ReadAll(ctx, read)
	}
	return func(yield func(eventstore.Event, error) bool) {
		r := &rider{read: read, pieces: make(chan []eventstore.Event, piecesAhead), left: make(chan struct{})}
		defer close(r.left)
		s.change(func() { s.waiting = append(s.waiting, r) })
		r.ride(ctx, yield)
	}
}

func (s *shared) done() { s.change(func() { s.working-- }) }

// change notes a change, and begins a pass if all works wait for one.
func (s *shared) change(what func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what()
	if len(s.waiting) < s.working || s.working == 0 {
		return
	}
	riders := s.waiting
	s.waiting = nil
	go s.pass(riders) // ends with the context, or when all have left
}

// pass goes through the log once for all riders.
func (s *shared) pass(riders []*rider) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	read := riders[0].read
	for _, r := range riders[1:] {
		if r.read.After.Before(read.After) {
			read.After = r.read.After
		}
		read.Filter = either(read.Filter, r.read.Filter)
	}
	all := slices.Clone(riders)
	var failed error
	for e, err := range s.Store.ReadAll(ctx, read) {
		if failed = err; err != nil {
			break
		}
		riders = slices.DeleteFunc(riders, func(r *rider) bool { return !r.take(ctx, e) })
		if len(riders) == 0 {
			break
		}
	}
	for _, r := range all {
		r.flush(ctx)
		r.failed = failed
		close(r.pieces)
	}
}

// either lets through what one of two filters does, and perhaps more.
func either(a, b eventstore.Filter) (f eventstore.Filter) {
	if len(a.Prefixes) > 0 && len(b.Prefixes) > 0 {
		f.Prefixes = slices.Concat(a.Prefixes, b.Prefixes)
	}
	if len(a.Types) > 0 && len(b.Types) > 0 {
		f.Types = slices.Concat(a.Types, b.Types)
		slices.Sort(f.Types)
		f.Types = slices.Compact(f.Types)
	}
	return f
}

// What a pass gives to a rider at once, and how many such pieces may wait for it.
const (
	pieceEvents = 256
	pieceBytes  = 256 << 10
	piecesAhead = 4
)

// rider is one read that takes part in a pass.
type rider struct {
	read   eventstore.LogRead
	pieces chan []eventstore.Event // closed at the end of the pass
	failed error                   // why it ended; good once pieces is closed
	left   chan struct{}           // closed when the reader wants no more
	gone   bool                    // the pass knows that
	piece  []eventstore.Event
	bytes  int
}

// take takes an event, if it is one for this rider, and says whether it wants more.
func (r *rider) take(ctx context.Context, e eventstore.Event) bool {
	select {
	case <-r.left:
		r.gone = true
	default:
	}
	if r.gone || !r.read.After.Before(e.Position) || !r.read.Filter.Matches(e.Stream, e.Type) {
		return !r.gone
	}
	r.piece = append(r.piece, e)
	r.bytes += len(e.Data) + len(e.Metadata)
	if len(r.piece) >= pieceEvents || r.bytes >= pieceBytes {
		r.flush(ctx)
	}
	return !r.gone
}

func (r *rider) flush(ctx context.Context) {
	if r.gone || len(r.piece) == 0 {
		return
	}
	select {
	case r.pieces <- r.piece:
	case <-r.left:
		r.gone = true
	case <-ctx.Done():
		r.gone = true
	}
	r.piece, r.bytes = nil, 0
}

// ride yields what the pass gives.
func (r *rider) ride(ctx context.Context, yield func(eventstore.Event, error) bool) {
	for {
		select {
		case <-ctx.Done():
			yield(eventstore.Event{}, ctx.Err())
			return
		case piece, more := <-r.pieces:
			if !more && r.failed != nil {
				yield(eventstore.Event{}, r.failed)
			}
			if !more {
				return
			}
			for _, e := range piece {
				if ctx.Err() != nil {
					yield(eventstore.Event{}, ctx.Err())
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}
