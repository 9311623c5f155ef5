// Package httptests holds a real server against its OpenAPI document, over HTTP: what it must do, what it must refuse,
// and what it must not give away.
//
// Not here: anything but tests; the rules themselves are tested where they stand (domain).
package httptests

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daybook/eventstore"
	"daybook/internal/app"
	"daybook/internal/logtest"
)

// world is an installation in a directory of its own, with a server on a port of its own. Safe for concurrent use,
// but for restart.
type world struct {
	dir    string
	clock  *clock
	output *logtest.Lines
	http   *http.Client

	app    *app.App
	server *app.Server
	base   string // http://host:port
	end    func()

	callers atomic.Uint32 // that tried to pair; each from an address of its own

	mu       sync.Mutex
	position eventstore.Position // the newest that a command answered with
	secrets  []string            // what must stand nowhere in clear
	public   []string            // what does stand in the log, to prove that the search finds things
}

// newWorld opens an installation and serves it until the test ends. Then its log holds kinds of streams that are listed,
// and nothing secret may be found in what it leaves behind.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), clock: newClock(), output: new(logtest.Lines), http: newHTTPClient()}
	w.start(t)
	t.Cleanup(func() {
		w.written(t, eventstore.Position{})
		w.stop(t)
		w.searchSecrets(t)
	})
	return w
}

func newHTTPClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       20 * time.Second,
	}
}

func (w *world) start(t *testing.T) {
	t.Helper()
	config := app.Config{
		Data: w.dir, LocalSignIn: true, Now: w.clock.now, Proxies: []string{"127.0.0.1"},
		Log: w.output.Logger(slog.LevelDebug),
	}
	a, err := app.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	server, err := a.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	w.app, w.server, w.base = a, server, "http://"+server.Address()
	w.end = func() {
		cancel()
		w.http.CloseIdleConnections()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func (w *world) stop(t *testing.T) {
	t.Helper()
	w.end()
	w.http.CloseIdleConnections()
}

// restart closes the installation and opens it again.
func (w *world) restart(t *testing.T) {
	t.Helper()
	w.stop(t)
	w.start(t)
}

// head is the end of the event log.
func (w *world) head(t *testing.T) eventstore.Position {
	t.Helper()
	head, err := w.app.Store.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// nothingHappens fails the test if work appends to the log.
func (w *world) nothingHappens(t *testing.T, work func()) {
	t.Helper()
	before := w.head(t)
	work()
	if after := w.head(t); after != before {
		t.Errorf("the log grew from %s to %s", before, after)
	}
}

// owner returns an owner's access token. The name is a secret: it may stand in the file of profiles only.
func (w *world) owner(t *testing.T, name string) string {
	t.Helper()
	id, err := w.app.Dir.Profiles().OwnerID(name)
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.app.Owners.Issue(id)
	if err != nil {
		t.Fatal(err)
	}
	w.keepSecret(name, token)
	return token
}

func (w *world) keepSecret(texts ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets = append(w.secrets, texts...)
}

// clock stands still, unless it is put forward. Safe for concurrent use.
type clock struct {
	mu sync.Mutex
	at time.Time
}

// newClock shows noon of the reference system's example, in Seoul.
func newClock() *clock {
	return &clock{at: time.Date(2024, 12, 1, 12, 0, 0, 0, time.FixedZone("KST", 9*60*60))}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
