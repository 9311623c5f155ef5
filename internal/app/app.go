// Package app wires an installation together: log, sinks, projections, both APIs. What the command line does with it,
// and what a running server does for the command line, is here too.
//
// Not here: rules, figures, routes of the public APIs.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/semaphore"

	"daybook/commands"
	"daybook/domain/stream"
	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
	"daybook/eventstore/kurrent"
	"daybook/follow"
	"daybook/internal/auth"
	"daybook/internal/cache"
	"daybook/projections"
	embeddedsink "daybook/projections/embedded"
)

// App is an installation that is open. Close it.
type App struct {
	Config   Config
	Dir      DataDir
	Secret   auth.Secret
	Store    eventstore.Store
	Feed     *follow.Feed // of Store, for all of this process who follow it
	Commands *commands.Service
	Owners   *auth.Owners
	Registry *prometheus.Registry

	runners map[string]*projections.Runner // by model
	sinks   []projections.Sink             // each once
	sinkOf  map[string]projections.Sink    // by model
	log     *slog.Logger
	caches  cache.Metrics // complete before it serves
	files   share

	importing *semaphore.Weighted // one import at a time, so that two do not decide on the same orders

	told       toldOlder
	work       sync.WaitGroup
	looked     atomic.Bool                       // the read models were looked at before listening
	embedded   atomic.Pointer[embeddedsink.Sink] // the one that was opened last, nil if none was
	projecting atomic.Bool                       // a server of this process runs the projections
	fatal      chan error                        // what no waiting will mend
	closers    []func() error
}

// Open opens an installation. PostgreSQL and Redis need not be reachable yet. If another process has it open, the
// error is embeddedlog.ErrInUse.
func Open(config Config) (_ *App, err error) {
	config, err = config.check()
	if err != nil {
		return nil, err
	}
	a := &App{
		Config: config, log: config.Log, files: shareOf(openFilesMax()), fatal: make(chan error, 1), Registry: prometheus.NewRegistry(),
		runners: map[string]*projections.Runner{}, sinkOf: map[string]projections.Sink{}, importing: semaphore.NewWeighted(1),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.Dir, err = OpenDataDir(config.Data); err != nil {
		return nil, err
	}
	a.Dir.narrow(a.log)
	if a.Secret, err = a.Dir.Secret(); err != nil {
		return nil, err
	}
	if a.Store, err = a.openLog(); err != nil {
		return nil, err
	}
	a.closers = append(a.closers, a.Store.Close)
	a.Feed = follow.NewFeed(a.Store)
	if err := a.openSinks(); err != nil {
		return nil, err
	}
	for _, model := range projections.Models {
		runner := projections.NewRunner(model, a.sinkOf[model.Name], a.Store, a.log, config.Now)
		runner.Bound(config.cacheBytes(projections.RowsBytes))
		runner.OnOlder = a.noticeOlder
		a.runners[model.Name] = runner
	}
	a.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.Owners = auth.NewOwners(a.Secret, config.Now)
	a.Commands = commands.New(a.Store, a.Secret, config.Now)
	if config.EventStore == "" { // the directory is locked
		a.Commands.Alone()
	}
	a.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "daybook_commands_behind_seconds",
		Help: "How long ago commands were last shown to know all that other processes have appended. Above 1, each command reads the log.",
	}, func() float64 { return a.Commands.Behind().Seconds() }))
	a.Commands.Bound(config.cacheBytes(commands.BytesKept))
	a.caches = a.allCaches()
	a.Registry.MustRegister(a.caches, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "daybook_log_subscriptions", Help: "Subscriptions to the log. All that have caught up share one.",
	}, func() float64 { return float64(a.Feed.Subscriptions()) }))
	return a, nil
}

// openLog opens the log, in the data directory or in KurrentDB. One that cannot be reached now may be reached later; one
// that refuses us is an error.
func (a *App) openLog() (eventstore.Store, error) {
	if a.Config.EventStore == "" {
		return embeddedlog.OpenLog(embeddedlog.Options{Dir: a.Dir.file("log"), Now: a.Config.Now, Logger: a.log, FilesMax: a.files.storage,
			CacheBytes: a.Config.cacheBytes(blocksBytes), HeadsBytes: a.Config.cacheBytes(embeddedlog.HeadsBytesDefault)}, a.fail)
	}
	log, err := kurrent.Open(kurrent.Options{URL: a.Config.EventStore, Logger: a.log, Prefixes: stream.Prefixes(), WentBack: a.logWentBack})
	if err != nil {
		return nil, fmt.Errorf("DAYBOOK_EVENTSTORE (--eventstore): %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), logGreetingMax)
	defer cancel()
	_, err = log.Identity(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded): // the log has told why, and tries again
	case err != nil:
		return nil, errors.Join(fmt.Errorf("DAYBOOK_EVENTSTORE (--eventstore): %w", err), log.Close())
	}
	return log, nil
}

// logGreetingMax is how long a start waits for KurrentDB before it goes on without.
const logGreetingMax = 5 * time.Second

// openSinks decides which sink keeps which read model: counters go to Redis and tables to PostgreSQL where there is
// one, and into the data directory otherwise.
func (a *App) openSinks() error {
	var embedded projections.Sink
	embed := func() (projections.Sink, error) {
		if embedded != nil {
			return embedded, nil
		}
		sink, err := a.openEmbedded()
		if err == nil {
			embedded = sink
			a.keep(sink)
		}
		return sink, err
	}
	tables, err := a.outer(a.Config.Postgres, "postgres", openPostgres, embed)
	if err != nil {
		return err
	}
	counters, err := a.outer(a.Config.Redis, "redis", openRedis, embed)
	if err != nil {
		return err
	}
	for _, model := range projections.Models {
		a.sinkOf[model.Name] = tables
	}
	a.sinkOf[projections.Counters.Name] = counters
	return nil
}

// openEmbedded opens the read models in the data directory. A disk that fails is not an error: orders go on, and the read
// models are opened as soon as it works. It fails if they are in use or not ours.
func (a *App) openEmbedded() (projections.Sink, error) {
	open := func() (projections.Sink, error) {
		sink, err := embeddedsink.Open(embeddedsink.Options{Dir: a.Dir.file("read"), Logger: a.log, FilesMax: a.files.storage,
			CacheBytes: a.Config.cacheBytes(blocksBytes)})
		if err != nil {
			return nil, err
		}
		a.embedded.Store(sink)
		return sink, nil
	}
	first, err := open()
	if errors.Is(err, embeddedsink.ErrInUse) || errors.Is(err, embeddedsink.ErrFormat) || errors.Is(err, embeddedsink.ErrForeign) {
		return nil, err
	}
	return projections.Defer("embedded", func(context.Context) (sink projections.Sink, err error) {
		if sink, first = first, nil; sink != nil {
			return sink, nil
		}
		if sink, err = open(); err != nil {
			err = fmt.Errorf("%w: %w", projections.ErrSinkUnavailable, err)
		}
		return sink, err
	}, a.log, a.fail), nil
}

// outer opens a sink outside of this process if there is a URL, in the background.
func (a *App) outer(url, name string, open func(context.Context, string) (projections.Sink, error), embed func() (projections.Sink, error)) (projections.Sink, error) {
	if url == "" {
		return embed()
	}
	sink := projections.Defer(name, func(ctx context.Context) (projections.Sink, error) {
		sink, err := open(ctx, url)
		if err == nil {
			a.lookAtOpened(ctx, name, sink)
		}
		return sink, err
	}, a.log, a.fail)
	a.keep(sink)
	return sink, nil
}

func (a *App) keep(sink projections.Sink) {
	a.sinks = append(a.sinks, sink)
	a.closers = append(a.closers, sink.Close)
}

// fail notes the first thing that no waiting will mend.
func (a *App) fail(err error) {
	select {
	case a.fatal <- err:
	default:
	}
}

// Close closes everything, in the opposite order of opening.
func (a *App) Close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	a.work.Wait()
	return errors.Join(errs...)
}

// ready waits until every sink could be opened.
func (a *App) ready(ctx context.Context) error {
	for _, sink := range a.sinks {
		if deferred, is := sink.(*projections.Deferred); is {
			if err := deferred.Wait(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}
