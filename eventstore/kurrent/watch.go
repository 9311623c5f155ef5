package kurrent

import (
	"context"
	"fmt"
	"time"
)

// A link may be silent for silentMax while a call waits. Then the server is asked something small, and a link on which
// nothing comes for as long again is given up. A server that is only slow with a call answers the small question.
const (
	silentMax  = 1500 * time.Millisecond
	watchPause = 250 * time.Millisecond
)

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
		case silence >= 2*silentMax:
			cause := fmt.Errorf("%s: %w for %v", l.address, errSilent, silence.Round(watchPause))
			s.report(nil, cause)
			l.kill(cause)
		case silence < silentMax:
			asked = false
		case !asked:
			asked = s.spawn(func() { _, _ = s.readIdentity(within(s.life, l), l, false) })
		}
	}
}

// within ends with the link, or after it would have been given up.
func within(ctx context.Context, l *link) context.Context {
	ctx, cancel := context.WithTimeout(ctx, 2*silentMax)
	go func() { // ends with the context at the latest
		defer cancel()
		select {
		case <-l.closed:
		case <-ctx.Done():
		}
	}()
	return ctx
}
