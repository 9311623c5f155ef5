package clientsuite_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/eventstore/embedded"
	"daybook/eventstore/esdbserver"
)

// preparedEnv is how the tests ask for the database that is delivered in the vendor's image.
const preparedEnv = "EVENTSTORE_DB=/data/integration-tests"

// daemon answers as much of Docker's API as the tests use to start servers of their own, and starts an esdbserver for
// each container. So the tests need neither Docker nor a change.
type daemon struct {
	t            *testing.T
	certificates certificates
	prepared     prepared

	mu         sync.Mutex
	containers map[string]*container
}

type container struct {
	env  []string
	port int // 0 before it is started
	stop func()
}

// serveDaemon returns its address for DOCKER_HOST.
func serveDaemon(t *testing.T, c certificates, p prepared) string {
	d := &daemon{t: t, certificates: c, prepared: p, containers: map[string]*container{}}
	api := http.NewServeMux()
	api.HandleFunc("/_ping", answer(nil))
	api.HandleFunc("/{version}/info", answer(map[string]any{"ServerVersion": "25.0.5", "OperatingSystem": "none"}))
	api.HandleFunc("/{version}/networks", answer([]any{map[string]string{"Name": "bridge"}}))
	api.HandleFunc("GET /{version}/images/{name...}", answer(map[string]string{"Id": "image"}))
	api.HandleFunc("POST /{version}/containers/create", d.create)
	api.HandleFunc("PUT /{version}/containers/{id}/archive", answer(nil))
	api.HandleFunc("POST /{version}/containers/{id}/start", d.start)
	api.HandleFunc("GET /{version}/containers/{id}/json", d.inspect)
	api.HandleFunc("POST /{version}/containers/{id}/stop", d.stop)
	server := httptest.NewServer(api)
	t.Cleanup(func() {
		server.Close()
		for _, c := range d.containers {
			c.stop()
		}
	})
	return "tcp://" + server.Listener.Addr().String()
}

func answer(what any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("API-Version", "1.44")
		w.Header().Set("Content-Type", "application/json")
		if what != nil {
			_ = json.NewEncoder(w).Encode(what)
		}
	}
}

func (d *daemon) create(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Env []string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := fmt.Sprintf("%064d", len(d.containers))
	d.containers[id] = &container{env: asked.Env, stop: func() {}}
	w.WriteHeader(http.StatusCreated)
	answer(map[string]string{"Id": id})(w, r)
}

func (d *daemon) start(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.containers[r.PathValue("id")]
	open := func() (*embedded.Store, error) { return openStore(time.Now) }
	if slices.Contains(c.env, preparedEnv) {
		open = d.prepared.open
	}
	store, err := open()
	if err == nil {
		c.port, c.stop, err = d.serve(store)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (d *daemon) inspect(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.containers[r.PathValue("id")]
	answer(map[string]any{
		"Id":         r.PathValue("id"),
		"State":      map[string]any{"Status": "running", "Running": true},
		"HostConfig": map[string]any{"NetworkMode": "bridge"},
		"NetworkSettings": map[string]any{"Ports": map[string]any{
			"2113/tcp": []any{map[string]string{"HostIp": "127.0.0.1", "HostPort": strconv.Itoa(c.port)}},
		}},
	})(w, r)
}

func (d *daemon) stop(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.containers[r.PathValue("id")]
	c.stop()
	c.stop = func() {}
	w.WriteHeader(http.StatusNoContent)
}

// serve serves a store, and on the same port the page that tells whether a container is ready.
func (d *daemon) serve(store *embedded.Store) (port int, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, nil, err
	}
	browsers, clients := split(listener)
	health := httptest.NewUnstartedServer(answer("live"))
	_ = health.Listener.Close()
	health.Listener = browsers
	health.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	health.StartTLS()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	server := esdbserver.New(store, options(d.certificates, nil, false))
	go func() { ended <- server.Serve(ctx, clients) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			d.t.Error(err)
		}
		health.Close()
		if err := store.Close(); err != nil {
			d.t.Error(err)
		}
	}
	return listener.Addr().(*net.TCPAddr).Port, stop, nil
}

func openStore(now func() time.Time) (*embedded.Store, error) {
	return embedded.Open(embedded.Options{Dir: "log", FS: vfs.NewMem(), Now: now, Logger: slog.New(slog.DiscardHandler),
		MemTableBytes: 4 << 20, CacheBytes: 4 << 20})
}
