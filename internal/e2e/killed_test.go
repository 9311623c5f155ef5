package e2e

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestKilledWhileOrdering kills the server at random moments while guests order and pay. After each restart, with
// nobody doing anything, everything that was acknowledged is there once, and the figures are its sums.
func TestKilledWhileOrdering(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { killWhileOrdering(t, install(t), 12) })
	t.Run("full", func(t *testing.T) { killWhileOrdering(t, install(t, postgres(t), redis(t)), 6) })
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
	sent, closed := 0, 0
	for _, g := range guests {
		sent, closed = sent+g.sent, closed+len(g.closed)
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
