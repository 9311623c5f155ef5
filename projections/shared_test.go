package projections_test

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"daybook/domain/stream"
	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
	"daybook/eventstore/esdbserver"
	"daybook/eventstore/kurrent"
)

// logServer is a log behind EventStoreDB's protocol that counts who follows it, and what it sends.
type logServer struct {
	eventstore.Indexed
	following atomic.Int64
	sent      atomic.Int64
	url       string
}

type countedSub struct {
	eventstore.Subscription
	closed func()
}

func (s countedSub) Close() error {
	s.closed()
	return s.Subscription.Close()
}

func (s *logServer) Subscribe(ctx context.Context, after eventstore.Position, filter eventstore.Filter) (eventstore.Subscription, error) {
	sub, err := s.Indexed.Subscribe(ctx, after, filter)
	if err != nil || slices.Equal(filter.Prefixes, []string{"daybook_log"}) { // by which a connection is watched: nothing comes there
		return sub, err
	}
	s.following.Add(1)
	return countedSub{sub, func() { s.following.Add(-1) }}, nil
}

// countingConn counts what a server sends.
type countingConn struct {
	net.Conn
	sent *atomic.Int64
}

func (c countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.sent.Add(int64(n))
	return n, err
}

type countingListener struct {
	net.Listener
	sent *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return countingConn{conn, l.sent}, err
}

const foreignBytes = 15 << 20

// serveLog serves an empty log on loopback.
func serveLog(t *testing.T) *logServer {
	t.Helper()
	log, err := embeddedlog.Open(embeddedlog.Options{
		Dir: "log", FS: vfs.NewMem(), Logger: quiet, MemTableBytes: 4 * foreignBytes, AppendBytesMax: 2 * foreignBytes,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &logServer{Indexed: log, url: "esdb://" + listener.Addr().String() + "?tls=false"}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	node := esdbserver.New(s, esdbserver.Options{Logger: quiet})
	go func() { served <- node.Serve(ctx, countingListener{listener, &s.sent}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *logServer) open(t *testing.T) eventstore.Store {
	t.Helper()
	store, err := kurrent.Open(kurrent.Options{URL: s.url, Logger: quiet, Prefixes: stream.Prefixes()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// TestOneSubscriptionForAll: all read models are fed by one subscription to the server, which keeps to itself what other
// applications write.
func TestOneSubscriptionForAll(t *testing.T) {
	server, sink := serveLog(t), newSink(t)
	log := server.open(t)
	w := newWorld(t, log, 31)
	w.steps(60)
	r := run(t, log, sink)
	r.caughtUp(t, log)
	shared := func() bool { return server.following.Load() == 1 }
	waitUntil(t, "one subscription is open", shared)
	w.steps(60)
	r.caughtUp(t, log)
	sent := server.sent.Load()
	foreign := []eventstore.NewEvent{{ID: uuid.New(), Type: "big", Data: bytes.Repeat([]byte("x"), foreignBytes)}}
	if _, err := server.Append(t.Context(), "foreign-app", eventstore.NoStream, foreign); err != nil {
		t.Fatal(err)
	}
	w.steps(20)
	r.caughtUp(t, log)
	if more := server.sent.Load() - sent; more > foreignBytes/5 {
		t.Errorf("with a foreign event of %d bytes and a few of ours, the server sent %d bytes", foreignBytes, more)
	}
	waitUntil(t, "one subscription is open", shared)
	r.end(t)
	waitUntil(t, "no subscription is open", func() bool { return server.following.Load() == 0 })
	verified(t, log, sink)
}

func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
