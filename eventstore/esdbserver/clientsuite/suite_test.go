package clientsuite_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"daybook/eventstore/esdbserver"
)

const clientPackage = "github.com/EventStore/EventStore-Client-Go/v4/esdb"

// suiteMax is how long the tests may take once they are compiled.
const suiteMax = 2 * time.Minute

// The tests dial these. The first is the leader.
var members = []string{"localhost:2111", "localhost:2112", "localhost:2113"}

//go:embed cluster.txt
var clusterText string

//go:embed single.txt
var singleText string

func TestClientSuite(t *testing.T) {
	dir := t.TempDir()
	binary := compile(t, dir)
	certificates := writeCertificates(t, filepath.Join(dir, "certs"))
	database := newPrepared()
	database.writeExpectations(t, filepath.Join(dir, "resources", "test"))
	folder := filepath.Join(dir, "esdb") // from here the tests look for ../certs and ../resources
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Run("Cluster", func(t *testing.T) {
		serveCluster(t, certificates)
		expected := parseOutcomes(t, clusterText)
		compare(t, expected, run(t, binary, folder, expected.notRun(), "CLUSTER=true"))
	})
	t.Run("Single", func(t *testing.T) {
		docker := serveDaemon(t, certificates, database)
		expected := parseOutcomes(t, singleText)
		compare(t, expected, run(t, binary, folder, expected.notRun(),
			"DOCKER_HOST="+docker, "TC_HOST=localhost", "TESTCONTAINERS_RYUK_DISABLED=true"))
	})
}

// compile builds the client module's own tests.
func compile(t *testing.T, dir string) string {
	binary := filepath.Join(dir, "esdb.test")
	command := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, clientPackage)
	command.Dir = "module"
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, output)
	}
	return binary
}

// serveCluster serves one store on all members' addresses, until the test ends.
func serveCluster(t *testing.T, c certificates) {
	store, err := openStore(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, len(members))
	for i, member := range members {
		listener, err := net.Listen("tcp", member)
		if err != nil {
			t.Fatalf("the client's tests know no other address: %v", err)
		}
		server := esdbserver.New(store, options(c, members, i > 0))
		go func() { ended <- server.Serve(ctx, listener) }()
	}
	t.Cleanup(func() {
		cancel()
		for range members {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func options(c certificates, members []string, follower bool) esdbserver.Options {
	return esdbserver.Options{
		TLS:          &tls.Config{Certificates: []tls.Certificate{c.node}, MinVersion: tls.VersionTLS12},
		ClientCAs:    pool(c.ca),
		Users:        map[string]esdbserver.User{"admin": {Password: "changeit"}},
		Members:      members,
		Follower:     follower,
		AcceptGroups: true,
	}
}

func pool(ca *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca)
	return p
}

// run returns what became of each test.
func run(t *testing.T, binary, folder string, notRun []string, env ...string) map[string]outcome {
	ctx, cancel := context.WithTimeout(t.Context(), suiteMax)
	defer cancel()
	args := []string{"-test.v", "-test.timeout", suiteMax.String()}
	if len(notRun) > 0 {
		args = append(args, "-test.skip", skipPattern(notRun))
	}
	command := exec.CommandContext(ctx, binary, args...)
	command.Dir = folder
	command.Env = append(append(os.Environ(), "EVENTSTORE_INSECURE=false"), env...)
	output, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	got, verdicts := map[string]outcome{}, ""
	lines := bufio.NewScanner(bytes.NewReader(output))
	for lines.Scan() {
		if m := verdictLine.FindStringSubmatch(lines.Text()); m != nil {
			got[m[2]] = outcome(m[1])
			verdicts += "\n" + lines.Text()
		}
	}
	t.Log(verdicts)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%v:\n%s", command, output)
		}
	})
	if len(got) == 0 {
		t.Fatalf("%v: %v", command, err)
	}
	return got
}

var verdictLine = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \(`)

// skipPattern matches exactly the named tests and what is below them.
func skipPattern(names []string) string {
	patterns := make([]string, len(names))
	for i, name := range names {
		parts := strings.Split(name, "/")
		for j, part := range parts {
			parts[j] = "^" + regexp.QuoteMeta(part) + "$"
		}
		patterns[i] = strings.Join(parts, "/")
	}
	return strings.Join(patterns, "|")
}

func compare(t *testing.T, expected outcomes, got map[string]outcome) {
	counts := map[outcome]int{}
	for name, verdict := range got {
		counts[verdict]++
		want := passes
		if listed, ok := expected[name]; ok {
			want = listed.outcome
		}
		if verdict != want {
			t.Errorf("%s: %s, expected %s", name, verdict, want)
		}
	}
	for name, listed := range expected {
		if _, ran := got[name]; ran == (listed.outcome == notRun) {
			t.Errorf("the list: %s is listed as %q; ran: %v", name, listed.outcome, ran)
		}
	}
	t.Logf("the client's own tests: %d passed, %d failed, %d skipped themselves, %d listed as not run",
		counts[passes], counts[fails], counts[skips], len(expected.notRun()))
}

// outcome is what becomes of a test, in the words of go test.
type outcome string

const (
	passes outcome = "PASS"
	fails  outcome = "FAIL"
	skips  outcome = "SKIP"
	notRun outcome = "NOT RUN"
)

type listed struct {
	outcome outcome
	reason  string
}

type outcomes map[string]listed

func (o outcomes) notRun() (names []string) {
	for name, l := range o {
		if l.outcome == notRun {
			names = append(names, name)
		}
	}
	return names
}

// parseOutcomes reads lines of "OUTCOME: name: reason". Others begin with '#'.
func parseOutcomes(t *testing.T, text string) outcomes {
	all := outcomes{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.SplitN(line, ": ", 3)
		if len(parts) != 3 || !valid(outcome(parts[0])) {
			t.Fatal(fmt.Errorf("the list: %q", line))
		}
		all[parts[1]] = listed{outcome(parts[0]), parts[2]}
	}
	return all
}

func valid(o outcome) bool { return o == fails || o == skips || o == notRun }
