package e2e

import (
	"strings"
	"testing"
)

// TestReady: the command that health checks call agrees with the server.
func TestReady(t *testing.T) {
	in := install(t, "DAYBOOK_REDIS=redis://127.0.0.1:1/0")
	s := in.serve()
	base, _ := in.base.Load().(string)
	address := strings.TrimPrefix(base, "http://")
	if o := in.run("ready", "--addr", address); o.code != 1 || !strings.Contains(o.stdout, "redis") {
		t.Errorf("without Redis: exit code %d, %s", o.code, o.stdout)
	}
	s.stop()
	if o := in.run("ready", "--addr", address); o.code != 1 {
		t.Errorf("without a server: exit code %d", o.code)
	}
	in = install(t)
	in.serve()
	in.awaitReady()
	base, _ = in.base.Load().(string)
	if out := in.succeed("ready", "--addr", strings.TrimPrefix(base, "http://")); !strings.Contains(out, `"ready"`) {
		t.Errorf("ready: %s", out)
	}
}
