package httpapi

import (
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// Caller is the network that a request counts for: the address of the connection or, from a trusted proxy, the one that
// the proxy names. Of IPv6 it is the /64 that one customer has. An address that cannot be read counts as one caller.
func Caller(c echo.Context) netip.Prefix {
	address, err := netip.ParseAddr(c.RealIP())
	if err != nil {
		return netip.Prefix{}
	}
	address = address.Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	network, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}

// Tries counts wrong tries by caller. Whoever has made too many waits until a span of time has passed since the first of
// them. Tries at the same moment are all let in, so that a few more than that can be wrong. Safe for concurrent use; what
// it keeps is bounded.
type Tries struct {
	max  int
	span time.Duration

	mu    sync.Mutex
	of    map[netip.Prefix]*tried
	order []*tried // the oldest first
}

type tried struct {
	by    netip.Prefix
	since time.Time
	wrong int
}

// triedMax is how many callers are remembered, some 10 MiB. Beyond, the oldest are forgotten early.
const triedMax = 1 << 16

// NewTries lets each caller be wrong max times in a span.
func NewTries(max int, span time.Duration) *Tries {
	return &Tries{max: max, span: span, of: map[netip.Prefix]*tried{}}
}

// Wait is how long a caller has to wait before the next try; 0 if not at all.
func (t *Tries) Wait(by netip.Prefix, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	entry, known := t.of[by]
	if !known || entry.wrong < t.max {
		return 0
	}
	return max(0, entry.since.Add(t.span).Sub(now))
}

// Wrong counts a wrong try.
func (t *Tries) Wrong(by netip.Prefix, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.order) > 0 && !now.Before(t.order[0].since.Add(t.span)) {
		t.forgetOldest()
	}
	entry, known := t.of[by]
	if !known {
		if len(t.order) >= triedMax {
			t.forgetOldest()
		}
		entry = &tried{by: by, since: now}
		t.of[by] = entry
		t.order = append(t.order, entry)
	}
	entry.wrong++
}

func (t *Tries) forgetOldest() {
	delete(t.of, t.order[0].by)
	t.order[0] = nil
	t.order = t.order[1:]
}
