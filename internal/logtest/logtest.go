// Package logtest collects what is logged, for tests that look at it.
package logtest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// Lines is what was logged, a line for each message. The zero value is empty. Safe for concurrent use.
type Lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds text as it is.
func (l *Lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

// String is all that was logged up to now.
func (l *Lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Count is how often a part stands there; "\n" counts lines.
func (l *Lines) Count(part string) int { return strings.Count(l.String(), part) }

// Logger adds a line for each message of a level or above.
func (l *Lines) Logger(least slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: least}))
}
