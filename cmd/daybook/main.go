// Command daybook is the whole of Daybook in one binary: the server, and what operators do with an installation.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"daybook/internal/app"
)

// cli is the command line; its tags are its help.
type cli struct {
	Serve       serveCmd       `cmd:"" help:"Serve both APIs, and keep the read models up to date."`
	Ready       readyCmd       `cmd:"" help:"Ask a running server whether it is ready; exit 0 only if it is."`
	Token       tokenCmd       `cmd:"" help:"Print access tokens."`
	Import      importCmd      `cmd:"" help:"Import data from elsewhere."`
	Rebuild     rebuildCmd     `cmd:"" help:"Build read models anew from the log, beside the old ones; compare; switch."`
	Verify      verifyCmd      `cmd:"" help:"Compare counters, tables and a fresh fold of the log, and check the log itself."`
	Generations generationsCmd `cmd:"" help:"Generations of read models, those that are kept included: list, compare, drop."`
	Parked      parkedCmd      `cmd:"" help:"Streams that a read model stopped at an event it cannot fold: list, retry, skip."`
	CopyLog     copyLogCmd     `cmd:"" help:"Copy the embedded log into KurrentDB: order and event ids kept, resumable, compared event by event."`
	Migrate     migrateCmd     `cmd:"" help:"Bring PostgreSQL to the current schema."`
	Bench       benchCmd       `cmd:"" help:"Measure this machine and this build beside SQL and beside a nightly batch; starts PostgreSQL and Redis of its own."`
	LogLevel    slog.Level     `default:"INFO" env:"DAYBOOK_LOG_LEVEL" help:"DEBUG, INFO, WARN or ERROR."`
	Version     versionFlag    `help:"Print the version and exit."`
}

// storage says where an installation is; the commands that need one embed it.
type storage struct {
	Data        string `default:"./daybook-data" env:"DAYBOOK_DATA" help:"Data directory." placeholder:"DIR"`
	Eventstore  string `env:"DAYBOOK_EVENTSTORE" help:"KurrentDB for the log (esdb://...). Unset: embedded, in the data directory." placeholder:"URL"`
	Postgres    string `env:"DAYBOOK_POSTGRES" help:"PostgreSQL for the tables (postgres://...). Unset: embedded." placeholder:"URL"`
	Redis       string `env:"DAYBOOK_REDIS" help:"Redis for the period counters (redis://...). Unset: embedded." placeholder:"URL"`
	LocalSignIn *bool  `env:"DAYBOOK_LOCAL_SIGN_IN" help:"Whether 'daybook token owner' works. Default: only with an embedded log." negatable:""`
}

func (s storage) config(log *slog.Logger) app.Config {
	local := s.Eventstore == ""
	if s.LocalSignIn != nil {
		local = *s.LocalSignIn
	}
	return app.Config{Data: s.Data, EventStore: s.Eventstore, Postgres: s.Postgres, Redis: s.Redis, LocalSignIn: local, Log: log}
}

// program is what a command may use of the process it runs in. The end-to-end tests make their own.
type program struct {
	ctx    context.Context
	log    *slog.Logger
	out    io.Writer // results
	err    io.Writer // everything else
	screen bool      // err is a terminal
}

// errFailed ends the program with exit code 1; what is wrong was printed already.
var errFailed = errors.New("failed")

// gcPercent is how much garbage may gather, as a part of what is in use. Most of a process's memory is storages' caches,
// which are not collected; the rest is small, so more garbage than usual costs little, and collecting it half as often makes
// a rebuild a twentieth faster.
const gcPercent = 200

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { endInTime(stop) })
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// stopMax is how long the program may take to stop: requests have 10 seconds to finish, then the projections.
const stopMax = 25 * time.Second

// endInTime makes sure that a program that was told to stop does, whatever its storage does: a second signal ends it at
// once, and time does. What was acknowledged is on the disk, and the next start recovers.
func endInTime(stop func()) {
	stop() // the next signal has its usual effect
	time.Sleep(stopMax)
	fmt.Fprintln(os.Stderr, "daybook: could not stop in order within", stopMax, "- ending; the next start recovers")
	os.Exit(1)
}

// run carries out a command line and returns the exit code: 0, 1 for a failure, 2 for a wrong command line.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	var c cli
	exit := -1
	parser, err := kong.New(&c, kong.Name("daybook"),
		kong.Description("The point of sale and settlement of restaurants: every order and payment is an event in a log, every figure a fold of it."),
		kong.UsageOnError(), kong.Writers(out, errOut), kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(errOut, "daybook:", err)
		return 1
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		fmt.Fprintf(errOut, "daybook: %v\ndaybook: see 'daybook --help'\n", err)
		return 2
	}
	p := &program{ctx: ctx, out: out, err: errOut, screen: isTerminal(errOut)}
	p.log = slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: c.LogLevel, ReplaceAttr: errorsAsTheySay}))
	if err := parsed.Run(p); err != nil {
		if !errors.Is(err, errFailed) {
			fmt.Fprintln(errOut, "daybook:", err)
		}
		return 1
	}
	return 0
}

// errorsAsTheySay writes errors without the stack traces that some bring along.
func errorsAsTheySay(_ []string, a slog.Attr) slog.Attr {
	if err, is := a.Value.Any().(error); is {
		a.Value = slog.StringValue(err.Error())
	}
	return a
}
