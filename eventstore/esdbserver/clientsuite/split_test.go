package clientsuite_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"sync"
)

// split divides the TLS connections of a listener into those of browsers, which also offer HTTP/1.1, and those of gRPC,
// which do not. Closing either closes the listener.
func split(listener net.Listener) (browsers, others net.Listener) {
	s := &splitter{Listener: listener, closed: make(chan struct{})}
	b, o := &half{s, make(chan net.Conn)}, &half{s, make(chan net.Conn)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.sort(conn, b, o)
		}
	}()
	return b, o
}

type splitter struct {
	net.Listener
	once   sync.Once
	closed chan struct{}
}

func (s *splitter) Close() (err error) {
	s.once.Do(func() {
		close(s.closed)
		err = s.Listener.Close()
	})
	return err
}

// sort looks into the first message of the TLS handshake, which is in the clear.
func (s *splitter) sort(conn net.Conn, browsers, others *half) {
	const header = 5 // kind, version, length
	const recordMax = 16 << 10
	in := bufio.NewReaderSize(conn, header+recordMax)
	start, err := in.Peek(header)
	if err == nil {
		start, err = in.Peek(header + int(binary.BigEndian.Uint16(start[3:])))
	}
	to := others
	if bytes.Contains(start, []byte("\x08http/1.1")) {
		to = browsers
	}
	if err != nil {
		_ = conn.Close()
		return
	}
	select {
	case to.conns <- &peeked{conn, in}:
	case <-s.closed:
		_ = conn.Close()
	}
}

type half struct {
	*splitter
	conns chan net.Conn
}

func (h *half) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// peeked is a connection of which something was read already.
type peeked struct {
	net.Conn
	in *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.in.Read(b) }
