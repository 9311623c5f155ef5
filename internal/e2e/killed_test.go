package e2e

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestKilledWhileOrdering kills the server at random moments while guests order and pay. After each restart, with
// nobody doing anything, everything that was acknowledged is there once, and the figures are its sums.
func TestKilledWhileOrdering(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { killWhileOrdering(t, install(t), 12) })
	t.Run("full", func(t *testing.T) { killWhileOrdering(t, install(t, postgresURL(t), redisURL(t)), 6) })
}

func killWhileOrdering(t *testing.T, in *installation, kills int) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := in.serve()
	r := in.owner("anna").cafe(t, 6)
	guests := r.seatGuests(t, seed)
	for n := range kills {
		until := make(chan struct{})
		group := stay(guests, until)
		after(time.Duration(random.IntN(400)) * time.Millisecond)
		s.kill()
		close(until) // what is not answered yet is repeated until it is
		if n%3 == 2 {
			dying := in.launch("--addr", "127.0.0.1:0")
			after(time.Duration(random.IntN(150)) * time.Millisecond)
			dying.kill() // while it recovers
		}
		s = in.serve()
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		r.checkGuests(t, guests)
		in.verify()
	}
	sent, closed := int64(0), 0
	for _, g := range guests {
		sent, closed = sent+g.sent.Load(), closed+len(g.closed)
	}
	t.Logf("%d requests, %d closed tabs, %d kills", sent, closed, kills)
	if closed == 0 {
		t.Error("no tab was closed: this has tested nothing")
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	in.verify()
}

// after lets a random time go by: here the moment itself is what is tested, so there is nothing to wait for.
func after(d time.Duration) { <-time.After(d) }

// TestKilledWhileImporting kills an import, or the server that carries it out, in the middle, and imports the same file
// again: in the end everything is there once.
func TestKilledWhileImporting(t *testing.T) {
	file := writeSales(t, 2, 16_000) // more than is imported between a start and its kill
	t.Run("offline", func(t *testing.T) {
		in := install(t)
		for range 3 {
			in.startImport(file).kill()
		}
		in.importRest(t, file)
		in.serve()
		in.checkImported(t, file)
	})
	t.Run("served", func(t *testing.T) {
		in := install(t)
		for range 2 {
			s := in.serve()
			running := in.startImport(file)
			s.kill()
			if code := running.exit(); code != 1 {
				t.Errorf("exit code %d when the server died, want 1", code)
			}
			s = in.serve()
			in.startImport(file).kill() // the server lives on
			in.verify()
			s.kill()
		}
		in.serve()
		in.importRest(t, file)
		in.checkImported(t, file)
	})
}

// startImport starts to import a file and returns at a random moment in the middle of it.
func (in *installation) startImport(f *salesFile) *process {
	in.t.Helper()
	running := in.start(f.importArgs()...)
	eventually(in.t, startMax, "importing", func() error {
		if !strings.Contains(running.said.String(), "importing:") {
			return errors.New(running.said.String())
		}
		return nil
	})
	after(time.Duration(rand.IntN(60)) * time.Millisecond)
	return running
}

// importRest imports what is missing of a file.
func (in *installation) importRest(t *testing.T, f *salesFile) {
	t.Helper()
	if list := in.succeed("import", "list"); strings.Count(list, "UNFINISHED") != 1 || !strings.Contains(in.succeed("verify"), "is unfinished") {
		t.Errorf("an import that was killed is not told as unfinished: %s", list)
	}
	// Without the flags: the store is there, and the import goes on as it began.
	is := readImported(t, in.succeed("import", "sales", f.path, "--new-store", "Little Italy", "--owner", "anna"))
	t.Logf("%d of %d orders had been imported before", is.Skipped, len(f.book))
	if is.Orders+is.Skipped != len(f.book) {
		t.Errorf("%d orders imported and %d skipped, want %d in all", is.Orders, is.Skipped, len(f.book))
	}
	if list := in.succeed("import", "list"); strings.Contains(list, "UNFINISHED") || strings.Count(list, "ended") != 1 || strings.Contains(in.succeed("verify"), "is unfinished") {
		t.Errorf("an import that was ended is told as unfinished: %s", list)
	}
	if is.Skipped == 0 {
		t.Error("every import was killed before it had imported anything: this has tested nothing")
	}
}

// checkImported finds the store that was imported into, and compares its figures with the file.
func (in *installation) checkImported(t *testing.T, f *salesFile) {
	t.Helper()
	in.verify()
	var list struct{ Stores []struct{ StoreID string } }
	in.owner("anna").get(t, "/v1/stores", "", &list)
	if len(list.Stores) != 1 {
		t.Fatalf("%d stores, want one", len(list.Stores))
	}
	f.check(t, in, list.Stores[0].StoreID)
}
