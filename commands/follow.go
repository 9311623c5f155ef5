package commands

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"daybook/domain/stream"
	"daybook/eventstore"
)

// Feed is where a service sees what is appended: the log, or what shares one subscription of it among several. Its methods
// are eventstore.Store's.
type Feed interface {
	Head(ctx context.Context) (eventstore.Position, error)
	Subscribe(ctx context.Context, after eventstore.Position, filter eventstore.Filter) (eventstore.Subscription, error)
}

const (
	// provedEvery is how often it is looked whether what is folded has kept up with the log. With what the answer takes
	// it has to stay below lateMax.
	provedEvery = 200 * time.Millisecond
	// followPauses are what is waited after following has broken off, growing.
	followPauseFirst = 50 * time.Millisecond
	followPauseMax   = time.Second
	// silentMax is how long what the log has may stay away from its followers before they begin anew.
	silentMax = 10 * time.Second
)

var (
	errSilent   = errors.New("what the log has is not delivered")
	errWentBack = errors.New("the log has gone back")
)

// followedStreams are those of which something may be folded.
func (s *Service) followedStreams() (filter eventstore.Filter) {
	for category := range s.tellers {
		filter.Prefixes = append(filter.Prefixes, category+"-")
	}
	return filter
}

// Follow keeps what is folded up to date with what other processes append, until its context ends. While it works,
// decisions that may be lateMax late read nothing; while it does not, they read the log.
func (s *Service) Follow(ctx context.Context, feed Feed, log *slog.Logger) {
	for pause := followPauseFirst; ; pause = min(2*pause, followPauseMax) {
		began := time.Now()
		err := s.follow(ctx, feed)
		s.others.end()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errWentBack), errors.Is(err, eventstore.ErrInvalid): // a position after the end
			s.Drop()
		}
		log.Debug("commands: following the log broke off; until it works again, each command reads", "error", err)
		if time.Since(began) > followPauseMax {
			pause = followPauseFirst
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// Behind is how long ago it was last shown that all was folded that other processes had appended, and about as old as what
// commands may know of them if it is below a second; beyond that, they read. It is 0 for a process that is alone.
func (s *Service) Behind() time.Duration {
	if s.others.none() {
		return 0
	}
	return s.others.unproved()
}

// follow follows the log from its end until something fails.
func (s *Service) follow(ctx context.Context, feed Feed) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	head, err := feed.Head(ctx)
	if err != nil {
		return err
	}
	began := s.others.tick() // what is read from now on has all that is not delivered
	sub, err := feed.Subscribe(ctx, head, s.followedStreams())
	if err != nil {
		return err
	}
	defer sub.Close()
	f := &following{service: s, feed: feed}
	s.others.place.move(head)
	var proving sync.WaitGroup
	defer proving.Wait()
	defer cancel(nil)
	s.others.begin(began)
	proving.Go(func() { cancel(f.prove(ctx)) })
	err = f.run(ctx, sub)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return err
}

// following is one subscription's.
type following struct {
	service *Service
	feed    Feed
}

func (f *following) run(ctx context.Context, sub eventstore.Subscription) error {
	for {
		batch, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		for _, e := range batch.Events {
			f.service.tell(e)
		}
		f.service.others.place.move(batch.Position)
	}
}

// prove shows again and again that all is folded that the log had when it was asked, until something is wrong. While the
// log does not answer, what was proved grows old.
func (f *following) prove(ctx context.Context) error {
	tick := time.NewTicker(provedEvery)
	defer tick.Stop()
	var last eventstore.Position
	for {
		asked := time.Now()
		head, err := f.feed.Head(ctx)
		if err == nil {
			if head.Before(last) {
				return errWentBack
			}
			last = head
			if err := f.service.others.place.reach(ctx, head); err != nil {
				return err
			}
			f.service.others.prove(asked)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell folds what somebody has appended, if its stream is kept.
func (s *Service) tell(e eventstore.Event) {
	category, storeID, rest := stream.Parse(e.Stream)
	if tell := s.tellers[category]; tell != nil {
		tell(e)
	}
	if category == stream.TabCategory && e.Revision == 0 {
		s.tabOpened(storeID, rest)
	}
}

// tabOpened notes a tab of a table whose newest tab is known.
func (s *Service) tabOpened(storeID, tabID string) {
	tableID, _, _ := strings.Cut(tabID, ".")
	if _, known := s.numbers.Get(tableKey(storeID, tableID)); !known {
		return
	}
	if n, err := tabNumber(tabID); err == nil {
		s.noteTab(storeID, tableID, n)
	}
}

// place is how far the log was followed.
type place struct {
	mu    sync.Mutex
	at    eventstore.Position
	moved chan struct{} // closed at the next move
}

func newPlace() *place { return &place{moved: make(chan struct{})} }

func (p *place) move(to eventstore.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = to
	close(p.moved)
	p.moved = make(chan struct{})
}

// reach waits until the log was followed up to a position, but not longer than silentMax.
func (p *place) reach(ctx context.Context, position eventstore.Position) error {
	ctx, cancel := context.WithTimeoutCause(ctx, silentMax, errSilent)
	defer cancel()
	for {
		p.mu.Lock()
		at, moved := p.at, p.moved
		p.mu.Unlock()
		if !at.Before(position) {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
