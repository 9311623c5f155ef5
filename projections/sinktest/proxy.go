package sinktest

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a sink and its server and does what networks do: it can hang, and it can lose answers.
type Proxy struct {
	listener net.Listener
	server   string

	mu    sync.Mutex
	pass  chan struct{} // closed while data may pass
	loss  float64
	conns map[net.Conn]bool
	done  sync.WaitGroup
}

// NewProxy starts a proxy for the server at an address with a host and a port in it, and returns it and the address to
// connect to instead. It ends with the test.
func NewProxy(t testing.TB, address string) (*Proxy, string) {
	t.Helper()
	through, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, server: through.Host, pass: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(p.pass)
	p.done.Go(p.accept)
	t.Cleanup(func() {
		p.Resume()
		_ = p.listener.Close()
		p.Cut()
		p.done.Wait()
	})
	through.Host = listener.Addr().String()
	return p, through.String()
}

// Hang lets nothing through, in either direction, on old and new connections, until Resume.
func (p *Proxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass = make(chan struct{})
}

// Resume ends Hang.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.pass:
	default:
		close(p.pass)
	}
}

// LoseAnswers cuts the connection instead of passing on an answer, as often as probability says. What was asked for has
// been done then.
func (p *Proxy) LoseAnswers(probability float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loss = probability
}

// Cut closes all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp4", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.done.Go(func() { p.forward(server, client, false) })
		p.done.Go(func() { p.forward(client, server, true) })
	}
}

var errLost = errors.New("lost")

// forward passes data on until either side ends, and then ends both.
func (p *Proxy) forward(to, from net.Conn, answers bool) {
	defer func() {
		_ = to.Close()
		_ = from.Close()
		p.mu.Lock()
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	_, _ = io.Copy(writerFunc(func(data []byte) (int, error) {
		p.mu.Lock()
		pass, lost := p.pass, answers && rand.Float64() < p.loss
		p.mu.Unlock()
		<-pass
		if lost {
			return 0, errLost
		}
		return to.Write(data)
	}), from) // either side may end at any time
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(data []byte) (int, error) { return f(data) }
