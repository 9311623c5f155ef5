package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCopyLog: a log that was copied, with an interruption, into an event store is the same log: read models that are
// rebuilt from it verify, and a second copy adds nothing.
func TestCopyLog(t *testing.T) {
	target := strings.TrimPrefix(eventStore(t)[0], "DAYBOOK_EVENTSTORE=")
	in := install(t)
	s := in.serve("--demo")
	in.awaitReady()
	copying := in.start("copy-log", "--to", target) // by the running server
	time.Sleep(300 * time.Millisecond)              // some way into it; it does not matter how far
	copying.kill()
	if out := in.succeed("copy-log", "--to", target); !strings.Contains(out, "compared one by one") {
		t.Errorf("copy-log: %s", out)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out := in.succeed("copy-log", "--to", target); !strings.HasPrefix(out, "0 events copied") {
		t.Errorf("copied again: %s", out)
	}
	before := in.succeed("verify")
	there := &installation{t: t, data: in.data, env: []string{"DAYBOOK_EVENTSTORE=" + target, "DAYBOOK_LOCAL_SIGN_IN=true"}}
	there.base.Store("")
	there.refused([]string{"verify"}, "does not belong to this log")
	there.succeed("rebuild")
	after := there.succeed("verify")
	if a, b := counted(before), counted(after); a != b {
		t.Errorf("rebuilt from the copy: %s; from the original: %s", b, a)
	}
	install(t).refusedCopy(target)
}

// counted is what verify says of the tabs it added up.
func counted(verified string) string {
	for line := range strings.Lines(verified) {
		if strings.HasPrefix(line, "audit") {
			return strings.Join(strings.Fields(line)[:4], " ")
		}
	}
	return "nothing"
}

// refusedCopy has another log refused by a target that is a copy of this one.
func (in *installation) refusedCopy(target string) {
	in.t.Helper()
	s := in.serve("--demo")
	in.awaitReady()
	s.stop()
	in.refused([]string{"copy-log", "--to", target}, "not a copy of this log")
}

// TestImageBuilds runs the build step of the Dockerfile as it stands there, with another place for the program.
func TestImageBuilds(t *testing.T) {
	root := "../.."
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	binary, ran := filepath.Join(t.TempDir(), "daybook"), 0
	for line := range strings.Lines(string(text)) {
		step, is := strings.CutPrefix(line, "RUN ")
		if !is {
			continue
		}
		command := exec.Command("sh", "-euc", strings.ReplaceAll(step, "-o /daybook ", "-o "+binary+" "))
		command.Dir = root
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", step, err, out)
		}
		ran++
	}
	if out, err := exec.Command(binary, "--version").Output(); err != nil || !strings.HasPrefix(string(out), "daybook ") || ran != 1 {
		t.Errorf("after %d steps: %s, %v", ran, out, err)
	}
}
