package httptests

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A header that never ends is cut off. (This test takes the five seconds that a header may take.)
func TestSlowHeaderIsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.dial(t)
	begin := time.Now()
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	drip := time.NewTicker(200 * time.Millisecond)
	defer drip.Stop()
	for range drip.C {
		if _, err := io.WriteString(conn, "x"); err != nil {
			break
		}
		if time.Since(begin) > 12*time.Second {
			t.Fatal("a header may take twelve seconds")
		}
	}
	if took := time.Since(begin); took < 4*time.Second {
		t.Errorf("a header is cut after %s: a slow guest could not order", took)
	}
}

// The head of a valid order, but for the length of its body.
func orderHead(r *restaurant) string {
	return "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\nAuthorization: Bearer " + r.tablet + "\r\n"
}

// A length that is not the body's: nothing is ordered of half a body, and nothing twice of two.
func TestContentLengthThatLies(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	body := r.ordering(1, r.coffee).body
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n", n) }
	r.nothingHappens(t, func() {
		for what, request := range map[string]string{
			"too short":     orderHead(r) + length(len(body)-1) + body,
			"zero":          orderHead(r) + length(0) + body,
			"negative":      orderHead(r) + "Content-Length: -1\r\n\r\n" + body,
			"two of them":   orderHead(r) + "Content-Length: 3\r\n" + length(len(body)) + body,
			"and chunks":    orderHead(r) + "Content-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\n" + body,
			"far too large": orderHead(r) + length(1<<40) + strings.Repeat(" ", 2<<20),
		} {
			status, p := r.raw(t, request)
			if status < 400 || status >= 500 && status != http.StatusNotImplemented {
				t.Errorf("%s: answer %d %+v", what, status, p)
			}
		}
		// Too long: the sender goes away before the end.
		conn := r.dial(t)
		if _, err := io.WriteString(conn, orderHead(r)+length(len(body)+1)+body); err != nil {
			t.Fatal(err)
		}
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if status, p := readProblem(t, conn); status != http.StatusBadRequest || p.Code != "body_unreadable" {
			t.Errorf("too long: answer %d %+v", status, p)
		}
	})
	if status, p := r.raw(t, orderHead(r)+length(len(body))+body); status != http.StatusCreated {
		t.Errorf("the true length: answer %d %+v", status, p)
	}
}

// A body of 2 MiB is refused before it is read to its end, whether it says so or not.
func TestLargeBody(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	c := r.ordering(1, r.coffee)
	c.body += strings.Repeat(" ", 2<<20)
	r.nothingHappens(t, func() {
		r.send(t, c).want(t, http.StatusRequestEntityTooLarge, "body_too_large")
		chunk := strings.Repeat(" ", 1<<16)
		request := orderHead(r) + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("10000\r\n"+chunk+"\r\n", 32) + "0\r\n\r\n"
		if status, p := r.raw(t, request); status != http.StatusRequestEntityTooLarge || p.Code != "body_too_large" {
			t.Errorf("in chunks: answer %d %+v", status, p)
		}
	})
}

// A header that is too large is refused, and the connection does not serve as a way around any check.
func TestPipelinedRequests(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	conn := r.dial(t)
	menu := func(token string) string {
		return "GET /v1/menu HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n\r\n"
	}
	if _, err := io.WriteString(conn, menu(r.tablet)+menu(r.tablet+"x")+menu(r.tablet)); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	for _, want := range []int{http.StatusOK, http.StatusUnauthorized, http.StatusOK} {
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != want {
			t.Errorf("answer %d, want %d", response.StatusCode, want)
		}
	}
	if status, _ := r.raw(t, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: "+strings.Repeat("x", 128<<10)+"\r\n\r\n"); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a large header: answer %d", status)
	}
}
