package kurrent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"daybook/eventstore"
)

const (
	dialPauseFirst = 50 * time.Millisecond
	dialPauseMax   = 500 * time.Millisecond // so that a server that is back is used within a second
	callPauseFirst = 10 * time.Millisecond
	callPauseMax   = 250 * time.Millisecond
)

// backoff gives pauses that double from first to max. Half of each pause is random, so that many do not return at once.
type backoff struct {
	first, max, next time.Duration
}

func (b *backoff) pause() time.Duration {
	b.next = min(max(b.first, 2*b.next), b.max)
	return b.next/2 + rand.N(b.next/2)
}

func (b *backoff) reset() { b.next = 0 }

// wait pauses; it returns early with the context.
func (b *backoff) wait(ctx context.Context) { sleep(ctx, b.pause()) }

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// attempt is a connection that is being made, for all who wait for one.
type attempt struct {
	done chan struct{}
	link *link
	err  error
}

// connection returns the link of all, made anew if it died: by one attempt at a time, however many ask, and after a
// pause that grows with failure. It returns the error of the attempt that it waited for.
func (s *Store) connection(ctx context.Context) (*link, error) {
	s.mu.Lock()
	if s.link != nil && s.link.alive() {
		defer s.mu.Unlock()
		return s.link, nil
	}
	a := s.dialing
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		s.dialing = a
		if !s.spawnLocked(func() { s.attempt(a) }) {
			s.dialing = nil
			s.mu.Unlock()
			return nil, eventstore.ErrClosed
		}
	}
	s.mu.Unlock()
	select {
	case <-a.done:
		return a.link, a.err
	case <-ctx.Done():
		return nil, ended(ctx)
	}
}

func (s *Store) attempt(a *attempt) {
	sleep(s.life, time.Until(s.nextDial))
	a.link, a.err = s.dial()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(a.done)
	s.dialing = nil
	if a.err != nil {
		s.nextDial = time.Now().Add(s.dialPause.pause())
		return
	}
	s.dialPause.reset()
	s.link = a.link
}

// dial makes one attempt. The library cannot be interrupted in it: after Close, it ends by the URL's gossipTimeout.
func (s *Store) dial() (*link, error) {
	if s.life.Err() != nil {
		return nil, eventstore.ErrClosed
	}
	l, err := newLink(s.config, s.logger)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", eventstore.ErrUnavailable, err)
	}
	version, err := guard(s.life, l, func(context.Context) (version, error) {
		v, err := l.client.GetServerVersion() // waits until the library found a server
		if err != nil {
			return version{}, err
		}
		return version{v.Major, v.Minor}, nil
	})
	if err == nil {
		l.version = version
		err = s.sameLog(s.life, l)
	}
	if s.life.Err() != nil {
		err = eventstore.ErrClosed
	}
	if err != nil {
		l.kill(err)
		return nil, err
	}
	s.logger.Info("connected to the event store", "server", version.String())
	return l, nil
}

// version of a server; zero if it does not tell, as those before 21.10.
type version struct{ major, minor int }

func (v version) String() string { return fmt.Sprintf("%d.%d", v.major, v.minor) }

// saysCaughtUp tells whether subscriptions are told when they reach the end.
func (v version) saysCaughtUp() bool { return v.major > 23 || v.major == 23 && v.minor >= 10 }

// try repeats op, on a new link if need be, until it succeeds, is refused, or the context ends; without an end of the
// context, for as long as Options.Patience after the last progress.
func (s *Store) try(ctx context.Context, op func(l *link) (progress bool, err error)) error {
	pauses := backoff{first: callPauseFirst, max: callPauseMax}
	end := time.Now().Add(s.patience)
	for {
		l, err := s.connection(ctx)
		if err == nil {
			var progress bool
			if progress, err = op(l); progress {
				pauses.reset()
				end = time.Now().Add(s.patience)
			}
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ended(ctx)
		case !isLost(err):
			return err
		case time.Now().After(end):
			return fmt.Errorf("no success in %v: %w", s.patience, err)
		}
		s.logger.Debug("event store: trying again", "error", err)
		pauses.wait(ctx)
	}
}
