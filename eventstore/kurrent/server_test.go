package kurrent_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
	"daybook/eventstore/esdbserver"
	"daybook/eventstore/eventstoretest"
	"daybook/eventstore/kurrent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logger is quiet unless DAYBOOK_TEST_LOG is set.
func logger() *slog.Logger {
	if os.Getenv("DAYBOOK_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// server is an embedded log in memory, served over EventStoreDB's protocol at one address, up or down.
type server struct {
	testing.TB
	log     *embedded.Store
	options esdbserver.Options
	address string
	front   esdbserver.Front
	stop    func()
}

func newServer(t testing.TB, options esdbserver.Options) *server {
	t.Helper()
	return newServerOf(t, embedded.Options{
		Dir: "log", FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler), MemTableBytes: 1 << 20, CacheBytes: 1 << 20,
	}, options)
}

// newServerOf is newServer of a log with options of its own.
func newServerOf(t testing.TB, of embedded.Options, options esdbserver.Options) *server {
	t.Helper()
	log, err := embedded.Open(of)
	if err != nil {
		t.Fatal(err)
	}
	options.Logger = logger()
	s := &server{TB: t, log: log, options: options, address: "127.0.0.1:0"}
	s.start()
	t.Cleanup(func() {
		s.down()
		if err := s.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// start serves, at the same address as before.
func (s *server) start() {
	s.Helper()
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		s.Fatal(err)
	}
	s.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	var hostile esdbserver.Hostile
	if s.options.Hostile != nil {
		hostile = *s.options.Hostile
	}
	hostile.Front = &s.front
	options := s.options
	options.Hostile = &hostile
	node := esdbserver.New(s.log, options)
	go func() { served <- node.Serve(ctx, listener) }()
	s.stop = func() {
		cancel()
		if err := <-served; err != nil {
			s.Error(err)
		}
	}
}

// down stops serving; the log stays.
func (s *server) down() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// kill ends the server as a process is killed: its connections end in the middle of whatever is said.
func (s *server) kill() {
	s.front.Break()
	s.down()
}

func (s *server) url() string { return "esdb://" + s.address + "?tls=false" }

// open returns a store over the server, closed at the end of the test.
func (s *server) open() *kurrent.Store {
	s.Helper()
	return open(s, kurrent.Options{URL: s.url(), Logger: logger()})
}

func open(t testing.TB, options kurrent.Options) *kurrent.Store {
	t.Helper()
	store, err := kurrent.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func event(typ string) eventstore.NewEvent {
	return eventstore.NewEvent{ID: uuid.New(), Type: typ, Data: []byte(`{"n":1}`)}
}

func TestContract(t *testing.T) {
	servers := map[eventstore.Store]*server{}
	eventstoretest.Run(t, func(t *testing.T) eventstore.Store {
		server := newServer(t, esdbserver.Options{})
		store := server.open()
		servers[store] = server
		return store
	}, eventstoretest.Options{Server: true, Reopen: func(t *testing.T, old eventstore.Store) eventstore.Store {
		server := servers[old]
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		server.down()
		server.start()
		store := open(t, kurrent.Options{URL: server.url(), Logger: logger()})
		servers[store] = server
		return store
	}})
}

// TestContractOnAServer runs the contract against the server that DAYBOOK_TEST_ESDB names, which keeps what is written.
func TestContractOnAServer(t *testing.T) {
	url := os.Getenv("DAYBOOK_TEST_ESDB")
	if url == "" {
		t.Log("DAYBOOK_TEST_ESDB is not set: only the server of package esdbserver was tested")
		return
	}
	eventstoretest.Run(t, func(t *testing.T) eventstore.Store {
		return open(t, kurrent.Options{URL: url, Logger: logger()})
	}, eventstoretest.Options{Server: true, Shared: true})
}
