package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"daybook/internal/services"
)

// TestSinksKilled takes PostgreSQL and Redis away under load, in every way they may come back. Guests go on ordering
// and paying, figures are refused rather than wrong, and come back right by themselves.
func TestSinksKilled(t *testing.T) {
	t.Run("volatile", func(t *testing.T) {
		l := newLoad(t, services.Options{})
		l.outage("redis comes back empty", l.redis)
		l.outage("postgres", l.postgres)
		l.do("SAVE") // from now on it comes back as it is now
		l.busy(l.play)
		l.outage("redis comes back old", l.redis)
		l.outage("both", l.redis, l.postgres)
		l.busy(func() {
			for range 3 {
				l.do("FLUSHALL")
				l.play()
			}
		})
		l.check()
		l.do("FLUSHALL") // while nothing happens
		l.check()
		l.in.awaitReady()
		l.in.verify()
	})
	t.Run("durable", func(t *testing.T) {
		l := newLoad(t, services.Options{Durable: true})
		for range 2 {
			l.outage("redis", l.redis)
		}
		l.outage("both", l.postgres, l.redis)
		l.in.verify()
	})
}

// TestSinksAbsent starts the program before PostgreSQL and Redis.
func TestSinksAbsent(t *testing.T) {
	l := newLoad(t, services.Options{})
	l.busy(l.play)
	l.server.kill()
	l.kill(l.redis, l.postgres)
	l.server = l.in.serve()
	eventually(t, startMax, "the server says what it cannot reach", func() error {
		said := l.server.said.String()
		if !strings.Contains(said, "cannot reach redis") || !strings.Contains(said, "cannot reach postgres") {
			return fmt.Errorf("it said: %s", said)
		}
		return nil
	})
	l.busy(func() { l.refusedFigures(l.redis, l.postgres) })
	l.restart(l.postgres)
	eventually(t, startMax, "postgres alone is back", func() error {
		status, parts, err := l.in.parts()
		if err == nil && (status != http.StatusServiceUnavailable || parts["postgres"] != "ok" || parts["redis"] == "ok") {
			err = fmt.Errorf("%d %v", status, parts)
		}
		return err
	})
	l.restart(l.redis)
	l.in.awaitReady()
	l.check()
	l.in.verify()
}

// load is a full set-up with guests, and watchers who look at the figures all the time.
type load struct {
	t               *testing.T
	in              *installation
	server          *process
	postgres, redis *services.Server
	client          *redis.Client
	r               *restaurant
	guests          []*guest
	watch           *watch
}

func newLoad(t *testing.T, redisOptions services.Options) *load {
	l := &load{t: t}
	var err error
	if l.postgres, err = services.StartPostgres(t.Context(), services.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, l.postgres.Close()) })
	if l.redis, err = services.StartRedis(t.Context(), redisOptions); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, l.redis.Close()) })
	options, err := redis.ParseURL(l.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	l.client = redis.NewClient(options)
	t.Cleanup(func() { closed(t, l.client.Close()) })
	l.in = install(t, "DAYBOOK_POSTGRES="+l.postgres.URL(), "DAYBOOK_REDIS="+l.redis.URL())
	l.server = l.in.serve()
	l.r = l.in.owner("anna").cafe(t, 4)
	l.guests = l.r.seatGuests(t, rand.Uint64())
	for _, g := range l.guests {
		g.strict = true
	}
	l.watch = newWatch(l.r, l.guests[0].day)
	return l
}

func closed(t *testing.T, err error) {
	if err != nil {
		t.Errorf("closing: %v", err)
	}
}

// do has Redis do something.
func (l *load) do(command string) {
	l.t.Helper()
	if err := l.client.Do(l.t.Context(), command).Err(); err != nil {
		l.t.Fatalf("%s: %v", command, err)
	}
}

// busy does something while guests order and pay, and watchers look at figures.
func (l *load) busy(what func()) {
	l.t.Helper()
	until := make(chan struct{})
	guests, watchers := stay(l.guests, until), l.watch.start(until)
	what()
	close(until)
	if err := guests.Wait(); err != nil {
		l.t.Errorf("ordering and paying: %v", err)
	}
	if err := watchers.Wait(); err != nil {
		l.t.Errorf("watching: %v", err)
	}
	if l.t.Failed() {
		l.t.FailNow()
	}
}

// play has the guests order and pay for a while, if they are there.
func (l *load) play() {
	l.t.Helper()
	sent := func() (n int64) {
		for _, g := range l.guests {
			n += g.sent.Load()
		}
		return n
	}
	before := sent()
	eventually(l.t, startMax, "guests order and pay", func() error {
		if now := sent(); now < before+100 {
			return fmt.Errorf("%d requests", now-before)
		}
		return nil
	})
}

// outage kills servers under load, looks what happens meanwhile, and starts them again.
func (l *load) outage(name string, servers ...*services.Server) {
	l.t.Helper()
	begin := time.Now()
	var away, back time.Duration
	l.busy(func() {
		l.play()
		l.kill(servers...)
		l.refusedFigures(servers...)
		l.play()
		away = time.Since(begin)
		l.restart(servers...)
		begin = time.Now()
		l.in.awaitReady()
		back = time.Since(begin)
		l.play()
	})
	l.check()
	l.t.Logf("%s: away after %v, ready %v after its return; the watchers saw %s", name, away.Round(time.Millisecond), back.Round(time.Millisecond), l.watch)
}

func (l *load) kill(servers ...*services.Server) {
	l.t.Helper()
	for _, s := range servers {
		if err := s.Kill(); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *load) restart(servers ...*services.Server) {
	l.t.Helper()
	for _, s := range servers {
		ctx, cancel := context.WithTimeout(l.t.Context(), startMax)
		err := s.Restart(ctx)
		cancel()
		if err != nil {
			l.t.Fatal(err)
		}
	}
}

// refusedFigures waits until the server says that the servers are away, and refuses what they know.
func (l *load) refusedFigures(servers ...*services.Server) {
	l.t.Helper()
	var asking errgroup.Group // at once, because a refusal may take some seconds, in which the figures might come
	for _, s := range servers {
		part, path := "redis", l.r.path("/settlements?term=DAY&start=%s", dayOf(l.watch.day).start())
		if s == l.postgres {
			part, path = "postgres", l.r.path("/tabs?status=OPEN")
		}
		eventually(l.t, startMax, part+" is missed", func() error {
			status, parts, err := l.in.parts()
			if err == nil && (status != http.StatusServiceUnavailable || parts[part] == "ok") {
				err = fmt.Errorf("/readyz: %d %v", status, parts)
			}
			return err
		})
		asking.Go(func() error {
			reply, err := l.r.owner.try(http.MethodGet, path, "", nil)
			if err != nil || reply.status != http.StatusServiceUnavailable || !strings.HasPrefix(reply.kind, "application/problem+json") {
				return fmt.Errorf("without %s, GET %s: %s %s %w, want a problem 503", part, path, reply, reply.kind, err)
			}
			return nil
		})
	}
	if err := asking.Wait(); err != nil {
		l.t.Error(err)
	}
}

// check waits for the figures and compares them with what the guests were told.
func (l *load) check() {
	l.t.Helper()
	for _, g := range l.guests {
		eventually(l.t, startMax, "the figures are back", func() error {
			for _, path := range []string{"/tabs?limit=1", "/settlements?term=DAY&start=" + dayOf(g.day).start()} {
				if reply, err := l.r.owner.tryAt(http.MethodGet, l.r.path("%s", path), "", g.last, nil); err != nil || reply.status != http.StatusOK {
					return fmt.Errorf("GET %s: %s %w", path, reply, err)
				}
			}
			return nil
		})
	}
	l.r.checkGuests(l.t, l.guests)
}
