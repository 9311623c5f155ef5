package e2e

import (
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	embeddedlog "daybook/eventstore/embedded"
	"daybook/eventstore/esdbserver"
)

// offer serves a log of its own over EventStoreDB's protocol and returns its address.
func offer(t *testing.T, options esdbserver.Options) string {
	t.Helper()
	address, _ := offerUntil(t, options)
	return address
}

// offerUntil is offer of a server that can be stopped before the test ends.
func offerUntil(t *testing.T, options esdbserver.Options) (address string, stop func()) {
	t.Helper()
	log, err := embeddedlog.Open(embeddedlog.Options{Dir: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- esdbserver.New(log, options).Serve(ctx, listener) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String(), stop
}

// TestHostileEventStore: guests order and pay over a log that gives only what KurrentDB promises. Nothing that was
// acknowledged is lost or there twice, and the figures are its sums.
func TestHostileEventStore(t *testing.T) {
	address := offer(t, esdbserver.Options{Hostile: &esdbserver.Hostile{
		Seed: 1, Forget: true, BareCaughtUp: true, LoseAnswer: 20, DropSubscription: 200, NotLeader: 40,
		Slow: 30, SlowFor: 20 * time.Millisecond, Down: 400, DownFor: 300 * time.Millisecond,
	}})
	in := install(t, "DAYBOOK_EVENTSTORE=esdb://"+address+"?tls=false", "DAYBOOK_LOCAL_SIGN_IN=true")
	s := in.serve()
	r := in.owner("anna").cafe(t, 6)
	guests := r.seatGuests(t, 7)
	until := make(chan struct{})
	group := stay(guests, until)
	after(10 * time.Second)
	close(until)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	r.checkGuests(t, guests)
	in.verify()
	sent, closed := int64(0), 0
	for _, g := range guests {
		sent, closed = sent+g.sent.Load(), closed+len(g.closed)
	}
	t.Logf("%d requests, %d closed tabs", sent, closed)
	if closed == 0 {
		t.Error("no tab was closed: this has tested nothing")
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

// TestEventStoreRefuses: what no waiting will mend ends the start with a line that says what.
func TestEventStoreRefuses(t *testing.T) {
	borrowed := httptest.NewTLSServer(nil) // for its certificate, which is 127.0.0.1's
	defer borrowed.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: borrowed.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	tls := borrowed.TLS.Clone()
	tls.NextProtos = []string{"h2"}
	address := offer(t, esdbserver.Options{TLS: tls, Users: map[string]esdbserver.User{"admin": {Password: "right"}}})
	good := "esdb://admin:right@" + address + "?tlsCaFile=" + authority
	in := install(t, "DAYBOOK_EVENTSTORE="+good)
	in.serve()
	in.awaitReady()
	for name, refused := range map[string]struct{ url, word string }{
		"password":    {strings.Replace(good, "right", "wrong", 1), "password"},
		"certificate": {"esdb://admin:right@" + address, "certificate"},
		"no URL":      {"http://" + address, "esdb"},
		"setting":     {good + "&tlls=true", "tlls"},
	} {
		t.Run(name, func(t *testing.T) {
			o := install(t, "DAYBOOK_EVENTSTORE="+refused.url).refused([]string{"serve", "--addr", "127.0.0.1:0"}, "DAYBOOK_EVENTSTORE", refused.word)
			if strings.Contains(o.stderr, "wrong") || strings.Contains(o.stderr, "right") {
				t.Errorf("it tells the password: %s", o.stderr)
			}
		})
	}
}

// TestTheEventStoreIsGone: who orders is told so within two seconds, the operator at once, and /readyz blames nobody else.
func TestTheEventStoreIsGone(t *testing.T) {
	address, stop := offerUntil(t, esdbserver.Options{})
	in := install(t, "DAYBOOK_EVENTSTORE=esdb://"+address+"?tls=false", "DAYBOOK_LOCAL_SIGN_IN=true")
	s := in.serve()
	in.awaitReady()
	r := in.owner("anna").cafe(t, 1)
	stop()
	for n := range 3 {
		began := time.Now()
		answer, err := r.owner.try(http.MethodPost, r.path("/products"), fmt.Sprint("gone-", n), map[string]any{"name": "Tea", "category": "DRINK", "price": 3000})
		took := time.Since(began)
		if err != nil || answer.status != http.StatusServiceUnavailable || !strings.Contains(string(answer.body), "log_unavailable") || took > 4*time.Second {
			t.Errorf("after %v: %v, %v", took, answer, err)
		}
		t.Logf("after %v: %v", took, answer)
	}
	status, parts, err := in.parts()
	if err != nil || status != http.StatusServiceUnavailable || parts["log"] != "unavailable" {
		t.Errorf("/readyz: %d %v, %v", status, parts, err)
	}
	for part, word := range parts {
		if part != "log" && word != "ok" {
			t.Errorf("/readyz says of %s: %s", part, word)
		}
	}
	if said := s.said.String(); strings.Count(said, "cannot be used") != 1 || !strings.Contains(said, address) {
		t.Errorf("the operator is told: %s", said)
	}
}
