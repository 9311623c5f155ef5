package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"daybook/internal/services"
)

// everything makes guests order and pay for a while and returns every request with its answer.
func everything(t *testing.T, r *restaurant, guests []*guest, acts int) (all []exchange) {
	t.Helper()
	for _, g := range guests {
		g.kept = nil
	}
	var group errgroup.Group
	for _, g := range guests {
		group.Go(func() error {
			for range acts {
				if err := g.act(); err != nil {
					return fmt.Errorf("%s: %w", g.name, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, g := range guests {
		all = append(all, g.kept...)
	}
	return all
}

// again sends old requests once more, each once: the answers are the same to the byte, at once. A log that is shared over
// EventStoreDB's protocol has other positions there.
func again(t *testing.T, when string, all []exchange, to *installation) {
	t.Helper()
	for _, x := range all {
		who := x.who
		who.in = to
		r, err := who.try(http.MethodPost, x.path, x.key, x.body)
		if err != nil || r.status != x.answer.status || string(r.body) != string(x.answer.body) ||
			r.position != x.answer.position && to == x.who.in {
			t.Fatalf("%s: POST %s %s again: %s at %s %v, first %s at %s",
				when, x.path, plain(x.body), r, r.position, err, x.answer, x.answer.position)
		}
	}
}

// TestOldKeysAreKnown: whatever read models have lost, a request that was answered is not carried out again.
func TestOldKeysAreKnown(t *testing.T) {
	t.Run("PostgreSQL and Redis are away", func(t *testing.T) {
		l := newLoad(t, services.Options{})
		all := everything(t, l.r, l.guests, 30)
		for _, g := range l.guests { // what is known of them now stands in PostgreSQL
			l.r.owner.get(t, l.r.path("/tabs?limit=1"), g.last, nil)
		}
		all = append(all, everything(t, l.r, l.guests, 1)...)
		l.kill(l.postgres, l.redis)
		again(t, "without PostgreSQL and Redis", all, l.in)
		all = append(all, everything(t, l.r, l.guests, 5)...)
		l.server.kill()
		l.server = l.in.serve()
		again(t, "restarted without them", all, l.in)
		l.restart(l.postgres)
		l.restart(l.redis)
		l.in.awaitReady()
		l.check()
		l.in.verify()
	})
	t.Run("rebuilt twice while serving", func(t *testing.T) {
		in := install(t)
		in.serve()
		r := in.owner("anna").cafe(t, 4)
		guests := r.seatGuests(t, rand.Uint64())
		all := everything(t, r, guests, 30)
		in.succeed("rebuild")
		in.succeed("rebuild")
		again(t, "after two rebuilds", all, in)
		r.checkGuests(t, guests)
		in.verify()
	})
	t.Run("killed, and read models damaged", func(t *testing.T) {
		in := install(t)
		s := in.serve()
		r := in.owner("anna").cafe(t, 4)
		guests := r.seatGuests(t, rand.Uint64())
		var all []exchange
		for range 3 {
			all = append(all, everything(t, r, guests, 15)...)
			s.kill()
			emptySomeFile(t, filepath.Join(in.data, "read"))
			s = in.serve()
			again(t, "after a kill and damage", all, in)
		}
		in.awaitReady()
		in.verify()
	})
	t.Run("nothing of the read models is left", func(t *testing.T) {
		in := install(t)
		s := in.serve()
		r := in.owner("anna").cafe(t, 4)
		guests := r.seatGuests(t, rand.Uint64())
		all := everything(t, r, guests, 30)
		s.kill()
		if err := os.RemoveAll(filepath.Join(in.data, "read")); err != nil {
			t.Fatal(err)
		}
		in.serve()
		again(t, "without read models", all, in)
		in.awaitReady()
		in.verify()
	})
}

// emptySomeFile empties a random file of those that Pebble appends to.
func emptySomeFile(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.log"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file to damage in %s: %v", dir, err)
	}
	if err := os.Truncate(files[rand.IntN(len(files))], 0); err != nil {
		t.Fatal(err)
	}
}

// TestOldKeysInTwoProcesses: two processes share a log over EventStoreDB's protocol. What one was asked, the other knows,
// also when both are asked at once.
func TestOldKeysInTwoProcesses(t *testing.T) {
	first := install(t)
	s := first.serve("--esdb-listen", "127.0.0.1:0", "--esdb-writable")
	second := install(t, "DAYBOOK_EVENTSTORE="+offered.FindString(s.said.String()), "DAYBOOK_LOCAL_SIGN_IN=true")
	second.serve()
	r := first.owner("anna").cafe(t, 4)
	guests := r.seatGuests(t, rand.Uint64())
	var orders []exchange // owners' tokens are good in their own installation, tablets' in both
	for _, x := range everything(t, r, guests, 30) {
		if x.path == "/v1/orders" {
			orders = append(orders, x)
		}
	}
	again(t, "at the other process", orders, second)
	coffee := orderBody{Lines: []orderLine{{r.products[0].ProductID, 1}}}
	for n := range 30 {
		at, key := r.tablets[n%len(r.tablets)], fmt.Sprint("both-", n)
		replies := make([]reply, 4)
		var group errgroup.Group
		for i, in := range []*installation{first, second, first, second} {
			group.Go(func() (err error) {
				replies[i], err = caller{in: in, token: at.Token}.persist(http.MethodPost, "/v1/orders", key, coffee)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		for _, a := range replies {
			if a.status != http.StatusCreated || string(a.body) != string(replies[0].body) {
				t.Fatalf("both at once: %v", replies)
			}
		}
	}
	first.verify()
}

// TestOldKeysAfterACopy: what was answered before the log was copied is answered alike from the copy.
func TestOldKeysAfterACopy(t *testing.T) {
	target := eventStore(t)
	in := install(t)
	s := in.serve()
	r := in.owner("anna").cafe(t, 3)
	guests := r.seatGuests(t, rand.Uint64())
	all := everything(t, r, guests, 20)
	if code := s.stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for range 2 { // interrupted or not, it can be repeated
		in.succeed("copy-log", "--to", strings.TrimPrefix(target[0], "DAYBOOK_EVENTSTORE="))
	}
	there := &installation{t: t, data: in.data, env: target}
	there.base.Store("")
	there.succeed("rebuild")
	there.serve()
	again(t, "from the copy", all, there)
	there.awaitReady()
	there.verify()
}
