package kurrent

import (
	"context"
	"fmt"
	"time"
)

// A link may be silent for silentMax while a call waits, or for three times what the server took to greet, if that is
// more. Then the server is asked something small, and a link on which nothing comes for as long again is given up. A
// server that is only slow with a call answers the small question.
const (
	silentMax  = time.Second
	watchPause = 100 * time.Millisecond
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

// silence is for how long calls have waited and nothing came.
func (l *link) silence() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == 0 || l.dead {
		return 0
	}
	since := l.waitsSince
	if since.Before(l.lastHeard) {
		since = l.lastHeard
	}
	return time.Since(since)
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
		switch silence := l.silence(); {
		case silence >= 2*l.allowed():
			cause := fmt.Errorf("%s: %w for %v", l.address, errSilent, silence.Round(watchPause))
			s.report(nil, cause)
			l.kill(cause)
		case silence < l.allowed():
			asked = false
		case !asked:
			asked = s.spawn(func() { _, _ = s.readIdentity(within(s.life, l), l, false) })
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
