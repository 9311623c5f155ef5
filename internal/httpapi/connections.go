package httpapi

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// Connections is a listener that keeps so many connections at most. When there are as many, each new one takes the place
// of the one that has been quiet longest: that waits for its caller to send or to take something. So connections that
// nothing comes over cannot lock others out, however many there are. A server made by Server tells it which are quiet;
// for another server, all are. Safe for concurrent use.
type Connections struct {
	net.Listener
	max int

	mu    sync.Mutex
	open  int
	quiet *list.List // of *connection, the longest first
	ended uint64     // were closed, or refused, for others' sake
}

// Bounded keeps at most max connections of a listener.
func Bounded(listener net.Listener, max int) *Connections {
	return &Connections{Listener: listener, max: max, quiet: list.New()}
}

// Open is how many connections there are.
func (l *Connections) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Ended is how many connections were closed to make room, or refused for want of it.
func (l *Connections) Ended() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// Accept returns the next connection, and closes a quiet one if there would be too many. If there is none, the new one
// is refused.
func (l *Connections) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &connection{Conn: conn, of: l}
		longest, admitted := l.admit(c)
		if longest != nil {
			_ = longest.Close() // its caller has to connect again
		}
		if admitted {
			return c, nil
		}
		_ = conn.Close()
	}
}

// admit counts a connection. If that makes one too many, it also returns the one that must go.
func (l *Connections) admit(c *connection) (longest *connection, admitted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.max {
		l.ended++
		front := l.quiet.Front()
		if front == nil {
			return nil, false
		}
		longest = front.Value.(*connection)
		longest.leave()
	}
	l.open++
	c.element = l.quiet.PushBack(c)
	return longest, true
}

// connection is one of the connections of a listener.
type connection struct {
	net.Conn
	of *Connections

	// Guarded by of.mu.
	element *list.Element // its place among the quiet; nil while it is busy
	gone    bool          // it is no longer counted
}

// leave takes a connection out of the count, once. The caller holds of.mu.
func (c *connection) leave() {
	if c.gone {
		return
	}
	c.gone = true
	c.of.open--
	c.settle(true)
}

// settle gives a connection its place: among the quiet, as the one that has been so for the shortest time, or not. The
// caller holds of.mu.
func (c *connection) settle(busy bool) {
	if c.element != nil {
		c.of.quiet.Remove(c.element)
		c.element = nil
	}
	if !busy && !c.gone {
		c.element = c.of.quiet.PushBack(c)
	}
}

// work notes that the server, not the caller, is what this connection waits for, or no longer is.
func (c *connection) work(begins bool) {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.settle(begins)
}

// Write waits for the caller to take something.
func (c *connection) Write(p []byte) (int, error) {
	if wasBusy := c.waits(); wasBusy {
		defer c.work(true)
	}
	return c.Conn.Write(p)
}

// waits makes a connection quiet, and reports whether it was busy.
func (c *connection) waits() (wasBusy bool) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	wasBusy = c.element == nil && !c.gone
	if wasBusy {
		c.settle(false)
	}
	return wasBusy
}

// Close closes the connection. It may be called twice.
func (c *connection) Close() error {
	c.of.mu.Lock()
	c.leave()
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets the caller read what was answered before the connection is closed.
func (c *connection) CloseWrite() error {
	if half, is := c.Conn.(interface{ CloseWrite() error }); is {
		return half.CloseWrite()
	}
	return nil
}

type connectionKey struct{}

// connectionOf is the connection that a request came over, nil if its listener is not Bounded. (nil does no work.)
func connectionOf(ctx context.Context) *connection {
	c, _ := ctx.Value(connectionKey{}).(*connection)
	return c
}

// tell has a server tell its listener what its connections wait for. While it waits for a body (see readBody) or for the
// caller to take the answer, a connection is quiet, too.
func tell(server *http.Server) {
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if c, bounded := conn.(*connection); bounded {
			return context.WithValue(ctx, connectionKey{}, c)
		}
		return ctx
	}
	handler := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := connectionOf(r.Context())
		c.work(true)
		defer c.work(false)
		handler.ServeHTTP(w, r)
	})
}
