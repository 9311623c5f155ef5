package httpapi

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"daybook/internal/auth"
)

// requestTimeout ends a request that takes too long. Commands usually take milliseconds; a query may wait 5 s.
const requestTimeout = 10 * time.Second

// New returns an echo instance with what every route has: a request id, recovery, a deadline, metrics, problems. Who calls
// is what the connection says; only trusted proxies are believed in whom they forward for (X-Forwarded-For).
func New(log *slog.Logger, registry prometheus.Registerer, proxies ...netip.Prefix) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = callerBehind(proxies)
	e.HTTPErrorHandler = errorHandler(log)
	e.Use(
		requestID,
		measure(registry),
		middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: func(c echo.Context, err error, stack []byte) error {
			log.Error("panic", "request", RequestID(c), "route", c.Path(), "error", err, "stack", string(stack))
			return err
		}}),
		deadline,
		bodiesShare(&budget{left: bodiesBytesMax}),
	)
	return e
}

// callerBehind finds the nearest address that is none of the proxies'.
func callerBehind(proxies []netip.Prefix) echo.IPExtractor {
	trusted := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		network := &net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		trusted = append(trusted, echo.TrustIPRange(network))
	}
	return echo.ExtractIPFromXFFHeader(trusted...)
}

// Server serves a handler with the limits that keep slow callers from holding it. It listens on nothing yet.
func Server(handler http.Handler, log *slog.Logger) *http.Server {
	server := &http.Server{
		Handler: handler, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), MaxHeaderBytes: headerBytesMax,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 60 * time.Second,
	}
	tell(server)
	return server
}

// headerBytesMax is the size of the largest header; the largest token has 4 KiB.
const headerBytesMax = 16 << 10

// Serve serves until the context ends, then lets running requests finish.
func Serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	return server.Shutdown(draining)
}

const requestIDKey = "daybook.request"

// RequestID is the id under which the operator finds a request.
func RequestID(c echo.Context) string {
	id, _ := c.Get(requestIDKey).(string)
	return id
}

func requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := auth.RandomText(10)
		c.Set(requestIDKey, id)
		h := c.Response().Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		return next(c)
	}
}

// deadline ends a request in time. Whoever wrapped it finds the request as it came, whose context ends only if the caller
// goes away.
func deadline(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		came := c.Request()
		ctx, cancel := context.WithTimeout(came.Context(), requestTimeout)
		defer cancel()
		defer c.SetRequest(came)
		c.SetRequest(came.WithContext(ctx))
		return next(c)
	}
}

// measure counts requests and their time by route, never by store or caller.
func measure(registry prometheus.Registerer) echo.MiddlewareFunc {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "daybook_http_request_seconds", Help: "Time to answer, by route and status.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
	}, []string{"method", "route", "status"})
	registry.MustRegister(seconds)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			begin := time.Now()
			err := next(c)
			if err != nil {
				c.Error(err) // writes the problem, so that its status is known below
			}
			route := c.Path()
			if route == "" {
				route = "none"
			}
			seconds.WithLabelValues(methodLabel(c.Request().Method), route, strconv.Itoa(c.Response().Status)).Observe(time.Since(begin).Seconds())
			return nil
		}
	}
}

// methodLabel keeps invented methods from becoming label values.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodPut, http.MethodHead, http.MethodOptions:
		return method
	}
	return "other"
}
