// Package httpapi is what both APIs share of HTTP: strict bodies, problems, positions, keys, the server's limits.
//
// Not here: any route.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"daybook/domain/refusal"
	"daybook/eventstore"
	"daybook/internal/auth"
)

// Problem is an answer that says no, after RFC 9457. It is an error, so that handlers return it.
type Problem struct {
	Status int
	Code   string // stable, for programs
	Detail string // for people

	RetryAfter time.Duration // of 429 and 503; 0: a second
}

// NewProblem makes a problem.
func NewProblem(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Detail: detail}
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// kindStatus is where kinds of refusals meet HTTP, the only place.
var kindStatus = map[refusal.Kind]int{
	refusal.Invalid:  http.StatusBadRequest,
	refusal.Unknown:  http.StatusNotFound,
	refusal.Conflict: http.StatusConflict,
	refusal.TooMuch:  http.StatusConflict,
}

// problemOf makes a problem of any error, and says whether the operator has to be told.
func problemOf(err error) (p *Problem, tell bool) {
	var problem *Problem
	var no *refusal.Refusal
	var http1 *echo.HTTPError
	switch {
	case errors.As(err, &problem):
		return problem, false
	case errors.As(err, &no):
		return NewProblem(kindStatus[no.Kind], no.Code, no.Detail), false
	case errors.Is(err, auth.ErrToken):
		return NewProblem(http.StatusUnauthorized, "unauthorized", "a valid token is needed"), false
	case errors.As(err, &http1):
		return routeProblem(http1.Code), false
	case errors.Is(err, eventstore.ErrUnavailable), errors.Is(err, eventstore.ErrClosed):
		return NewProblem(http.StatusServiceUnavailable, "log_unavailable", "the event log does not take this now; whether it was taken is not known: try again with the same Idempotency-Key"), true
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return NewProblem(http.StatusServiceUnavailable, "timeout", "there was no time to finish; try again with the same Idempotency-Key"), true
	}
	return NewProblem(http.StatusInternalServerError, "internal", "something went wrong; the operator finds it under the request id"), true
}

// routeProblem is what the router says no with.
func routeProblem(status int) *Problem {
	switch status {
	case http.StatusNotFound:
		return NewProblem(status, "route_not_found", "there is no such path")
	case http.StatusMethodNotAllowed:
		return NewProblem(status, "method_not_allowed", "this path does not take that method")
	case http.StatusRequestEntityTooLarge:
		return NewProblem(status, "body_too_large", "the body is too large")
	}
	return NewProblem(status, "refused", http.StatusText(status))
}

// statusWentAway is what a request counts as whose caller did not wait for the answer. No caller ever sees it.
const statusWentAway = 499

// wentAway reports whether an error comes of nothing but that the caller is gone: the request's context has ended for it,
// or the answer could not be written.
func wentAway(c echo.Context, err error) bool {
	if c.Request().Context().Err() != nil && errors.Is(err, context.Canceled) {
		return true
	}
	var network *net.OpError
	return c.Response().Committed && errors.As(err, &network) && network.Op == "write"
}

// toldEvery is how often the log tells that requests fail for want of the same part. What is wrong with it, that part tells
// itself, and metrics count the requests.
const toldEvery = 30 * time.Second

// seldom keeps a fault that meets every request from filling the log, which may lie on the disk that is full.
type seldom struct{ codes sync.Map } // *rate.Sometimes by the problem's code, of which there are few

func (s *seldom) now(code string) (is bool) {
	sometimes, _ := s.codes.LoadOrStore(code, &rate.Sometimes{First: 1, Interval: toldEvery})
	sometimes.(*rate.Sometimes).Do(func() { is = true })
	return is
}

// errorHandler writes every error as a problem. What was not declared goes to the operator's log, not to the caller.
func errorHandler(log *slog.Logger) echo.HTTPErrorHandler {
	var unavailable seldom
	return func(err error, c echo.Context) {
		p, tell := problemOf(err)
		id := RequestID(c)
		if tell && wentAway(c, err) {
			log.Debug("the caller went away", "request", id, "route", c.Path(), "error", err)
			if !c.Response().Committed {
				_ = c.NoContent(statusWentAway) // nobody reads it; metrics count it
			}
			return
		}
		if tell && (p.Status != http.StatusServiceUnavailable || unavailable.now(p.Code)) {
			log.ErrorContext(c.Request().Context(), "request failed", "request", id, "route", c.Path(), "error", err)
		}
		if c.Response().Committed {
			return
		}
		body, err := json.Marshal(map[string]any{
			"type": "about:blank", "title": http.StatusText(p.Status), "status": p.Status,
			"code": p.Code, "detail": p.Detail, "requestId": id,
		})
		if err != nil {
			log.Error("problem not written", "request", id, "error", err)
			return
		}
		if p.Status == http.StatusUnauthorized {
			c.Response().Header().Set("WWW-Authenticate", "Bearer")
		}
		if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
			c.Response().Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(p.RetryAfter.Seconds())))))
		}
		if bodyPending(c) { // or the answer, and the end, would wait until the rest of it has come
			c.Response().Header().Set("Connection", "close")
			readUntil(c, time.Now())
		}
		if err := c.Blob(p.Status, "application/problem+json", body); err != nil {
			log.Debug("problem not delivered", "request", id, "error", err)
		}
	}
}
