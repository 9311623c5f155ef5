package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
	"daybook/eventstore/esdbserver"
	"daybook/projections"
	embeddedsink "daybook/projections/embedded"
)

// logServer serves a log over EventStoreDB's protocol, at one address whatever happens to its directory: it is stopped,
// the directory is replaced, it is started again.
type logServer struct {
	t       *testing.T
	dir     string
	address string
	log     *embeddedlog.Store
	stop    func()
}

func serveLog(t *testing.T) *logServer {
	t.Helper()
	l := &logServer{t: t, dir: filepath.Join(t.TempDir(), "log"), address: "127.0.0.1:0"}
	l.start()
	t.Cleanup(func() { l.stop() })
	return l
}

func (l *logServer) start() {
	l.t.Helper()
	log, err := embeddedlog.Open(embeddedlog.Options{Dir: l.dir})
	if err != nil {
		l.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.log, l.address = log, listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- esdbserver.New(log, esdbserver.Options{}).Serve(ctx, listener) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Error(err)
		}
		if err := log.Close(); err != nil {
			l.t.Error(err)
		}
	})
}

// env is the environment of a program that keeps its log there.
func (l *logServer) env() []string {
	return []string{"DAYBOOK_EVENTSTORE=esdb://" + l.address + "?tls=false", "DAYBOOK_LOCAL_SIGN_IN=true"}
}

// copied copies the log as it is, while it is not served.
func (l *logServer) copied() (dir string) {
	l.t.Helper()
	l.stop()
	dir = filepath.Join(l.t.TempDir(), "copied")
	if err := os.CopyFS(dir, os.DirFS(l.dir)); err != nil {
		l.t.Fatal(err)
	}
	l.start()
	return dir
}

// replace serves what another directory holds, and returns when that began.
func (l *logServer) replace(dir string) time.Time {
	l.t.Helper()
	l.stop()
	l.dir = dir
	l.start()
	return time.Now()
}

// others has another application write so many events.
func (l *logServer) others(n int, stream string) {
	l.t.Helper()
	const batch = 1000
	for at := 0; at < n; at += batch {
		events := make([]eventstore.NewEvent, min(batch, n-at))
		for i := range events {
			events[i] = eventstore.NewEvent{ID: uuid.New(), Type: "invoice.sent", Data: []byte(`{}`)}
		}
		if _, err := l.log.Append(context.Background(), stream, eventstore.Revision(at-1), events); err != nil {
			l.t.Fatal(err)
		}
	}
}

// under is a server whose log was replaced by an older copy while it served.
type under struct {
	restored
	log   *logServer
	s     *process
	began time.Time
}

// goBack sells, copies the log, sells more, and puts the copy in its place, all under a running server.
func goBack(t *testing.T, grow func(l *logServer, data string, env []string, f *floor), args []string, env ...string) *under {
	t.Helper()
	l := serveLog(t)
	in := install(t, append(l.env(), env...)...)
	s := in.serve(args...)
	in.awaitReady()
	f := newFloor(t, in.owner("anna").cafe(t, 3), 17)
	f.serveGuests(20)
	older := l.copied()
	then := f.fork()
	in.awaitReady()
	f.serveGuests(60)
	f.r.checkAll(t, f.last, wanted{f.closed, "KRW", 15000, 1}, today(t)) // every read model holds all of the newer log
	if grow != nil {
		copyOf := &logServer{t: t, dir: older, address: "127.0.0.1:0"}
		copyOf.start()
		grow(copyOf, in.data, env, then)
		copyOf.stop()
	}
	u := &under{restored: restored{T: t, in: in, f: then}, log: l, s: s}
	u.began = l.replace(older)
	return u
}

// TestALogThatWentBack: an older copy takes the log's place under a running server. Until the read models are made from
// it, no figure is shown; orders are taken all the time, and shown in the end.
func TestALogThatWentBack(t *testing.T) {
	for name, c := range map[string]struct {
		grow  func(l *logServer, data string, env []string, f *floor)
		words string
	}{
		"shorter": {nil, "events are missing"},
		"longer, by others' events": {func(l *logServer, _ string, _ []string, _ *floor) {
			l.others(500, "billing-1")
		}, "not known"},
	} {
		t.Run(name, func(t *testing.T) {
			u := goBack(t, c.grow, nil)
			u.in.awaitTakes(u.f.r)
			takes := time.Since(u.began)
			u.f.serveGuests(60)
			u.neverWrong()
			t.Logf("orders after %v, ready after %v", takes, time.Since(u.began))
			u.told(u.s, c.words)
			u.right()
			u.f.checkTabs()
			u.keptAndDropped()
			u.in.verify()
		})
	}
}

// TestAnotherLogUnderAServer: a wholly other log, or none, takes the log's place under a running server. Nothing is read of it
// or written to it, and the server goes on by itself when the right one is back.
func TestAnotherLogUnderAServer(t *testing.T) {
	other := serveLog(t)
	install(t, other.env()...).sell(t)
	other.stop()
	for name, c := range map[string]struct{ dir, says string }{
		"another": {other.dir, "the server holds another log"},
		"empty":   {filepath.Join(t.TempDir(), "empty"), "the server holds no log"},
	} {
		t.Run(name, func(t *testing.T) {
			l := serveLog(t)
			in := install(t, l.env()...)
			s := in.serve()
			in.awaitReady()
			f := newFloor(t, in.owner("anna").cafe(t, 2), 17)
			f.serveGuests(20)
			right := l.dir
			began := l.replace(c.dir)
			before, err := l.log.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, startMax, "told", func() error {
				if !strings.Contains(s.said.String(), c.says) {
					return errSays(s.said.tail())
				}
				return nil
			})
			t.Logf("told after %v", time.Since(began))
			for n := range 3 {
				answer, err := f.r.owner.try(http.MethodPost, f.r.path("/tables"), fmt.Sprint("other-", n), map[string]string{"name": "Other"})
				if err != nil || answer.status != http.StatusServiceUnavailable || !strings.Contains(string(answer.body), "log_unavailable") {
					t.Errorf("a command: %s, %v", answer, err)
				}
				if status, parts, err := in.parts(); err != nil || status != http.StatusServiceUnavailable || parts["log"] != "unavailable" {
					t.Errorf("/readyz: %d %v, %v", status, parts, err)
				}
			}
			lines := 0
			for line := range strings.Lines(s.said.String()) {
				if strings.Contains(line, "WARN") && strings.Contains(line, c.says) {
					lines++
				}
			}
			if lines != 1 {
				t.Errorf("told in %d lines:\n%s", lines, s.said)
			}
			if after, err := l.log.Head(t.Context()); err != nil || after != before {
				t.Errorf("it wrote to the other log: %v was %v, %v", after, before, err)
			}
			l.replace(right)
			in.awaitReady()
			f.serveGuests(20)
			f.r.checkAll(t, f.last, wanted{f.closed, "KRW", 15000, 1}, today(t))
			in.verify()
		})
	}
}

// awaitTakes waits until commands are taken again. One that is not must be told to come back.
func (in *installation) awaitTakes(r *restaurant) {
	in.t.Helper()
	n := 0
	eventually(in.t, startMax, "commands", func() error {
		n++
		answer, err := r.owner.try(http.MethodPatch, r.path("/products/%s", r.products[0].ProductID), fmt.Sprint("takes-", n), map[string]any{"name": r.products[0].Name})
		switch {
		case err != nil:
			return err
		case answer.status == http.StatusOK:
			return nil
		case answer.status != http.StatusServiceUnavailable:
			in.t.Fatalf("a command: %s", answer)
		}
		return errSays(answer.String())
	})
}

// insideRecords moves the checkpoints of all read models to where no record of the log begins, as those of a newer log are
// in an older copy that has grown past them.
func (in *installation) insideRecords() {
	in.t.Helper()
	sink, err := embeddedsink.Open(embeddedsink.Options{Dir: filepath.Join(in.data, "read")})
	if err != nil {
		in.t.Fatal(err)
	}
	ctx := context.Background()
	for _, model := range projections.Models {
		target := model.Target(1)
		at, err := sink.Checkpoint(ctx, target)
		if err != nil || at.Position.IsZero() {
			in.t.Fatalf("%s stands at %v, %v", model.Name, at, err)
		}
		to := at
		to.Position.Commit, to.Position.Prepare, to.Event = at.Position.Commit+1, at.Position.Prepare+1, uuid.New()
		if err := sink.Apply(ctx, target, projections.Batch{From: at, To: to}); err != nil {
			in.t.Fatal(err)
		}
	}
	if err := sink.Close(); err != nil {
		in.t.Fatal(err)
	}
}

// TestACheckpointInsideARecord: commands say what is wrong and what helps, and that helps; a server helps itself.
func TestACheckpointInsideARecord(t *testing.T) {
	l := serveLog(t)
	in := install(t, l.env()...)
	in.sell(t)
	l.others(20, "billing-1")
	in.insideRecords()
	in.refused([]string{"verify"}, olderCopy, "daybook rebuild")
	if out := in.succeed("rebuild"); !strings.Contains(out, "kept") {
		t.Errorf("rebuild: %s", out)
	}
	in.verify()

	in = install(t, l.env()...)
	s := in.serve()
	in.awaitReady()
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	in.verify()
	l.others(20, "billing-2")
	in.insideRecords()
	s = in.serve()
	in.awaitReady()
	if !strings.Contains(s.said.String(), olderCopy) {
		t.Errorf("the server says nothing of it:\n%s", s.said)
	}
	s.stop()
	in.verify()
}
