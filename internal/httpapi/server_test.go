package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"daybook/internal/auth"
)

// A handler that panics answers as every other fault does, and the server goes on.
func TestPanic(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	e := New(slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	e.GET("/panic", func(echo.Context) error { panic("a secret: 0xdeadbeef") })
	e.GET("/nil", func(c echo.Context) error { return *c.Get("nothing").(*error) })
	e.GET("/fine", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	server := httptest.NewServer(e)
	defer server.Close()
	for range 2 {
		for path, status := range map[string]int{"/panic": 500, "/nil": 500, "/fine": 204} {
			response, err := http.Get(server.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err := response.Body.Close(); err != nil {
				t.Fatal(err)
			}
			id := response.Header.Get("X-Request-Id")
			if err != nil || response.StatusCode != status || id == "" {
				t.Errorf("%s: answer %d %s, %v", path, response.StatusCode, body, err)
			}
			if status == 500 && (!strings.Contains(string(body), `"code":"internal"`) || !strings.Contains(string(body), id)) {
				t.Errorf("%s: answer %s", path, body)
			}
			for _, inside := range []string{"secret", "goroutine", "interface conversion", ".go:"} {
				if strings.Contains(string(body), inside) {
					t.Errorf("%s: the caller is told %s", path, body)
				}
			}
		}
	}
	server.Close()
	if text := log.String(); !strings.Contains(text, "0xdeadbeef") || !strings.Contains(text, "server_test.go") || !strings.Contains(text, "route=/panic") {
		t.Errorf("the operator is told %s", text)
	}
}

// Every request has an id of its own, which the caller cannot choose, a deadline, and headers that keep answers private.
func TestEveryRequest(t *testing.T) {
	t.Parallel()
	e := New(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	var left time.Duration
	var ip string
	e.GET("/x", func(c echo.Context) error {
		deadline, _ := c.Request().Context().Deadline()
		left, ip = time.Until(deadline), c.RealIP()
		return c.NoContent(http.StatusNoContent)
	})
	ids := map[string]bool{}
	for range 100 {
		r := httptest.NewRequest(http.MethodGet, "/x", nil)
		r.Header.Set("X-Request-Id", "mine")
		r.Header.Set("X-Forwarded-For", "1.2.3.4")
		recorder := httptest.NewRecorder()
		e.ServeHTTP(recorder, r)
		h := recorder.Header()
		ids[h.Get("X-Request-Id")] = true
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("headers %v", h)
		}
	}
	if len(ids) != 100 || ids["mine"] || left <= 0 || left > requestTimeout || ip == "1.2.3.4" {
		t.Errorf("%d ids, %s left, from %s", len(ids), left, ip)
	}
}

// Metrics know routes, and never what callers make up.
func TestMetricLabels(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	e := New(slog.New(slog.DiscardHandler), registry)
	e.GET("/things/:id", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	for _, request := range []struct{ method, path string }{
		{"GET", "/things/s1234"}, {"GET", "/things/other"}, {"GET", "/s1234"}, {"S1234", "/things/s1234"}, {"POST", "/things/s1234"},
	} {
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(request.method, request.path, nil))
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%v, %v", families, err)
	}
	got := map[string]uint64{}
	for _, metric := range families[0].Metric {
		var labels []string
		for _, label := range metric.Label {
			labels = append(labels, label.GetValue())
		}
		got[strings.Join(labels, " ")] = metric.Histogram.GetSampleCount()
	}
	for labels, n := range map[string]uint64{"GET /things/:id 204": 2, "GET none 404": 1, "other /things/:id 405": 1, "POST /things/:id 405": 1} {
		if got[labels] != n {
			t.Errorf("%s was counted %d times: %v", labels, got[labels], got)
		}
	}
	for labels := range got {
		if strings.Contains(strings.ToLower(labels), "s1234") {
			t.Errorf("label %s", labels)
		}
	}
}

// serve serves until the test ends; limits, if not nil, changes the server's limits.
func serve(t *testing.T, handler http.Handler, limits func(*http.Server)) (address string, stop context.CancelFunc, done <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := Server(handler, slog.New(slog.DiscardHandler))
	if limits != nil {
		limits(server)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, server, listener) }()
	return listener.Addr().String(), stop, served
}

func TestServerHasLimits(t *testing.T) {
	t.Parallel()
	s := Server(nil, slog.New(slog.DiscardHandler))
	for name, limit := range map[string]time.Duration{
		"header": s.ReadHeaderTimeout, "read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout,
	} {
		if limit <= 0 || limit > time.Minute {
			t.Errorf("%s may take %s", name, limit)
		}
	}
	if s.WriteTimeout <= requestTimeout || s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 1<<20 {
		t.Errorf("an answer may take %s, and a header %d bytes", s.WriteTimeout, s.MaxHeaderBytes)
	}
}

// A body that never ends does not hold a call longer than the server allows, and a request that is refused is not held
// by its body at all. (This test takes the five seconds that a body may take.)
func TestSlowBodyIsCut(t *testing.T) {
	t.Parallel()
	e := New(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	e.POST("/slow", func(c echo.Context) error { return DecodeBody(c, &struct{}{}, false, BodyMax) })
	e.POST("/refused", func(echo.Context) error { return auth.ErrToken })
	for path, want := range map[string]struct {
		status  int
		atLeast time.Duration
	}{"/slow": {http.StatusBadRequest, bodyTimeout - time.Second}, "/refused": {http.StatusUnauthorized, 0}} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			address, stop, done := serve(t, e, nil)
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			begin := time.Now()
			if _, err := io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			stop()
			if err := errors.Join(err, <-done); err != nil { // the server has nothing more to wait for
				t.Error(err)
			}
			if took := time.Since(begin); response.StatusCode != want.status || took < want.atLeast || took > want.atLeast+3*time.Second {
				t.Errorf("after %s: answer %d %s", took, response.StatusCode, body)
			}
		})
	}
}

// A server that stops lets running requests finish.
func TestServeDrains(t *testing.T) {
	t.Parallel()
	running, finish := make(chan struct{}), make(chan struct{})
	address, stop, done := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(running)
		<-finish
		w.WriteHeader(http.StatusNoContent)
	}), nil)
	answered := make(chan int, 1)
	go func() {
		response, err := http.Get("http://" + address)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		answered <- response.StatusCode
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	<-running
	stop()
	select {
	case err := <-done:
		t.Fatalf("it stopped with a request running: %v", err)
	case <-time.After(50 * time.Millisecond): // it must still be waiting
	}
	close(finish)
	if status := <-answered; status != http.StatusNoContent {
		t.Errorf("the running request was answered %d", status)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
