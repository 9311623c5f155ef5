package e2e

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"daybook/internal/services"
)

// olderCopy is what the program says of a log that knows less than the read models.
const olderCopy = "the log is an older copy"

// restored is an installation whose log was replaced by an older copy, with read models of the newer log.
type restored struct {
	*testing.T
	in    *installation
	f     *floor // as it was when the copy was made
	newer string // the newer log, set aside
}

// restore sells, copies the log, sells more, and puts the copy back.
func restore(t *testing.T, env ...string) *restored {
	t.Helper()
	in := install(t, env...)
	s := in.serve()
	f := newFloor(t, in.owner("anna").cafe(t, 2), 17)
	f.serveGuests(20)
	stop := func() {
		t.Helper()
		if code := s.stop(); code != 0 {
			t.Fatalf("exit code %d after SIGTERM", code)
		}
	}
	stop()
	log, copied := filepath.Join(in.data, "log"), filepath.Join(t.TempDir(), "copied")
	if err := os.CopyFS(copied, os.DirFS(log)); err != nil {
		t.Fatal(err)
	}
	then := f.fork()
	s = in.serve()
	f.serveGuests(40)
	stop()
	in.verify() // and so every read model holds all of the newer log
	r := &restored{T: t, in: in, f: then, newer: filepath.Join(t.TempDir(), "newer")}
	rename(t, log, r.newer)
	if err := os.CopyFS(log, os.DirFS(copied)); err != nil {
		t.Fatal(err)
	}
	return r
}

// fork is a copy of the floor, whose guests do other things from now on.
func (f *floor) fork() *floor {
	then := newFloor(f.t, f.r, 18)
	then.sent, then.last, then.closed = 1_000_000, f.last, slices.Clone(f.closed)
	maps.Copy(then.tabIDs, f.tabIDs)
	for at, b := range f.open {
		then.open[at] = &bill{lines: slices.Clone(b.lines), payments: slices.Clone(b.payments), date: b.date}
	}
	return then
}

// figures are what the settlement of today must be.
func (f *floor) figures() settlement {
	return wanted{f.closed, "KRW", 15000, 1}.settlement("DAY", dayOf(today(f.t)))
}

// neverWrong asks for a figure until the server is ready: it is right whenever it is given.
func (r *restored) neverWrong() {
	r.Helper()
	want, answered := r.f.figures(), 0
	path := r.f.r.path("/settlements?term=DAY&start=%s", want.Start)
	eventually(r, startMax, "ready", func() error {
		reply, err := r.f.r.owner.try(http.MethodGet, path, "", nil)
		if err == nil && reply.status == http.StatusOK {
			var got settlement
			decode(r, path, reply, http.StatusOK, &got)
			if answered++; !reflect.DeepEqual(got, want) {
				r.Fatalf("a figure of the newer log, or of none: %+v, want %+v", got, want)
			}
		} else if err == nil && reply.status != http.StatusServiceUnavailable {
			r.Fatalf("GET %s: %s", path, reply)
		}
		status, parts, err := r.in.parts()
		if err == nil && status != http.StatusOK {
			err = errSays(parts["projection counters"])
		}
		return err
	})
}

// right makes sure that all figures are those of the log as it is.
func (r *restored) right() {
	r.Helper()
	r.f.r.checkAll(r.T, r.f.last, wanted{r.f.closed, "KRW", 15000, 1}, today(r.T))
}

// told makes sure that a server told of the older copy in one line.
func (r *restored) told(s *process, words ...string) {
	r.Helper()
	var lines []string
	for line := range strings.Lines(s.said.String()) {
		if strings.Contains(line, olderCopy) {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		r.Errorf("%d lines about the older copy, want 1:\n%s", len(lines), strings.Join(lines, ""))
	}
	for _, word := range words {
		if !strings.Contains(strings.Join(lines, ""), word) {
			r.Errorf("the server does not say %q:\n%s", word, s.said)
		}
	}
}

// refusedEverywhere makes sure that no command works on read models that know more than the log.
func (r *restored) refusedEverywhere(file *salesFile) {
	r.Helper()
	for _, args := range [][]string{
		{"verify"}, {"parked", "list"}, {"parked", "retry", "tabs", "tab-x-y"}, {"copy-log", "--to", "esdb://127.0.0.1:1?tls=false"},
		file.importArgs(),
	} {
		r.in.refused(args, olderCopy, "daybook rebuild")
	}
}

// keptAndDropped looks at what is kept of the newer log, and deletes it.
func (r *restored) keptAndDropped() {
	r.Helper()
	kept := func() int { return strings.Count(r.in.succeed("generations", "list"), ", kept\t") }
	before := kept()
	if out := r.in.succeed("generations", "compare", "counters", "1"); before == 0 || !strings.Contains(out, "|DAY|") || !strings.Contains(out, " gross: served ") {
		r.Errorf("%d generations are kept; the counters of one differ in:\n%s", before, out)
	}
	r.in.refused([]string{"generations", "drop", "counters", "2"}, "active")
	r.in.refused([]string{"generations", "drop", "counters", "7"}, "no generation 7")
	if r.in.succeed("generations", "drop", "counters", "1"); kept() != before-1 {
		r.Errorf("%d generations are kept, of %d", kept(), before)
	}
}

// TestRestoredBackup: the log is an older copy of what the read models were made of. It is noticed before anything is
// served or added, whatever starts first and however much the log has grown since; figures are refused until they are
// made from the log as it is, and then are right.
func TestRestoredBackup(t *testing.T) {
	file := writeSales(t, 3, 50)
	for name, env := range map[string]func(testing.TB) []string{
		"embedded": func(testing.TB) []string { return nil },
		"full":     func(t testing.TB) []string { return []string{postgresURL(t), redisURL(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("served at once", func(t *testing.T) {
				r := restore(t, env(t)...)
				r.refusedEverywhere(file)
				s := r.in.serve()
				r.neverWrong()
				r.told(s, "events are missing")
				r.right()
				r.f.serveGuests(30)
				r.right()
				s.stop() // killed, an embedded read model may be as it was a moment ago, and is then built once more
				s = r.in.serve()
				r.in.awaitReady()
				r.right()
				if strings.Contains(s.said.String(), olderCopy) {
					t.Errorf("told again, after it was mended:\n%s", s.said)
				}
				s.stop()
				r.in.verify()
			})
			t.Run("after starts that only took orders", func(t *testing.T) {
				r := restore(t, env(t)...)
				for range 3 {
					s := r.in.serve("--roles", "command")
					r.told(s)
					r.f.serveGuests(25)
					if status, parts, err := r.in.parts(); err != nil || status != http.StatusServiceUnavailable || !strings.Contains(parts["read models"], "older copy") {
						t.Errorf("/readyz: %d %v %v", status, parts, err)
					}
					s.kill()
				}
				r.refusedEverywhere(file)
				s := r.in.serve()
				r.neverWrong()
				r.told(s)
				r.right()
				r.in.verify()
			})
			t.Run("queries alone", func(t *testing.T) {
				r := restore(t, env(t)...)
				r.in.serve("--roles", "query")
				path := r.f.r.path("/settlements?term=DAY&start=%s", dayOf(today(t)).start())
				r.f.r.owner.send(t, http.MethodGet, path, "", nil, http.StatusServiceUnavailable, nil)
				r.f.r.owner.send(t, http.MethodGet, r.f.r.path("/tabs"), "", nil, http.StatusServiceUnavailable, nil)
			})
			t.Run("rebuilt", func(t *testing.T) {
				r := restore(t, env(t)...)
				if out := r.in.succeed("rebuild"); !strings.Contains(out, "kept") || strings.Contains(out, "DIFFERED") {
					t.Errorf("rebuild: %s", out)
				}
				r.in.verify()
				r.in.refused([]string{"rebuild", "--rollback"}, olderCopy)
				r.keptAndDropped()
				r.in.verify()
				r.in.serve()
				r.right()
			})
			t.Run("the newer log again", func(t *testing.T) {
				r := restore(t, env(t)...)
				s := r.in.serve()
				r.in.awaitReady()
				s.stop()
				rename(t, filepath.Join(r.in.data, "log"), filepath.Join(t.TempDir(), "older"))
				rename(t, r.newer, filepath.Join(r.in.data, "log"))
				r.in.serve()
				r.in.awaitReady()
				r.in.verify()
			})
		})
	}
}

// TestRestoredBackupAndSinksAway: the sinks are away when the older copy is started, and come back when the log has
// grown past where their read models stand.
func TestRestoredBackupAndSinksAway(t *testing.T) {
	start := func(start func() (*services.Server, error)) *services.Server {
		t.Helper()
		server, err := start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closed(t, server.Close()) })
		return server
	}
	postgres := start(func() (*services.Server, error) {
		return services.StartPostgres(t.Context(), services.Options{Durable: true})
	})
	redis := start(func() (*services.Server, error) {
		return services.StartRedis(t.Context(), services.Options{Durable: true})
	})
	r := restore(t, "DAYBOOK_POSTGRES="+postgres.URL(), "DAYBOOK_REDIS="+redis.URL())
	for _, server := range []*services.Server{postgres, redis} {
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	s := r.in.serve()
	r.f.serveGuests(80)
	for _, server := range []*services.Server{postgres, redis} {
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.neverWrong()
	r.right()
	if said := s.said.String(); strings.Count(said, olderCopy) > 2 { // each sink may tell
		t.Errorf("told more than once for each sink:\n%s", said)
	}
	r.in.verify()
}
