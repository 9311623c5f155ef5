package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"daybook/domain/refusal"
	"daybook/eventstore"
	"daybook/internal/auth"
)

// answered is what a server answers to a request whose handler returns an error, and what it logs.
func answered(t *testing.T, handler echo.HandlerFunc) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var log bytes.Buffer
	e := New(slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	e.GET("/things/:id", handler)
	recorder := httptest.NewRecorder()
	e.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/things/secret-id", nil))
	return recorder, log.String()
}

func TestProblems(t *testing.T) {
	t.Parallel()
	const inside = "dial tcp 10.0.0.7: password"
	for _, c := range []struct {
		err    error
		status int
		code   string
		header string // that must be there
		told   bool   // to the operator
	}{
		{refusal.New(refusal.Invalid, "c", "d"), 400, "c", "", false},
		{refusal.New(refusal.Unknown, "c", "d"), 404, "c", "", false},
		{refusal.New(refusal.Conflict, "c", "d"), 409, "c", "", false},
		{refusal.New(refusal.TooMuch, "c", "d"), 409, "c", "", false},
		{fmt.Errorf("around: %w", refusal.New(refusal.Invalid, "c", "d")), 400, "c", "", false},
		{NewProblem(429, "slow_down", "d"), 429, "slow_down", "Retry-After", false},
		{errors.Join(NewProblem(503, "behind", "d"), errors.New(inside)), 503, "behind", "Retry-After", false},
		{errors.Join(auth.ErrToken, errors.New(inside)), 401, "unauthorized", "Www-Authenticate", false},
		{echo.ErrNotFound, 404, "route_not_found", "", false},
		{echo.ErrMethodNotAllowed, 405, "method_not_allowed", "", false},
		{echo.ErrStatusRequestEntityTooLarge, 413, "body_too_large", "", false},
		{echo.NewHTTPError(418, inside), 418, "refused", "", false},
		{fmt.Errorf("%s: %w", inside, eventstore.ErrUnavailable), 503, "log_unavailable", "Retry-After", true},
		{fmt.Errorf("%s: %w", inside, eventstore.ErrClosed), 503, "log_unavailable", "Retry-After", true},
		{fmt.Errorf("%s: %w", inside, context.DeadlineExceeded), 503, "timeout", "Retry-After", true},
		{fmt.Errorf("%s: %w", inside, context.Canceled), 503, "timeout", "Retry-After", true},
		{errors.New(inside), 500, "internal", "", true},
		{&eventstore.Conflict{}, 500, "internal", "", true},
		{&eventstore.Corruption{}, 500, "internal", "", true},
	} {
		recorder, log := answered(t, func(echo.Context) error { return c.err })
		var body map[string]any
		if err := json.Unmarshal(recorder.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		id := recorder.Header().Get("X-Request-Id")
		if recorder.Code != c.status || body["code"] != c.code || body["status"] != float64(c.status) || body["requestId"] != id || id == "" ||
			body["title"] != http.StatusText(c.status) || body["type"] != "about:blank" || recorder.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v: answer %d %v, %v", c.err, recorder.Code, recorder.Header(), body)
		}
		if c.header != "" && recorder.Header().Get(c.header) == "" {
			t.Errorf("%v: %s is missing", c.err, c.header)
		}
		if strings.Contains(recorder.Body.String(), "password") {
			t.Errorf("%v: the caller is told %s", c.err, recorder.Body)
		}
		if told := strings.Contains(log, id); told != c.told || strings.Contains(log, "secret-id") {
			t.Errorf("%v: the operator is told %q", c.err, log)
		}
	}
}

// A problem that comes after the answer began is told to the operator, and not to the caller once more.
func TestProblemAfterTheAnswer(t *testing.T) {
	t.Parallel()
	recorder, log := answered(t, func(c echo.Context) error {
		if err := c.String(http.StatusOK, "fine"); err != nil {
			return err
		}
		return errors.New("afterwards")
	})
	if recorder.Code != http.StatusOK || recorder.Body.String() != "fine" || !strings.Contains(log, "afterwards") {
		t.Errorf("answer %d %s, log %s", recorder.Code, recorder.Body, log)
	}
}

// Callers who go away are no fault of the server: the operator is not told, and metrics count them apart.
func TestCallersWhoGoAway(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]echo.HandlerFunc{
		"while it works": func(c echo.Context) error {
			<-c.Request().Context().Done()
			return fmt.Errorf("reading: %w", c.Request().Context().Err())
		},
		"while it answers": func(c echo.Context) error {
			<-c.Request().Context().Done()
			for {
				if err := c.Blob(http.StatusOK, "text/plain", make([]byte, 1<<20)); err != nil {
					return err
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			registry := prometheus.NewRegistry()
			e := New(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})), registry)
			began := make(chan struct{})
			e.GET("/things/:id", func(c echo.Context) error {
				close(began)
				return handler(c)
			})
			address, stop, done := serve(t, e, nil)
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "GET /things/1 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			<-began
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			stop()
			if err := <-done; err != nil { // the request has ended
				t.Error(err)
			}
			if log.Len() > 0 {
				t.Errorf("the operator is told %s", log.String())
			}
		})
	}
}
