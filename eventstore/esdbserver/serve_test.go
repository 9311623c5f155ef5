package esdbserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
	"daybook/eventstore/esdbserver"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func openStore(t testing.TB) *embedded.Store {
	t.Helper()
	store, err := embedded.Open(embedded.Options{Dir: "log", FS: vfs.NewMem(), Logger: quiet, MemTableBytes: 16 << 20, CacheBytes: 1 << 20, AppendBytesMax: 1<<20 - 1})
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

// serve serves until the test ends, or stop is called.
func serve(t testing.TB, server *esdbserver.Server, address string) (at string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

// dial makes a client for a server without TLS.
func dial(t testing.TB, address string) *esdb.Client {
	t.Helper()
	return dialURL(t, "esdb://"+address+"?tls=false&maxDiscoverAttempts=1")
}

func dialURL(t testing.TB, url string) *esdb.Client {
	t.Helper()
	config, err := esdb.ParseConnectionString(url)
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// start serves a new store and returns a client for it.
func start(t testing.TB, options esdbserver.Options) (*esdb.Client, *embedded.Store) {
	t.Helper()
	options.Logger = quiet
	store := openStore(t)
	address, _ := serve(t, esdbserver.New(store, options), "127.0.0.1:0")
	return dial(t, address), store
}

func context10(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// note makes an event that carries a number.
func note(n int) esdb.EventData {
	return esdb.EventData{EventID: uuid.New(), EventType: fmt.Sprintf("noted.v%d", n%2), ContentType: esdb.ContentTypeJson, Data: fmt.Appendf(nil, "%d", n)}
}

func notes(from, to int) (all []esdb.EventData) {
	for n := from; n < to; n++ {
		all = append(all, note(n))
	}
	return all
}

func mustAppend(t *testing.T, client *esdb.Client, stream string, expected esdb.ExpectedRevision, events ...esdb.EventData) *esdb.WriteResult {
	t.Helper()
	result, err := client.AppendToStream(context10(t), stream, esdb.AppendToStreamOptions{ExpectedRevision: expected}, events...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func wantCode(t *testing.T, err error, want esdb.ErrorCode) {
	t.Helper()
	var is *esdb.Error
	if !errors.As(err, &is) || is.Code() != want {
		t.Errorf("got error %v, want code %d", err, want)
	}
}

// datas drains a read.
func datas(t *testing.T, read *esdb.ReadStream, err error) (all []string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	for {
		e, err := read.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(e.OriginalEvent().Data))
	}
}

func wantEqual[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}

func place(n uint64) eventstore.Position { return eventstore.Position{Commit: n, Prepare: n} }
