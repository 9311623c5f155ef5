package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestOperations has the operator's commands work on what is sold, offline and while the server runs, on both set-ups.
func TestOperations(t *testing.T) {
	for name, env := range map[string]func() []string{
		"embedded": func() []string { return nil },
		"full":     func() []string { return []string{postgresURL(t), redisURL(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			in := install(t, env()...)
			s := in.serve()
			in.awaitReady()
			f := newFloor(t, in.owner("anna").cafe(t, 2), 5)
			f.serveGuests(30)
			operate(t, f)
			f.serveGuests(10)
			f.r.checkAll(t, f.last, wanted{f.closed, "KRW", 15000, 1}, today(t))
			s.kill()
			operate(t, f)
			in.serve()
			f.serveGuests(10)
			f.r.checkAll(t, f.last, wanted{f.closed, "KRW", 15000, 1}, today(t))
			in.verify()
		})
	}
}

// operate rebuilds, goes back, verifies.
func operate(t *testing.T, f *floor) {
	t.Helper()
	in := f.r.owner.in
	if out := in.succeed("rebuild"); strings.Contains(out, "DIFFERED") || strings.Count(out, "equal at position") != strings.Count(out, "\n") {
		t.Errorf("rebuild says:\n%s", out)
	}
	if out := in.succeed("rebuild", "counters"); !strings.HasPrefix(out, "counters") {
		t.Errorf("rebuild counters says:\n%s", out)
	}
	in.verify()
	in.succeed("rebuild", "--rollback")
	in.verify()
	if out := in.succeed("verify", "--store", f.r.storeID); !strings.Contains(out, fmt.Sprintf("%d closed tabs", len(f.closed))) {
		t.Errorf("verify --store says:\n%s", out)
	}
	if out := in.run("parked", "list"); out.code != 0 || out.stdout != "" || !strings.Contains(out.stderr, "0 parked") {
		t.Errorf("parked list: %d %s%s", out.code, out.stdout, out.stderr)
	}
	in.refused([]string{"parked", "retry", "counters", "tab-x-y"}, "not parked")
	in.refused([]string{"rebuild", "cellar"}, "cellar", "counters")
	in.refused([]string{"verify", "--store", "nosuchstore"}, "nosuchstore")
}

// TestToken: the token alone is on standard output, it works at once, and only for its own owner.
func TestToken(t *testing.T) {
	in := install(t)
	in.serve()
	o := in.run("token", "owner", "--subject", "anna")
	if o.code != 0 || o.stderr != "" || !regexp.MustCompile(`^\S+\n$`).MatchString(o.stdout) {
		t.Fatalf("token owner: %d, %q, %q", o.code, o.stdout, o.stderr)
	}
	anna := caller{in: in, token: strings.TrimSpace(o.stdout)}
	r := anna.open(t, nil)
	in.owner("anna").get(t, r.path(""), "", nil)
	in.owner("bert").send(t, http.MethodGet, r.path(""), "", nil, http.StatusNotFound, nil)
	stranger := caller{in: in, token: install(t).owner("anna").token} // of another installation
	stranger.send(t, http.MethodGet, "/v1/stores", "", nil, http.StatusUnauthorized, nil)
}

// TestDemo: the sample restaurant is made once, and a second start is quick.
func TestDemo(t *testing.T) {
	in := install(t)
	line := regexp.MustCompile(`store (\w+), of owner demo; its sales are of (\S+) to (\S+)\.`)
	start := func() (entries string, found []string) {
		s := in.serve("--demo")
		found = line.FindStringSubmatch(s.said.String())
		if found == nil {
			t.Fatalf("the server does not say which store the demo is:\n%s", s.said)
		}
		entries = in.logEntries()
		if code := s.stop(); code != 0 {
			t.Fatalf("exit code %d after SIGTERM", code)
		}
		return entries, found
	}
	entries, first := start()
	begin := time.Now()
	again, second := start()
	if took := time.Since(begin); took > startMax/2 {
		t.Errorf("the second start took %v", took)
	}
	if entries == "0" || again != entries || first[0] != second[0] {
		t.Errorf("%s entries and %q, then %s and %q", entries, first[0], again, second[0])
	}
	in.serve()
	r := &restaurant{owner: in.owner("demo"), storeID: first[1]}
	var sales salesRows
	r.owner.get(t, r.path("/statistics/sales?term=DAY&from=%s&to=%s", first[2], first[3]), "", &sales)
	for _, day := range sales.Items {
		if day.Tabs == 0 || day.GrossSales == 0 {
			t.Errorf("the demo sold nothing on %s", day.Start)
		}
	}
}
