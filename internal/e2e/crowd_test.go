package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crowd opens connections to the server, sends something over each, and keeps them until the test ends.
func (in *installation) crowd(n int, text func(n int) string) []net.Conn {
	in.t.Helper()
	conns := make([]net.Conn, 0, n)
	for i := range n {
		conn, err := net.Dial("tcp", strings.TrimPrefix(in.base.Load().(string), "http://"))
		if err != nil {
			in.t.Fatalf("connection %d: %v", i+1, err)
		}
		in.t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(requestMax)); err != nil {
			in.t.Fatal(err)
		}
		_, _ = io.WriteString(conn, text(i)) // the server may have had enough
		conns = append(conns, conn)
	}
	return conns
}

// freshly makes a caller that opens a connection for each request.
func (c caller) freshly() caller {
	c.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: requestMax}
	return c
}

// TestIdleConnections: with 1,024 file handles, 1,400 connections over which nothing comes neither end the server nor lock
// guests out.
func TestIdleConnections(t *testing.T) {
	in := install(t)
	in.open = 1024
	s := in.serve()
	in.awaitReady()
	r := in.owner("anna").cafe(t, 1)
	guest, owner := r.tablets[0].freshly(), r.owner.freshly()
	order := orderBody{Lines: []orderLine{{r.products[0].ProductID, 1}}}
	for what, text := range map[string]string{
		"nothing":         "",
		"half a header":   "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthor",
		"a question":      "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
		"half of a body":  "POST /v1/devices/pair HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n{",
		"refused, a body": "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n{",
	} {
		in.crowd(1400, func(int) string { return text })
		for n := range 20 {
			var placed orderAnswer
			at := guest.send(t, http.MethodPost, "/v1/orders", fmt.Sprintf("%s-%d", strings.ReplaceAll(what, " ", "-"), n), order, http.StatusCreated, &placed)
			owner.get(t, r.path("/tabs/%s", placed.TabID), at.position, nil)
		}
		in.awaitReady()
	}
	in.verify()
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

// peak is the most memory that a process had resident, MiB.
func (s *process) peak() int {
	s.in.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.in.t.Fatal(err)
	}
	kib, err := strconv.Atoi(string(regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)[1]))
	if err != nil {
		s.in.t.Fatal(err)
	}
	return kib >> 10
}

// TestHeldBodies: 500 bodies of a mebibyte, all but their last byte, to an open route and to one of an owner, cost little
// memory, and others are served meanwhile.
func TestHeldBodies(t *testing.T) {
	in := install(t)
	s := in.serve()
	in.awaitReady()
	r := in.owner("anna").cafe(t, 1)
	before := s.peak()
	const size = 1 << 20
	for path, token := range map[string]string{"/v1/devices/pair": "", r.path("/products"): r.owner.token} {
		text := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", path, token, size) +
			strings.Repeat(" ", size-1)
		in.crowd(500, func(int) string { return text })
		tea := map[string]any{"name": "Tea", "category": "DRINK", "price": 100}
		r.owner.freshly().send(t, http.MethodPost, r.path("/products"), "", tea, http.StatusCreated, nil)
	}
	after := s.peak()
	t.Logf("resident: at most %d MiB, then %d MiB", before, after)
	if after > before+100 {
		t.Errorf("the bodies cost %d MiB", after-before)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}
