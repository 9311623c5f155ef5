package kurrent_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
	"daybook/eventstore/kurrent"
	"daybook/internal/logtest"
)

// says waits until a line holds part.
func says(t *testing.T, told *logtest.Lines, part string, soon time.Duration) {
	t.Helper()
	for end := time.Now().Add(soon); told.Count(part) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("%q is not said within %v:\n%s", part, soon, told)
			return
		}
	}
}

// listening answers each connection with handle, at an address or "".
func listening(t *testing.T, address string, handle func(net.Conn)) (at string, stop func()) {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			all.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	stop = sync.OnceFunc(func() {
		_ = listener.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

func swallow(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func TestTheReasonIsToldAtOnce(t *testing.T) {
	silent, _ := listening(t, "", swallow)
	http1, _ := listening(t, "", func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 100))
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
	})
	redis, _ := listening(t, "", func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 100))
		_, _ = io.WriteString(conn, "-ERR unknown command\r\n")
	})
	plain := newServer(t, esdbserver.Options{})
	odd := newServer(t, esdbserver.Options{Version: "24.10.0-prerelease"})
	for name, c := range map[string]struct{ address, settings, advice string }{
		"wrong port":     {"127.0.0.1:1", "?tls=false", "nothing listens there"},
		"HTTP/1":         {http1, "?tls=false", "does not speak EventStoreDB's protocol"},
		"Redis":          {redis, "?tls=false", "does not speak EventStoreDB's protocol"},
		"silence":        {silent, "?tls=false&gossipTimeout=1", "whether the server hangs"},
		"TLS to plain":   {plain.address, "", "tls=false"},
		"version":        {odd.address, "?tls=false", "use a released version"},
		"no such host":   {"nowhere.invalid:2113", "?tls=false", "check the host name"},
		"a cluster away": {"127.0.0.1:1,127.0.0.1:2", "?tls=false", "nothing listens there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told logtest.Lines
			store := open(t, kurrent.Options{URL: "esdb://" + c.address + c.settings, Logger: told.Logger(slog.LevelInfo)})
			begin := time.Now()
			_, err := store.Append(within(t, 10*time.Second), "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")})
			took := time.Since(begin)
			if !errors.Is(err, eventstore.ErrUnavailable) || took > 4*time.Second {
				t.Errorf("got %v after %v", err, took)
			}
			for _, part := range []string{"level=WARN", c.address, c.advice} {
				says(t, &told, part, time.Second)
			}
			if n := told.Count("level=WARN"); n > 1 {
				t.Errorf("it is said %d times:\n%s", n, &told)
			}
			t.Logf("after %v: %s", took, strings.TrimSpace(told.String()))
		})
	}
}

// TestADeadServerBehindABalancer: what takes connections and closes them in one way and another is one cause.
func TestADeadServerBehindABalancer(t *testing.T) {
	var taken atomic.Int64
	balancer, _ := listening(t, "", func(conn net.Conn) {
		if taken.Add(1)%2 == 0 {
			_, _ = conn.Read(make([]byte, 100))
			_ = conn.(*net.TCPConn).SetLinger(0) // a reset
		}
	})
	var told logtest.Lines
	store := open(t, kurrent.Options{URL: "esdb://" + balancer + "?tls=false", Logger: told.Logger(slog.LevelInfo)})
	for ctx := within(t, 30*time.Second); taken.Load() < 8 && ctx.Err() == nil; {
		if _, err := store.Head(ctx); !errors.Is(err, eventstore.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	says(t, &told, "whether a server runs behind it", 0)
	if n := told.Count("level=WARN"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, &told)
	}
}

func TestAnOutageIsToldOnceAndItsEnd(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	var told logtest.Lines
	store := open(t, kurrent.Options{URL: server.url(), Logger: told.Logger(slog.LevelInfo)})
	if _, err := store.Identity(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	server.down()
	for range 2 {
		begin := time.Now()
		_, err := store.Head(within(t, 10*time.Second))
		if took := time.Since(begin); !errors.Is(err, eventstore.ErrUnavailable) || took > 4*time.Second {
			t.Errorf("got %v after %v", err, took)
		}
	}
	says(t, &told, "cannot be used", 0)
	server.options.Hostile = &esdbserver.Hostile{NotReadyFor: time.Second}
	server.start()
	begin := time.Now()
	if _, err := store.Head(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	t.Logf("ready again after %v, of which a second passed until the server was", time.Since(begin))
	says(t, &told, "event store: back", time.Second)
	if told.Count("level=WARN") != 2 || told.Count("Server Is Not Ready") != 1 || told.Count("level=INFO") != 2 {
		t.Errorf("it was said:\n%s", &told)
	}
}

// TestAnIngressesWordIsNotTheServers: what stands before the server answers for some seconds, each status in its way.
func TestAnIngressesWordIsNotTheServers(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusForbidden, http.StatusUnauthorized, http.StatusBadGateway} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			server := newServer(t, esdbserver.Options{})
			var told logtest.Lines
			store := open(t, kurrent.Options{URL: server.url(), Logger: told.Logger(slog.LevelInfo)})
			sub, err := store.Subscribe(t.Context(), eventstore.Position{}, eventstore.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Close()
			for n := range 2 {
				server.down()
				ingress := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					http.Error(w, "<html>no backend</html>", status)
				}), Protocols: new(http.Protocols)}
				ingress.Protocols.SetUnencryptedHTTP2(true)
				listener, err := net.Listen("tcp", server.address)
				if err != nil {
					t.Fatal(err)
				}
				var serving sync.WaitGroup
				serving.Go(func() { _ = ingress.Serve(listener) })
				_, err = store.Append(within(t, 10*time.Second), "tab-s-1", eventstore.Revision(n-1), []eventstore.NewEvent{event("x")})
				if !errors.Is(err, eventstore.ErrUnavailable) {
					t.Errorf("got %v", err)
				}
				says(t, &told, "an ingress or a proxy", time.Second)
				if err := ingress.Close(); err != nil {
					t.Error(err)
				}
				serving.Wait()
				server.start()
				if _, err := store.Append(within(t, 10*time.Second), "tab-s-1", eventstore.Revision(n-1), []eventstore.NewEvent{event("x")}); err != nil {
					t.Errorf("with the server back: %v", err)
				}
			}
			for ctx, n := within(t, 10*time.Second), 0; n < 2; {
				b, err := sub.Next(ctx)
				if err != nil {
					t.Fatal(err)
				}
				n += len(b.Events)
			}
		})
	}
}

// proxy stands between, slow or silent.
type proxy struct {
	to     string
	delay  time.Duration // in each direction
	silent atomic.Bool   // it takes everything and passes nothing on
}

func (p *proxy) handle(conn net.Conn) {
	up, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	var both sync.WaitGroup
	pass := func(to, from net.Conn) {
		type piece struct {
			at   time.Time
			data []byte
		}
		pieces := make(chan piece, 1024)
		both.Go(func() {
			defer to.Close()
			for piece := range pieces {
				time.Sleep(time.Until(piece.at.Add(p.delay)))
				if !p.silent.Load() {
					_, _ = to.Write(piece.data)
				}
			}
		})
		both.Go(func() {
			defer close(pieces)
			for {
				data := make([]byte, 32<<10)
				n, err := from.Read(data)
				if n > 0 {
					pieces <- piece{time.Now(), data[:n]}
				}
				if err != nil {
					return
				}
			}
		})
	}
	pass(up, conn)
	pass(conn, up)
	both.Wait()
}

// TestFarAway has a server from which an answer takes 600 ms.
func TestFarAway(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	server.seed(3, "tab-s-1")
	far := &proxy{to: server.address, delay: 300 * time.Millisecond}
	address, _ := listening(t, "", far.handle)
	begin := time.Now()
	store := open(t, kurrent.Options{URL: "esdb://" + address + "?tls=false", Logger: logger()})
	sub, err := store.Subscribe(t.Context(), eventstore.Position{}, eventstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for ctx := within(t, 20*time.Second); ; {
		b, err := sub.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if b.CaughtUp {
			break
		}
	}
	t.Logf("caught up after %v", time.Since(begin))
	begin = time.Now()
	if _, err := store.Append(within(t, 10*time.Second), "tab-s-1", 2, []eventstore.NewEvent{event("x")}); err != nil {
		t.Error(err)
	}
	t.Logf("an append took %v", time.Since(begin))
}

// TestAHungServer goes silent with its connections open, and is replaced.
func TestAHungServer(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	hung := &proxy{to: server.address}
	address, stop := listening(t, "", hung.handle)
	store := open(t, kurrent.Options{URL: "esdb://" + address + "?tls=false", Logger: logger()})
	ctx := within(t, 60*time.Second)
	if _, err := store.Append(ctx, "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")}); err != nil {
		t.Fatal(err)
	}
	hung.silent.Store(true)
	begin := time.Now()
	_, err := store.Append(within(t, 10*time.Second), "tab-s-1", 0, []eventstore.NewEvent{event("x")})
	t.Logf("an order to the hung server ended after %v: %v", time.Since(begin), err)
	if !errors.Is(err, eventstore.ErrUnavailable) || time.Since(begin) > 8*time.Second {
		t.Errorf("got %v after %v", err, time.Since(begin))
	}
	stop()
	listening(t, address, (&proxy{to: server.address}).handle)
	begin = time.Now()
	if _, err := store.Append(within(t, 10*time.Second), "tab-s-1", 0, []eventstore.NewEvent{event("x")}); err != nil {
		t.Fatal(err)
	}
	t.Logf("orders are back %v after it was replaced", time.Since(begin))
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestAHungLeader stays in its place, silent, while the others elect another: orders are back within 2 s of that.
func TestAHungLeader(t *testing.T) {
	first := newServer(t, esdbserver.Options{})
	second := &server{TB: t, log: first.log, address: "127.0.0.1:0", options: esdbserver.Options{Logger: logger()}}
	second.start()
	t.Cleanup(func() { second.down() })
	hung := &proxy{to: first.address}
	address, _ := listening(t, "", hung.handle)
	lead := func(members ...string) {
		for _, s := range []*server{first, second} {
			s.down()
			s.options.Members, s.options.Follower = members, s == second && members[0] != second.address
			s.start()
		}
	}
	lead(address, second.address)
	var told logtest.Lines
	store := open(t, kurrent.Options{URL: "esdb://" + address + "," + second.address + "?tls=false", Logger: told.Logger(slog.LevelInfo)})
	if _, err := store.Append(within(t, 10*time.Second), "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")}); err != nil {
		t.Fatal(err)
	}
	hung.silent.Store(true)
	var wrote sync.WaitGroup
	began := time.Now()
	var back time.Duration
	wrote.Go(func() {
		for began := time.Now(); time.Since(began) < 30*time.Second; {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err := store.Append(ctx, "tab-s-1", 0, []eventstore.NewEvent{event("x")})
			cancel()
			if err == nil {
				back = time.Since(began)
				return
			}
		}
		t.Error("orders do not come back")
	})
	time.Sleep(5 * time.Second) // an election takes that long
	second.down()
	second.options.Members, second.options.Follower = []string{second.address}, false
	second.start()
	elected := time.Since(began)
	wrote.Wait()
	t.Logf("orders are back %v after the election\n%s", back-elected, &told)
	if back-elected > 4*time.Second {
		t.Errorf("it took %v", back-elected)
	}
}

// TestTenLeaderKillsLeaveNothingBehind counts goroutines, clients and lines.
func TestTenLeaderKillsLeaveNothingBehind(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	var told logtest.Lines
	store := open(t, kurrent.Options{URL: server.url(), Logger: told.Logger(slog.LevelInfo)})
	for range 7 {
		sub, err := store.Subscribe(t.Context(), eventstore.Position{}, eventstore.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		if b, err := sub.Next(within(t, 10*time.Second)); err != nil || !b.CaughtUp {
			t.Fatalf("got %+v, %v", b, err)
		}
	}
	goroutines := runtime.NumGoroutine()
	for n := range 10 {
		server.down()
		server.options.Hostile = &esdbserver.Hostile{NotReadyFor: 200 * time.Millisecond}
		server.start()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { _, _ = store.Head(within(t, 5*time.Second)) })
		}
		all.Wait()
		if _, err := store.Append(within(t, 5*time.Second), "tab-s-1", eventstore.Revision(n-1), []eventstore.NewEvent{event("x")}); err != nil {
			t.Fatal(err)
		}
	}
	settles(t, goroutines+4, 1)
	t.Logf("%d goroutines before, %d afterwards", goroutines, runtime.NumGoroutine())
	t.Logf("%d lines over ten kills", told.Count("\n"))
	if told.Count("level=INFO") > 11 || told.Count("level=WARN") > 20 {
		t.Errorf("it was said:\n%s", &told)
	}
}
