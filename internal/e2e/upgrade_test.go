package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// declaredVersion is where a read model says its version.
var declaredVersion = regexp.MustCompile(`(Model\("[a-z]+", |Version: )(\d+)`)

// newerProgram is a program of the next release, in which every read model has another version. It is built once.
var newerProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp(filepath.Dir(program), "newer-") // goes with the other one
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob("../../projections/*.go")
	if err != nil {
		return "", err
	}
	overlay, models := struct{ Replace map[string]string }{map[string]string{}}, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		if strings.HasSuffix(file, "_test.go") || !declaredVersion.Match(text) {
			continue
		}
		models += len(declaredVersion.FindAll(text, -1))
		text = declaredVersion.ReplaceAllFunc(text, func(is []byte) []byte {
			parts := declaredVersion.FindSubmatch(is)
			version, _ := strconv.Atoi(string(parts[2])) // it matched as digits
			return fmt.Appendf(nil, "%s%d", parts[1], version+1)
		})
		path, err := filepath.Abs(file)
		if err != nil {
			return "", err
		}
		overlay.Replace[path] = filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(overlay.Replace[path], text, 0o600); err != nil {
			return "", err
		}
	}
	if models != upgradedModels {
		return "", fmt.Errorf("%d read models say their version, want %d", models, upgradedModels)
	}
	replace, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	list, built := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "daybook")
	if err := os.WriteFile(list, replace, 0o600); err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-overlay", list, "-o", built, "daybook/cmd/daybook").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the newer program: %w\n%s", err, out)
	}
	return built, nil
})

// upgradedModels is how many read models there are.
const upgradedModels = 6

// upgraded is the installation with the newer program: the same one, where only one process can have it open, or another
// process of it, whose owners have the same tokens.
func (in *installation) upgraded(another bool) *installation {
	in.t.Helper()
	newer, err := newerProgram()
	if err != nil {
		in.t.Fatal(err)
	}
	up := &installation{t: in.t, data: in.data, env: in.env, program: newer}
	up.base.Store("")
	if !another {
		return up
	}
	up.data = filepath.Join(in.t.TempDir(), "data")
	if err := os.Mkdir(up.data, 0o700); err != nil {
		in.t.Fatal(err)
	}
	for _, name := range []string{"daybook-data", "secret", "owners.json"} {
		text, err := os.ReadFile(filepath.Join(in.data, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(up.data, name), text, 0o600)
		}
		if err != nil {
			in.t.Fatal(err)
		}
	}
	return up
}

// at is the restaurant as another process shows it.
func (r *restaurant) at(in *installation) *restaurant {
	there := *r
	there.owner = caller{in: in, token: r.owner.token}
	return &there
}

// audience looks at figures and bills in one process. Nothing may be refused, or be less than before.
type audience struct {
	r     *restaurant
	watch *watch
	tabs  int          // that were listed
	lists atomic.Int64 // answers that listed them
}

func newAudience(r *restaurant, day time.Time) *audience {
	return &audience{r: r, watch: newWatch(r, day)}
}

// look has them look while something happens.
func (a *audience) look(until <-chan struct{}) *errgroup.Group {
	group := a.watch.start(until)
	group.Go(func() error {
		for {
			select {
			case <-until:
				if n := a.watch.refused.Load(); n > 0 {
					return fmt.Errorf("%d figures were refused", n)
				}
				return nil
			case <-time.After(pollEvery):
			}
			if err := a.list(); err != nil {
				return err
			}
		}
	})
	return group
}

func (a *audience) list() error {
	reply, err := a.r.owner.try(http.MethodGet, a.r.path("/tabs?limit=1000"), "", nil)
	if err == nil && reply.status != http.StatusOK {
		err = fmt.Errorf("GET /tabs: %s", reply)
	}
	if err != nil {
		return err
	}
	var page struct{ Tabs []struct{ TabID string } }
	if err := json.Unmarshal(reply.body, &page); err != nil {
		return err
	}
	if len(page.Tabs) < a.tabs {
		return fmt.Errorf("%d tabs are listed, after %d", len(page.Tabs), a.tabs)
	}
	a.tabs = len(page.Tabs)
	a.lists.Add(1)
	return nil
}

// during has guests order and pay, and audiences look, while something happens.
func during(t *testing.T, guests []*guest, audiences []*audience, what func()) {
	t.Helper()
	until := make(chan struct{})
	groups := []*errgroup.Group{stay(guests, until)}
	for _, a := range audiences {
		groups = append(groups, a.look(until))
	}
	what()
	close(until)
	for _, g := range groups {
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// played waits until guests have sent so many requests more.
func played(t *testing.T, guests []*guest, n int64) {
	t.Helper()
	sent := func() (all int64) {
		for _, g := range guests {
			all += g.sent.Load()
		}
		return all
	}
	before := sent()
	eventually(t, startMax, "guests order and pay", func() error {
		if now := sent(); now < before+n {
			return fmt.Errorf("%d requests", now-before)
		}
		return nil
	})
}

const (
	besideLine  = "read model is built beside its earlier version"
	steppedBack = "a newer program serves this read model"
)

// says waits until a process has said a line for every read model. One that says it again and again is wrong; once more, it
// may have met a storage in trouble.
func (s *process) says(line string) {
	s.in.t.Helper()
	eventually(s.in.t, startMax, "all read models: "+line, func() error {
		if n := strings.Count(s.said.String(), line); n < upgradedModels {
			return fmt.Errorf("it said so %d times", n)
		}
		return nil
	})
	if n := strings.Count(s.said.String(), line); n > 2*upgradedModels {
		s.in.t.Errorf("it said %d times: %s", n, line)
	}
}

// superseded counts the read models of a server that a newer program serves.
func (in *installation) superseded() (n int) {
	in.t.Helper()
	response, err := http.Get(in.base.Load().(string) + "/metrics")
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "daybook_projection_superseded{") && !strings.HasSuffix(strings.TrimSpace(line), " 0") {
			n++
		}
	}
	return n
}

// holdNewVersions keeps PostgreSQL from beginning what is kept under the name of a version, until it is released.
func holdNewVersions(t *testing.T, postgres string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), postgres)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`SELECT pg_advisory_lock(4711)`,
		`CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END'`,
		`CREATE TRIGGER hold BEFORE INSERT ON read_target FOR EACH ROW WHEN (NEW.model LIKE '%\_v%') EXECUTE FUNCTION hold()`,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	release = sync.OnceFunc(func() { closed(t, conn.Close(context.Background())) }) // ends the lock
	t.Cleanup(release)
	return release
}

// TestUpgrade: an old and a new program on one log, PostgreSQL and Redis, under load. Both answer all the time, from the
// start of the new one on, and never show less than before; the old one steps back and goes on. Then back, and again.
func TestUpgrade(t *testing.T) {
	postgres := postgresURL(t)
	old := install(t, append(eventStore(t), postgres, redisURL(t))...)
	oldServer := old.serve()
	r := old.owner("anna").cafe(t, 4)
	guests := r.seatGuests(t, rand.Uint64())
	for _, g := range guests {
		g.strict = true
	}
	old.awaitReady()
	atOld := newAudience(r, guests[0].day)
	during(t, guests, []*audience{atOld}, func() { played(t, guests, 200) })

	release := holdNewVersions(t, strings.TrimPrefix(postgres, "DAYBOOK_POSTGRES="))
	up := old.upgraded(true)
	var upServer *process
	var atNew *audience
	during(t, guests, []*audience{atOld}, func() {
		upServer = up.serve()
		atNew = newAudience(r.at(up), guests[0].day)
		during(t, nil, []*audience{atNew}, func() {
			played(t, guests, 200)
			upServer.says(besideLine)
			if status, parts, err := up.parts(); status != http.StatusServiceUnavailable || parts["projection tabs"] != "catching up" {
				t.Errorf("while it builds: %d %v %v", status, parts, err)
			}
			release()
			up.awaitReady()
			oldServer.says(steppedBack)
			played(t, guests, 200)
		})
	})
	upServer.says(besideLine)
	if n, m := old.superseded(), up.superseded(); n != upgradedModels || m != 0 {
		t.Errorf("superseded: %d read models of the old program, %d of the new", n, m)
	}
	t.Logf("while it was upgraded: the old program showed %s, the new one %s", atOld.watch, atNew.watch)

	if code := upServer.stop(); code != 0 { // back to the old program
		t.Fatalf("exit code %d", code)
	}
	during(t, guests, []*audience{atOld}, func() { played(t, guests, 200) })
	old.verify()
	if code := oldServer.stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	oldServer = old.serve()
	old.awaitReady()
	oldServer.says(steppedBack)
	during(t, guests, []*audience{atOld}, func() { // and to the new one
		played(t, guests, 200)
		upServer = up.serve()
		up.awaitReady()
		during(t, nil, []*audience{atNew}, func() { played(t, guests, 100) })
	})
	if strings.Contains(upServer.said.String(), besideLine) {
		t.Errorf("built once more:\n%s", upServer.said)
	}
	oldServer.says(steppedBack)
	if code := oldServer.stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	old.base.Store(up.base.Load())
	during(t, guests, []*audience{atNew}, func() { played(t, guests, 100) })
	r.at(up).checkGuests(t, guests)
	up.verify()
	up.dropEarlier()
	up.verify()
	old.serve()
	old.awaitReady()
	r.checkGuests(t, guests)
	old.verify()
}

var listedVersion = regexp.MustCompile(`(?m)^counters\tversion (\d+)\t(\d+)\tserved\t`)

// dropEarlier drops the version of the counters that is not this program's.
func (in *installation) dropEarlier() {
	in.t.Helper()
	found := listedVersion.FindAllStringSubmatch(in.succeed("generations", "list"), -1)
	if len(found) != 2 {
		in.t.Fatalf("versions of the counters: %q", found)
	}
	in.refused([]string{"generations", "drop", "counters", found[0][2]}, "active")
	in.succeed("generations", "drop", "counters", found[1][2], "--of", found[1][1])
	in.refused([]string{"generations", "drop", "counters", found[1][2], "--of", found[1][1]}, "no generation")
}

// TestUpgradeOfOneProcess: with everything embedded, the new program comes after the old one. It shows what the old one
// left until its own read models are there, and so never less.
func TestUpgradeOfOneProcess(t *testing.T) {
	old := install(t)
	server := old.serve()
	r := old.owner("anna").cafe(t, 4)
	guests := r.seatGuests(t, rand.Uint64())
	old.awaitReady()
	here := newAudience(r, guests[0].day)
	for _, in := range []*installation{old.upgraded(false), old} { // and back
		during(t, guests, []*audience{here}, func() { played(t, guests, 200) })
		if code := server.stop(); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		server = in.serve()
		old.base.Store(in.base.Load())
		if in != old {
			here.watch.refused.Store(0)
			during(t, guests, []*audience{here}, func() { in.awaitReady() })
			server.says(besideLine)
		}
		in.awaitReady()
	}
	server.says(steppedBack)
	during(t, guests, []*audience{here}, func() { played(t, guests, 100) })
	r.checkGuests(t, guests)
	old.verify()
}
