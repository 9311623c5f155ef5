package esdbserver

import (
	"bytes"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Front is what a hostile server's clients meet before they meet the server: a process that hangs, an ingress that
// answers in its place, or a long way. The zero value lets everything pass. All methods may be called concurrently, at any time.
type Front struct {
	mu      sync.Mutex
	silence chan struct{} // closed when it is over, nil: there is none
	status  int           // of the ingress, 0: there is none
	far     time.Duration
	conns   map[net.Conn]bool
}

// Silent stops, or lets go on, whatever is said on connections, as if the process were stopped: they stay open, new ones are
// taken, and nothing comes, not even an answer to HTTP/2's pings.
func (f *Front) Silent(silent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case silent && f.silence == nil:
		f.silence = make(chan struct{})
	case !silent && f.silence != nil:
		close(f.silence)
		f.silence = nil
	}
}

// Ingress ends all connections, and answers each call on new ones with an HTTP status, as an ingress without a backend
// does; 0 lets them reach the server again. It speaks no TLS.
func (f *Front) Ingress(status int) {
	f.mu.Lock()
	f.status = status
	f.mu.Unlock()
	f.Break()
}

// Far lets whatever comes on connections that are made from now on come so much later. 0: at once.
func (f *Front) Far(late time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.far = late
}

// Break ends all connections without a word, as a process that is killed does.
func (f *Front) Break() {
	f.mu.Lock()
	conns := slices.Collect(maps.Keys(f.conns))
	f.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
	}
}

func (f *Front) now() (silence chan struct{}, status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.silence, f.status
}

// keep takes a connection, until it is closed.
func (f *Front) keep(conn net.Conn) *frontedConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conns == nil {
		f.conns = map[net.Conn]bool{}
	}
	kept := &frontedConn{Conn: conn, front: f, far: f.far, closed: make(chan struct{})}
	f.conns[kept] = true
	if f.far > 0 {
		kept.late = make(chan piece, piecesMax)
		go kept.sendLate() // ends with the connection
	}
	return kept
}

func (f *Front) drop(conn net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, conn)
}

// fronted is a listener behind a Front.
type fronted struct {
	net.Listener
	front *Front
}

// Accept returns connections that reach the server. Those of an ingress are answered here.
func (l fronted) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		kept := l.front.keep(conn)
		if _, status := l.front.now(); status == 0 {
			return kept, nil
		}
		l.front.answer(kept)
	}
}

// Close also ends the connections that would not end by themselves.
func (l fronted) Close() error {
	err := l.Listener.Close()
	if silence, status := l.front.now(); silence != nil || status != 0 {
		l.front.Break()
	}
	return err
}

// answer is the ingress.
func (f *Front) answer(conn net.Conn) {
	ingress := &http.Server{Protocols: new(http.Protocols), ReadHeaderTimeout: pingTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, status := f.now()
		http.Error(w, "<html>no backend</html>", max(status, http.StatusOK))
	})}
	ingress.Protocols.SetUnencryptedHTTP2(true)
	_ = ingress.Serve(&single{conn}) // which ends once it has the connection
}

// single is a listener for one connection that is there already.
type single struct{ net.Conn }

func (s *single) Accept() (conn net.Conn, err error) {
	if s.Conn == nil {
		return nil, io.EOF
	}
	conn, s.Conn = s.Conn, nil
	return conn, nil
}

func (s *single) Close() error   { return nil }
func (s *single) Addr() net.Addr { return nil }

type frontedConn struct {
	net.Conn
	front  *Front
	far    time.Duration
	late   chan piece // nil: nothing is late
	once   sync.Once
	closed chan struct{}
}

// piece is something written that is on its way.
type piece struct {
	due  time.Time
	data []byte
}

// piecesMax are on their way at once; a writer waits for more.
const piecesMax = 1024

func (c *frontedConn) Write(p []byte) (int, error) {
	c.wait()
	if c.late == nil {
		return c.Conn.Write(p)
	}
	select {
	case c.late <- piece{time.Now().Add(c.far), bytes.Clone(p)}:
		return len(p), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *frontedConn) sendLate() {
	for {
		select {
		case p := <-c.late:
			time.Sleep(time.Until(p.due))
			if _, err := c.Conn.Write(p.data); err != nil {
				_ = c.Close()
				return
			}
		case <-c.closed:
			return
		}
	}
}

func (c *frontedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wait()
	return n, err
}

// wait returns when nobody is silent any more, or the connection is closed.
func (c *frontedConn) wait() {
	for {
		silence, _ := c.front.now()
		if silence == nil {
			return
		}
		select {
		case <-silence:
		case <-c.closed:
			return
		}
	}
}

func (c *frontedConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.front.drop(c)
	})
	return c.Conn.Close()
}
