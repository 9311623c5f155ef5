package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"daybook/commands"
	"daybook/commands/policies"
	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
	"daybook/eventstore/esdbserver"
	"daybook/internal/httpapi"
	"daybook/projections"
	"daybook/readapi"
)

// Server is an App that serves. Its address is known before it serves.
type Server struct {
	*App
	listener net.Listener
	admin    *adminServer
	esdb     net.Listener // nil: the log is not offered
	offer    *esdbserver.Server
	esdbRead bool // to be read only
	echo     *echo.Echo
	draining chan struct{} // closed when it begins to stop
}

// Listen takes the address that Serve will serve on, host:port. It warns if others than this machine can reach it.
// Before, it looks at the read models that can be reached: those of another log are projections.ErrForeign.
func (a *App) Listen(address string) (*Server, error) {
	if err := a.lookFirst(); err != nil {
		return nil, err
	}
	if address == "" { // which would be every address, at any port
		return nil, errors.New("DAYBOOK_ADDR (--addr): it is empty; it is HOST:PORT, such as 127.0.0.1:8080, or 0.0.0.0:8080 for every address of this machine")
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("DAYBOOK_ADDR (--addr): %w", err)
	}
	if at, is := listener.Addr().(*net.TCPAddr); is && !at.IP.IsLoopback() {
		a.log.Warn("other machines can reach this address, and tokens travel to it unencrypted: let a proxy with TLS stand before it, or serve on 127.0.0.1",
			"address", at.String())
	}
	proxies, err := a.Config.proxies()
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	bounded := httpapi.Bounded(listener, a.files.connections)
	a.countConnections(bounded)
	s := &Server{App: a, listener: bounded, echo: httpapi.New(a.log, a.Registry, proxies...), draining: make(chan struct{})}
	s.routes()
	if s.admin, err = newAdminServer(a); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return s, nil
}

// countConnections makes metrics of a listener.
func (a *App) countConnections(l *httpapi.Connections) {
	a.Registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "daybook_http_connections", Help: "Connections that are open.",
		}, func() float64 { return float64(l.Open()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "daybook_http_connections_max", Help: "Connections that may be open.",
		}, func() float64 { return float64(a.files.connections) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "daybook_http_connections_ended_total", Help: "Connections that were ended for others' sake: the longest quiet, or new ones if none was quiet.",
		}, func() float64 { return float64(l.Ended()) }),
	)
}

// OfferLog also serves the embedded log over EventStoreDB's protocol, on loopback, so that its clients and tools can look
// into it, and, if it is to be written, another Daybook can keep its log there.
func (s *Server) OfferLog(address string, writable bool) (string, error) {
	log, embedded := s.Store.(*embeddedlog.Log)
	if !embedded {
		return "", errors.New("--esdb-listen: only an embedded log can be offered")
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("--esdb-listen: %w", err)
	}
	offer := esdbserver.New(log, esdbserver.Options{ReadOnly: !writable, Logger: s.log})
	if err := offer.Admits(listener.Addr()); err != nil {
		return "", fmt.Errorf("--esdb-listen: %w", errors.Join(err, listener.Close()))
	}
	s.offer = offer
	s.esdb, s.esdbRead = netutil.LimitListener(listener, esdbConnectionsMax), !writable // others wait for one to end
	if writable {
		s.Commands.Share()
	}
	return listener.Addr().String(), nil
}

// Address is where the server listens, host:port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Serve serves until the context ends, then lets what is running finish and returns nil. Any other end is an error.
func (s *Server) Serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	projecting, stopProjecting := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { close(s.draining) })
	group.Go(func() error {
		defer stopProjecting() // after the last request: it may wait for the projections
		return httpapi.Serve(ctx, httpapi.Server(s.echo, s.log), s.listener)
	})
	group.Go(func() error { return s.admin.serve(ctx) })
	if s.esdb != nil {
		group.Go(func() error { return s.offer.Serve(ctx, s.esdb) })
	}
	if s.Config.EventStore != "" || s.esdb != nil && !s.esdbRead { // others append to the log, too
		group.Go(func() error {
			s.Commands.Follow(ctx, s.Feed, s.log)
			return nil
		})
	}
	if s.Config.plays(RoleProject) {
		s.projecting.Store(true)
		group.Go(func() error {
			return projections.Run(projecting, s.Feed, s.allRunners(), projections.NewMetrics(s.Registry), s.log)
		})
		group.Go(func() error { return s.dropOutdated(ctx) })
	}
	if !s.Config.plays(RoleProject) {
		group.Go(func() error { return s.watchHistory(ctx) })
	}
	if s.Config.plays(RoleCommand) {
		group.Go(func() error { return s.react(ctx) })
	}
	group.Go(func() error {
		select {
		case err := <-s.fatal:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	return group.Wait()
}

// react keeps the policies at work. Their checkpoints stand where the rows of read models do.
func (s *Server) react(ctx context.Context) error {
	checkpoints := projections.NewCheckpoints(s.sinkOf[projections.Stores.Name], s.Store)
	return s.Commands.React(ctx, s.Feed, checkpoints, policies.All, commands.NewPolicyMetrics(s.Registry), s.log)
}

func (a *App) allRunners() []*projections.Runner {
	runners := make([]*projections.Runner, 0, len(projections.Models))
	for _, model := range projections.Models {
		runners = append(runners, a.runners[model.Name])
	}
	return runners
}

func (s *Server) routes() {
	e := s.echo
	if s.Config.plays(RoleCommand) {
		s.Commands.Routes(e, s.Owners)
	}
	if s.Config.plays(RoleQuery) {
		counters := projections.NewPeriodReader(s.reader(projections.Counters), s.Config.cacheBytes(projections.PeriodsBytes))
		s.caches["periods"] = counters
		api := &readapi.API{
			Access: s.Commands, Owners: s.Owners,
			Stores: s.reader(projections.Stores), Menus: s.reader(projections.Menus), Tables: s.reader(projections.Tables),
			Devices: s.reader(projections.Devices), Tabs: s.reader(projections.Tabs), Counters: counters,
		}
		api.Routes(e)
	}
	e.GET("/livez", func(c echo.Context) error { return c.JSON(http.StatusOK, map[string]string{"status": "ok"}) })
	e.GET("/readyz", s.readyz)
	e.GET("/metrics", echo.WrapHandler(promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{})))
	e.GET("/openapi.json", openAPI)
}

func (s *Server) reader(model projections.Model) *projections.Reader {
	if s.Config.plays(RoleProject) {
		return projections.NewReader(s.runners[model.Name])
	}
	return projections.NewRemoteReader(model, s.sinkOf[model.Name], s.Store, s.Config.Now)
}

// pingMax bounds how long /readyz asks one part.
const pingMax = time.Second

// readyz answers 200 only when the server can serve: the log and the sinks answer, and the figures may be read.
func (s *Server) readyz(c echo.Context) error {
	status, parts := http.StatusOK, map[string]string{}
	note := func(part string, err error) {
		parts[part] = "ok"
		if err != nil {
			status, parts[part] = http.StatusServiceUnavailable, reason(err)
		}
	}
	names, answers := s.pings(c.Request().Context())
	for i, name := range names {
		note(name, answers[i])
	}
	if s.Config.plays(RoleProject) {
		for _, r := range s.allRunners() {
			note("projection "+r.Model.Name, r.Ready())
		}
	}
	select {
	case <-s.draining:
		note("server", errStopping)
	default:
	}
	word := "ready"
	if status != http.StatusOK {
		word = "not ready"
	}
	return c.JSON(status, map[string]any{"status": word, "parts": parts})
}

// pings asks the log and each sink at once, each with a time of its own: one that hangs says nothing of the others.
func (s *Server) pings(ctx context.Context) (names []string, answers []error) {
	asks := []func(context.Context) error{s.logReady}
	names = append(names, "log")
	for _, sink := range s.sinks {
		names, asks = append(names, sink.Name()), append(asks, sink.Ping)
	}
	if !s.Config.plays(RoleProject) {
		names, asks = append(names, "read models"), append(asks, s.checkHistory)
	}
	answers = make([]error, len(asks))
	var all sync.WaitGroup
	for i, ask := range asks {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, pingMax)
			defer cancel()
			answers[i] = ask(ctx)
		})
	}
	all.Wait()
	return names, answers
}

// logReady returns nil if the log can be read and, where that can be told, written.
func (s *Server) logReady(ctx context.Context) error {
	if log, embedded := s.Store.(*embeddedlog.Log); embedded {
		return log.Ready()
	}
	_, err := s.Store.Head(ctx)
	return err
}

// reason says why a part is not ready, without what an error may tell of hosts and users: that is in the log.
func reason(err error) string {
	switch {
	case errors.Is(err, errStopping):
		return err.Error()
	case errors.Is(err, projections.ErrForeign):
		return "belongs to another log"
	case errors.Is(err, projections.ErrOlder):
		return "the log is an older copy: the read model knows more"
	case errors.Is(err, projections.ErrSinkUnavailable), errors.Is(err, eventstore.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, projections.ErrNotCurrent):
		return "catching up"
	}
	return "failing"
}

var errStopping = errors.New("stopping")
