package httpapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// crowded is a server that keeps a few connections.
type crowded struct {
	*Connections
	t *testing.T
}

func serveCrowd(t *testing.T, max int, handler http.Handler) crowded {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bounded := Bounded(listener, max)
	server := Server(handler, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- server.Serve(bounded) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if open := bounded.Open(); open != 0 {
			t.Errorf("%d connections are counted when all are closed", open)
		}
	})
	return crowded{bounded, t}
}

// dial connects and sends something.
func (s crowded) dial(text string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// status reads an answer's status; 0 if the connection was closed instead.
func (s crowded) status(conn net.Conn) int {
	s.t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

const ask = "GET /fine HTTP/1.1\r\nHost: x\r\n\r\n"

func fine() *echo.Echo {
	e := New(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	e.GET("/fine", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	e.POST("/body", func(c echo.Context) error { return DecodeBody(c, &struct{}{}, false, BodyMax) })
	return e
}

// Connections over which nothing comes lock nobody out, whatever they began with.
func TestQuietConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	for what, begin := range map[string]string{
		"nothing":              "",
		"half a header":        "GET /fine HTTP/1.1\r\nHos",
		"half a body":          "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
		"a request":            ask,
		"half a second header": ask + "GET /fine HTTP/1.1\r\nHos",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			const max = 8
			s := serveCrowd(t, max, fine())
			for range 3 * max {
				s.dial(begin)
				if open := s.Open(); open > max {
					t.Fatalf("%d connections are open", open)
				}
				if status := s.status(s.dial(ask)); status != http.StatusNoContent {
					t.Fatalf("an honest request: answer %d", status)
				}
			}
			if s.Ended() < 4*max {
				t.Errorf("%d connections made room", s.Ended())
			}
		})
	}
}

// Who waits longest goes first; who is being worked for does not go, nor does who has just come.
func TestBusyConnectionsStay(t *testing.T) {
	t.Parallel()
	e := fine()
	began, finish := make(chan struct{}), make(chan struct{})
	e.GET("/busy", func(c echo.Context) error {
		began <- struct{}{}
		<-finish
		return c.NoContent(http.StatusAccepted)
	})
	s := serveCrowd(t, 3, e)
	var busy []net.Conn
	for range 2 {
		busy = append(busy, s.dial("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n"))
		<-began
	}
	for range 10 { // they share the third place
		if status := s.status(s.dial(ask)); status != http.StatusNoContent {
			t.Fatalf("an honest request: answer %d", status)
		}
	}
	busy = append(busy, s.dial("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n"))
	<-began
	if status := s.status(s.dial(ask)); status != 0 {
		t.Errorf("with all connections busy: answer %d", status)
	}
	close(finish)
	for _, conn := range busy {
		if status := s.status(conn); status != http.StatusAccepted {
			t.Errorf("a busy connection: answer %d", status)
		}
	}
	if status := s.status(s.dial(ask)); status != http.StatusNoContent {
		t.Errorf("afterwards: answer %d", status)
	}
}

// A caller who does not take the answer is quiet.
func TestAnswersThatNobodyTakes(t *testing.T) {
	t.Parallel()
	e := fine()
	began := make(chan struct{}, 100)
	e.GET("/much", func(c echo.Context) error {
		began <- struct{}{}
		return c.Blob(http.StatusOK, "text/plain", make([]byte, 64<<20))
	})
	s := serveCrowd(t, 3, e)
	for range 3 {
		s.dial("GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
		<-began
	}
	for range 6 {
		deadline := time.Now().Add(10 * time.Second) // until the answers are stuck
		for s.status(s.dial(ask)) != http.StatusNoContent {
			if time.Now().After(deadline) {
				t.Fatal("those who do not take their answers lock others out")
			}
		}
	}
}

// What large bodies need beyond the first 4 KiB is bounded; small ones are taken all the same.
func TestLargeBodiesShare(t *testing.T) {
	t.Parallel()
	share := &budget{left: BodyMax}
	e := echo.New()
	e.HTTPErrorHandler = errorHandler(slog.New(slog.DiscardHandler))
	e.Use(bodiesShare(share))
	e.POST("/body", func(c echo.Context) error {
		if err := DecodeBody(c, &struct{}{}, false, BodyMax); err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	})
	s := serveCrowd(t, 10, e)
	send := func(size int) string {
		return fmt.Sprintf("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%*s", size, size, "{}")
	}
	held := send(2 * OpenBodyMax)
	conn := s.dial(held[:len(held)-1])
	deadline := time.Now().Add(10 * time.Second)
	for s.status(s.dial(send(OpenBodyMax+1))) != http.StatusServiceUnavailable { // until the held one has its share
		if time.Now().After(deadline) {
			t.Fatal("large bodies are not bounded")
		}
	}
	if status := s.status(s.dial(send(OpenBodyMax - 1))); status != http.StatusNoContent {
		t.Errorf("a small body: answer %d", status)
	}
	if _, err := io.WriteString(conn, held[len(held)-1:]); err != nil {
		t.Fatal(err)
	}
	if status := s.status(conn); status != http.StatusNoContent {
		t.Errorf("the held body: answer %d", status)
	}
	if status := s.status(s.dial(send(BodyMax))); status != http.StatusNoContent {
		t.Errorf("a large body, afterwards: answer %d", status)
	}
	if share.left != BodyMax {
		t.Errorf("%d bytes are left of %d", share.left, BodyMax)
	}
}
