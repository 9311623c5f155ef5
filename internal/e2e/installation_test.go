package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Limits of waiting, generous because the machine may be busy. Nothing waits that long when all is well.
const (
	startMax   = 60 * time.Second
	stopMax    = 30 * time.Second
	commandMax = 90 * time.Second
	pollEvery  = 10 * time.Millisecond
)

// installation is a data directory and what the program is told of its surroundings, for one test.
type installation struct {
	t    testing.TB
	data string
	env  []string // NAME=value
	open int      // files that a process may have open; 0: as many as the tests
	base atomic.Value

	program string // the binary; "": the one under test
}

func install(t testing.TB, env ...string) *installation {
	in := &installation{t: t, data: filepath.Join(t.TempDir(), "data"), env: env}
	in.base.Store("")
	return in
}

// command makes a command line of the program. It knows nothing of the environment of the tests.
func (in *installation) command(ctx context.Context, args ...string) *exec.Cmd {
	binary := cmp.Or(in.program, program)
	cmd := exec.CommandContext(ctx, binary, args...)
	if in.open > 0 {
		cmd = exec.CommandContext(ctx, "sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, in.open), binary}, args...)...)
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "DAYBOOK_DATA=" + in.data}, in.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// outcome is what a command line left behind.
type outcome struct {
	stdout, stderr string
	code           int
}

// run carries out a command line to its end, at most until commandMax.
func (in *installation) run(args ...string) outcome {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandMax)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := in.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		in.t.Errorf("daybook %s: %v\n%s", strings.Join(args, " "), errors.Join(err, ctx.Err()), stderr.String())
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// succeed carries out a command line that must succeed, and returns its standard output.
func (in *installation) succeed(args ...string) string {
	in.t.Helper()
	o := in.run(args...)
	if o.code != 0 {
		in.t.Fatalf("daybook %s: exit code %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o.stdout
}

// refused carries out a command line that must end with exit code 1 and say all of the words on standard error.
func (in *installation) refused(args []string, words ...string) outcome {
	in.t.Helper()
	o := in.run(args...)
	if o.code != 1 {
		in.t.Errorf("daybook %s: exit code %d, want 1\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	for _, word := range words {
		if !strings.Contains(o.stderr, word) {
			in.t.Errorf("daybook %s does not say %q:\n%s", strings.Join(args, " "), word, o.stderr)
		}
	}
	return o
}

// verify has the program itself compare everything.
func (in *installation) verify() {
	in.t.Helper()
	if out := in.succeed("verify"); !strings.Contains(out, "All agree") {
		in.t.Fatalf("verify: %s", out)
	}
}

// process is a running command line, "daybook serve" for the most.
type process struct {
	in   *installation
	cmd  *exec.Cmd
	said *output
	done chan struct{} // closed when it has ended
}

// serve starts a server at a free port and returns when it has said where it serves.
func (in *installation) serve(args ...string) *process {
	in.t.Helper()
	s := in.launch(append([]string{"--addr", "127.0.0.1:0"}, args...)...)
	select {
	case address := <-s.said.address:
		in.base.Store(address)
	case <-s.done:
		in.t.Fatalf("the server ended at once:\n%s", s.said)
	case <-time.After(startMax):
		s.kill()
		in.t.Fatalf("the server did not say where it serves:\n%s", s.said)
	}
	return s
}

// launch starts a server and returns at once.
func (in *installation) launch(args ...string) *process {
	in.t.Helper()
	return in.start(append([]string{"serve"}, args...)...)
}

// start starts a command line and returns at once.
func (in *installation) start(args ...string) *process {
	in.t.Helper()
	s := &process{in: in, said: &output{address: make(chan string, 1)}, done: make(chan struct{})}
	s.cmd = in.command(context.Background(), args...)
	s.cmd.Stderr = s.said
	if err := s.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // its exit code is what counts
	}()
	in.t.Cleanup(func() {
		s.kill()
		if in.t.Failed() {
			in.t.Logf("daybook %s said:\n%s", args[0], s.said.tail())
		}
	})
	return s
}

// kill ends the process with SIGKILL, as a crash would, and returns when it is gone.
func (s *process) kill() {
	if slices.Contains(s.cmd.Args, "serve") {
		s.in.base.Store("")
	}
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.done
}

// stop asks the server to end and returns its exit code.
func (s *process) stop() int {
	s.in.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.in.t.Fatal(err)
	}
	return s.exit()
}

// exit waits until the server ends, and returns its exit code.
func (s *process) exit() int {
	s.in.t.Helper()
	select {
	case <-s.done:
	case <-time.After(stopMax):
		s.kill()
		s.in.t.Fatalf("the server did not end:\n%s", s.said.tail())
	}
	return s.cmd.ProcessState.ExitCode()
}

// output collects what a server says, and finds its address in it.
type output struct {
	address chan string

	mu   sync.Mutex
	text []byte
	told bool
}

var servesLine = regexp.MustCompile(`(?m)^Daybook serves (http://\S+)`)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if found := servesLine.FindSubmatch(o.text); found != nil && !o.told {
		o.told = true
		o.address <- string(found[1])
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

func (o *output) tail() string {
	text := o.String()
	return text[max(0, len(text)-2<<10):]
}

// eventually calls a function until it returns nil; after the deadline its last error fails the test.
func eventually(t testing.TB, within time.Duration, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s, after %v: %v", what, within, err)
		}
		time.Sleep(pollEvery)
	}
}
