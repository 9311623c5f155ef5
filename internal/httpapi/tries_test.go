package httpapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// Who a request counts for is what the connection says, or what the nearest proxies that are trusted say; never what
// the caller claims.
func TestCaller(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	for _, c := range []struct {
		proxies   []netip.Prefix
		remote    string
		forwarded []string
		want      string
	}{
		{nil, "192.0.2.1:5", nil, "192.0.2.1/32"},
		{nil, "192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1/32"},
		{nil, "10.0.0.1:5", []string{"203.0.113.9"}, "10.0.0.1/32"}, // private and loopback are not trusted by themselves
		{nil, "127.0.0.1:5", []string{"203.0.113.9"}, "127.0.0.1/32"},
		{nil, "[2001:db8:1:2:3:4:5:6]:5", nil, "2001:db8:1:2::/64"},
		{nil, "[fe80::1%eth0]:5", nil, "fe80::/64"},
		{nil, "[::ffff:192.0.2.1]:5", nil, "192.0.2.1/32"},
		{proxies, "192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1/32"}, // not through the proxy
		{proxies, "127.0.0.1:5", []string{"203.0.113.9"}, "127.0.0.1/32"},
		{proxies, "10.0.0.1:5", nil, "10.0.0.1/32"},
		{proxies, "10.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9/32"},
		{proxies, "10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9/32"}, // the caller claimed to be 1.1.1.1
		{proxies, "10.0.0.1:5", []string{"1.1.1.1", "203.0.113.9, 10.9.9.9"}, "203.0.113.9/32"},
		{proxies, "10.0.0.1:5", []string{"odd, 203.0.113.9"}, "203.0.113.9/32"},
		{proxies, "10.0.0.1:5", []string{"203.0.113.9, odd"}, "10.0.0.1/32"}, // the proxy makes no sense
		{proxies, "[2001:db8:ffff::1]:5", []string{"[2001:db8:1:2:3::6]"}, "2001:db8:1:2::/64"},
	} {
		e := New(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), c.proxies...)
		var got netip.Prefix
		e.GET("/x", func(c echo.Context) error { got = Caller(c); return nil })
		r := httptest.NewRequest(http.MethodGet, "/x", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.forwarded
		r.Header.Set("X-Real-Ip", "9.9.9.9")
		r.Header.Set("Forwarded", "for=9.9.9.9")
		e.ServeHTTP(httptest.NewRecorder(), r)
		if got.String() != c.want {
			t.Errorf("from %s, forwarded for %v: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}

func TestTries(t *testing.T) {
	t.Parallel()
	tries := NewTries(5, time.Minute)
	bad, good := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for n := range 5 {
		if wait := tries.Wait(bad, now); wait != 0 {
			t.Fatalf("after %d wrong tries: wait %s", n, wait)
		}
		tries.Wrong(bad, now)
		now = now.Add(time.Second)
	}
	if wait := tries.Wait(bad, now); wait != 55*time.Second {
		t.Errorf("after five wrong tries in five seconds: wait %s", wait)
	}
	if wait := tries.Wait(good, now); wait != 0 {
		t.Errorf("another caller waits %s", wait)
	}
	now = now.Add(55 * time.Second)
	if wait := tries.Wait(bad, now); wait != 0 {
		t.Errorf("a minute after the first wrong try: wait %s", wait)
	}
	tries.Wrong(bad, now)
	if wait := tries.Wait(bad, now); wait != 0 {
		t.Errorf("one wrong try in the second minute: wait %s", wait)
	}
}

// However many callers are wrong, so many are remembered; those of the last minute only.
func TestTriesAreBounded(t *testing.T) {
	t.Parallel()
	tries := NewTries(1, time.Minute)
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	caller := func(n int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 32)
	}
	for n := range 3 * triedMax {
		tries.Wrong(caller(n), now)
	}
	if len(tries.of) != triedMax || len(tries.order) != triedMax {
		t.Errorf("%d and %d callers are remembered", len(tries.of), len(tries.order))
	}
	if tries.Wait(caller(3*triedMax-1), now) == 0 || tries.Wait(caller(0), now) != 0 {
		t.Error("the newest are forgotten instead of the oldest")
	}
	tries.Wrong(caller(0), now.Add(time.Minute))
	if len(tries.of) != 1 || len(tries.order) != 1 {
		t.Errorf("%d and %d callers are remembered after a minute", len(tries.of), len(tries.order))
	}
}
