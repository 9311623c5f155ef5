package kurrent

import (
	"context"
	"fmt"
	"time"
)

// A link may be silent for silentMax while a call waits, or for three times what the server took to greet, if that is
// more. Then the server is asked something small, and a link on which nothing comes for as long again is given up. A
// server that is only slow with a call answers the small question. Where so many calls wait that the connection may take no
// more, the question would wait with them, and goes over a connection of its own.
const (
	silentMax  = time.Second
	watchPause = 100 * time.Millisecond
	callsMany  = 50 // EventStoreDB takes 100 at once, subscriptions among them
)

// allowed is how long the link may be silent.
func (l *link) allowed() time.Duration { return max(silentMax, 3*time.Duration(l.greeted.Load())) }

// heard notes that something came from the server.
func (l *link) heard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastHeard = time.Now()
}

// waits notes that a call waits for an answer; done must be called when it no longer does.
func (l *link) waits() (done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting++; l.waiting == 1 {
		l.waitsSince = time.Now()
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting--
	}
}

// silence is for how long calls have waited and nothing came, and how many wait.
func (l *link) silence() (silence time.Duration, calls int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == 0 || l.dead {
		return 0, 0
	}
	since := l.waitsSince
	if since.Before(l.lastHeard) {
		since = l.lastHeard
	}
	return time.Since(since), l.waiting
}

// watch gives a link up that has gone silent. It ends with the link.
func (s *Store) watch(l *link) {
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	asked := false
	for {
		select {
		case <-l.closed:
			return
		case <-tick.C:
		}
		switch silence, calls := l.silence(); {
		case silence >= 2*l.allowed():
			cause := fmt.Errorf("%s: %w for %v", l.address, errSilent, silence.Round(watchPause))
			s.report(nil, cause)
			l.kill(cause)
		case silence < l.allowed():
			asked = false
		case !asked:
			asked = s.spawn(func() { s.ask(within(s.life, l), l, calls) })
		}
	}
}

// ask asks the server something small.
func (s *Store) ask(ctx context.Context, l *link, calls int) {
	if calls < callsMany {
		_, _ = s.readIdentity(ctx, l, false)
		return
	}
	if config, err := parse(s.url); err == nil {
		if _, err := versionOf(ctx, config, l.address); err == nil {
			l.heard()
		}
	}
}

// within ends with the link, or after it would have been given up.
func within(ctx context.Context, l *link) context.Context {
	ctx, cancel := context.WithTimeout(ctx, 2*l.allowed())
	go func() { // ends with the context at the latest
		defer cancel()
		select {
		case <-l.closed:
		case <-ctx.Done():
		}
	}()
	return ctx
}
