package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
)

// Limits of bodies. An order of 200 lines has some 12 KiB.
const (
	BodyMax     = 64 << 10 // of a caller who has shown a token, bytes
	OpenBodyMax = 4 << 10  // of anybody, bytes

	// bodyTimeout is how long a body may take to come.
	bodyTimeout = 5 * time.Second
	// bodiesBytesMax is how much of bodies is kept at a time, beyond the first OpenBodyMax of each. These are bounded by
	// the number of connections, so that most requests need nothing of it and are not refused when it is used up.
	bodiesBytesMax = 32 << 20
)

var errBusy = NewProblem(http.StatusServiceUnavailable, "overloaded", "too many large requests at once; try again with the same Idempotency-Key")

// readBody reads a request's body, at most bytesMax of it. Call done when the body is no longer needed, also after an
// error.
func readBody(c echo.Context, bytesMax int) (body []byte, done func(), err error) {
	conn := connectionOf(c.Request().Context())
	conn.work(false)
	defer conn.work(true)
	readUntil(c, time.Now().Add(bodyTimeout))
	from := http.MaxBytesReader(c.Response(), c.Request().Body, int64(bytesMax))
	done = func() {}
	body, err = io.ReadAll(io.LimitReader(from, OpenBodyMax))
	if err == nil && len(body) == OpenBodyMax { // there may be more
		if done, err = shareOf(c).take(int64(bytesMax - OpenBodyMax)); err != nil {
			return nil, done, err
		}
		var rest []byte
		rest, err = io.ReadAll(from)
		body = append(body, rest...)
	}
	if err != nil {
		return nil, done, bodyProblem(err)
	}
	c.Set(bodyReadKey, true)
	readUntil(c, time.Now().Add(2*requestTimeout)) // what is read from now on is whether the caller goes away
	return body, done, nil
}

// readUntil ends reading from the caller at a time.
func readUntil(c echo.Context, t time.Time) {
	_ = http.NewResponseController(c.Response()).SetReadDeadline(t) // an error: there is no connection, in a test
}

func bodyProblem(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return NewProblem(http.StatusRequestEntityTooLarge, "body_too_large", fmt.Sprintf("the body of this request may have %d bytes", tooLarge.Limit))
	}
	return NewProblem(http.StatusBadRequest, "body_unreadable", "the body could not be read to its end, or not in time")
}

const bodyReadKey = "daybook.body"

// bodyPending reports whether a request has a body that was not read to its end.
func bodyPending(c echo.Context) bool {
	read, _ := c.Get(bodyReadKey).(bool)
	return c.Request().ContentLength != 0 && !read
}

// budget is a number of bytes that requests share.
type budget struct{ left int64 }

// take takes bytes for a while. Error: errBusy, if there are not so many.
func (b *budget) take(bytes int64) (giveBack func(), err error) {
	if atomic.AddInt64(&b.left, -bytes) < 0 {
		atomic.AddInt64(&b.left, bytes)
		return func() {}, errBusy
	}
	return func() { atomic.AddInt64(&b.left, bytes) }, nil
}

const budgetKey = "daybook.budget"

func bodiesShare(b *budget) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Set(budgetKey, b)
			return next(c)
		}
	}
}

func shareOf(c echo.Context) *budget {
	if b, is := c.Get(budgetKey).(*budget); is {
		return b
	}
	return &budget{left: bodiesBytesMax}
}
