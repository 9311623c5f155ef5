package kurrent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/eventstore"
)

const (
	dialPauseFirst = 50 * time.Millisecond
	dialPauseMax   = 500 * time.Millisecond // so that a server that is back is used within a second
	callPauseFirst = 10 * time.Millisecond
	callPauseMax   = 250 * time.Millisecond
	// downMax is how long a call that has an end of its own waits for a connection, so that who called can still say why
	// it failed.
	downMax = 1500 * time.Millisecond
	// reconnectMin is what it waits at least when its connection broke after that time.
	reconnectMin = 500 * time.Millisecond
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
		return nil, s.noConnection(ctx)
	}
}

// noConnection is the error of a call whose time ended before there was a connection.
func (s *Store) noConnection(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ended(ctx); s.trouble == nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &unreachable{s.trouble}
}

// connectionSoon is connection, for not longer than such a call waits that has been without one since then.
func (s *Store) connectionSoon(ctx context.Context, since time.Time) (*link, error) {
	if _, ends := ctx.Deadline(); !ends {
		return s.connection(ctx)
	}
	soon, cancel := context.WithDeadline(ctx, since.Add(downMax))
	defer cancel()
	l, err := s.connection(soon)
	if err != nil && ctx.Err() == nil && (soon.Err() != nil || isLost(err) && !time.Now().Before(since.Add(downMax))) {
		var known *unreachable
		if !errors.As(err, &known) {
			err = &unreachable{fmt.Errorf("no connection in %v: %w", downMax, err)}
		}
	}
	return l, err
}

func (s *Store) attempt(a *attempt) {
	sleep(s.life, time.Until(s.nextDial))
	a.link, a.err = s.dial()
	s.report(a.link, a.err)
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

// dial makes one attempt. The address is read anew: the files that it names may have been renewed.
func (s *Store) dial() (*link, error) {
	if s.life.Err() != nil {
		return nil, eventstore.ErrClosed
	}
	config, err := parse(s.url)
	if err != nil {
		return nil, &lost{err}
	}
	node, err := s.find(s.life, config)
	if err != nil {
		return nil, err
	}
	config.Address, config.GossipSeeds, config.DnsDiscover = once(node.address), nil, false
	l, err := newLink(*config, s.logger)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", eventstore.ErrUnavailable, err)
	}
	l.address, l.version = node.address, node.version
	if !s.spawn(func() { s.watch(l) }) {
		err = eventstore.ErrClosed
	} else {
		err = s.greet(l)
	}
	if s.life.Err() != nil {
		err = eventstore.ErrClosed
	}
	if err != nil {
		l.kill(err)
		return nil, err
	}
	return l, nil
}

// greet lets the library connect, and sees whether the node is ready, takes the credentials and holds the right log.
func (s *Store) greet(l *link) error {
	_, err := guard(s.life, l, func(context.Context) (*esdb.ServerVersion, error) { return l.client.GetServerVersion() })
	if err == nil {
		err = s.tie(l)
	}
	if err == nil {
		began := time.Now()
		err = s.sameLog(s.life, l)
		l.greeted.Store(int64(time.Since(began)))
	}
	if err == nil {
		err = s.sameHistory(s.life, l)
	}
	if isLost(err) {
		return &lost{fmt.Errorf("%s: %w", l.address, err)}
	}
	l.ready.Store(err == nil)
	return err
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
	end, since := time.Now().Add(s.patience), time.Now()
	var last error // of those that may pass, since the last progress
	var with *link // that there was progress with
	for {
		l, err := s.connectionSoon(ctx, since)
		if err == nil && with != nil && l.history != with.history {
			return errWentBack
		}
		if err == nil {
			var progress bool
			progress, err = op(l)
			if progress {
				pauses.reset()
				with, end, last = l, time.Now().Add(s.patience), nil
			}
			if last == nil { // from here on it may wait for a connection again, but less, if it has waited
				since = latest(since, time.Now().Add(-downMax+reconnectMin))
			}
		}
		switch {
		case err == nil:
			return nil
		case l == nil && errors.As(err, new(*unreachable)):
			return err
		case ctx.Err() != nil && last != nil && errors.Is(ended(ctx), context.DeadlineExceeded):
			return &unreachable{last}
		case ctx.Err() != nil:
			return ended(ctx)
		case !isLost(err):
			return err
		case time.Now().After(end):
			return fmt.Errorf("no success in %v: %w", s.patience, err)
		}
		last = err
		s.logger.Debug("event store: trying again", "error", err)
		pauses.wait(ctx)
	}
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
