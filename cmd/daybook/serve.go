package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"daybook/internal/app"
	"daybook/migrations"
)

type serveCmd struct {
	storage
	Addr         string   `default:"127.0.0.1:8080" env:"DAYBOOK_ADDR" help:"Address to serve on; port 0 takes a free one." placeholder:"HOST:PORT"`
	Demo         bool     `help:"Add a sample restaurant with a menu, tables and some days of sales, if it is not there yet."`
	EsdbListen   string   `env:"DAYBOOK_ESDB_LISTEN" help:"Also serve the embedded log over EventStoreDB's protocol, to be read. Loopback only." placeholder:"HOST:PORT"`
	EsdbWritable bool     `help:"With --esdb-listen: let others append to the log, as a Daybook does that keeps its log here."`
	Proxies      []string `name:"trusted-proxies" env:"DAYBOOK_TRUSTED_PROXIES" help:"Addresses or networks of proxies whose X-Forwarded-For names the caller." placeholder:"LIST"`
	CacheMiB     int64    `name:"cache-mib" env:"DAYBOOK_CACHE_MIB" help:"Memory for all caches together, in MiB, 1 to 1000000. Default: 288." placeholder:"N"`
	Roles        []string `help:"What this process does: any of command, query, project. Default: all." placeholder:"LIST"`
}

// cacheMiBMax is more than any machine has for it.
const cacheMiBMax = 1_000_000

func (c *serveCmd) Run(p *program) (err error) {
	if c.EsdbWritable && c.EsdbListen == "" {
		return errors.New("--esdb-writable: there is no --esdb-listen (DAYBOOK_ESDB_LISTEN) that says where the log is to be offered")
	}
	config := c.config(p.log)
	if c.CacheMiB < 0 || c.CacheMiB > cacheMiBMax {
		return fmt.Errorf("--cache-mib (DAYBOOK_CACHE_MIB): %d is not within 1 to %d", c.CacheMiB, cacheMiBMax)
	}
	config.Roles, config.Proxies, config.CacheBytes = c.Roles, c.Proxies, c.CacheMiB<<20
	a, err := openUnlessStopped(p.ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	server, err := a.Listen(c.Addr)
	if err != nil {
		return err
	}
	if c.EsdbListen != "" {
		address, err := server.OfferLog(c.EsdbListen, c.EsdbWritable)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.err, "The log is offered at esdb://%s?tls=false\n", address)
	}
	if c.Demo {
		if err := c.demo(p, a); err != nil {
			return err
		}
	}
	fmt.Fprintf(p.err, "Daybook serves http://%s with data in %s.\n", server.Address(), c.Data)
	if config.LocalSignIn {
		fmt.Fprintf(p.err, "To get in: daybook token owner --subject NAME --data %s, and send it as 'Authorization: Bearer TOKEN'.\n", c.Data)
	}
	if err := server.Serve(p.ctx); err != nil {
		return err
	}
	fmt.Fprintln(p.err, "Daybook has stopped.")
	return nil
}

// errStopped: a signal came while the installation was being opened.
var errStopped = errors.New("stopped while opening; nothing was served")

// openUnlessStopped opens an installation. A storage that hangs does not keep the program from stopping.
func openUnlessStopped(ctx context.Context, config app.Config) (*app.App, error) {
	type result struct {
		app *app.App
		err error
	}
	opened := make(chan result, 1)
	go func() {
		a, err := app.Open(config)
		opened <- result{a, err}
	}()
	select {
	case r := <-opened:
		return r.app, r.err
	case <-ctx.Done():
		return nil, errStopped
	}
}

func (c *serveCmd) demo(p *program, a *app.App) error {
	ownerID, err := a.Dir.Profiles().OwnerID("demo")
	if err != nil {
		return err
	}
	demo, err := a.Demo(p.ctx, ownerID)
	if err != nil {
		return fmt.Errorf("--demo: %w", err)
	}
	fmt.Fprintf(p.err, "The demo restaurant is store %s, of owner demo; its sales are of %s to %s.\n", demo.StoreID, demo.First, demo.Last)
	return nil
}

type migrateCmd struct {
	Postgres string `required:"" env:"DAYBOOK_POSTGRES" help:"PostgreSQL (postgres://...)." placeholder:"URL"`
}

func (c *migrateCmd) Run(p *program) error {
	begin := time.Now()
	if err := migrations.Up(p.ctx, c.Postgres); err != nil {
		return fmt.Errorf("DAYBOOK_POSTGRES (--postgres): %w", err)
	}
	fmt.Fprintf(p.err, "PostgreSQL has the current schema (%s).\n", time.Since(begin).Round(time.Millisecond))
	return nil
}
