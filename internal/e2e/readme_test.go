package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReadmeLines runs the lines of the README's "A first sale" as they are printed, in the folder that the README is
// in. Three things differ from what a reader has: the server's port is a free one, the program is the test's, and
// DAYBOOK_DATA names a directory of the test's instead of ./daybook-data. And -e and -u are stricter than an interactive shell.
func TestReadmeLines(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	in := install(t)
	in.serve()
	lines := readmeLines(t, filepath.Join(root, "README.md"))
	for printed, is := range map[string]string{"http://127.0.0.1:8080": in.base.Load().(string), "bin/quick/daybook": program} {
		if !strings.Contains(lines, printed) {
			t.Fatalf("the lines do not say %s", printed)
		}
		lines = strings.ReplaceAll(lines, printed, is)
	}
	out := ""
	for before := ""; before != seoulDate(t); { // once more if midnight came in between
		before = seoulDate(t)
		out = runLines(t, root, in.data, lines)
	}
	for _, figures := range []string{
		`"amount":7000,"fee":42,"due":0,"tabStatus":"CLOSED"`,
		`"name":"Coffee","category":"DRINK","saleCount":2,"saleAmount":7000}],"total":{"saleCount":2,"saleAmount":7000}`,
		`"revenue":7000,"fee":42,"posFee":0,"operatingProfit":6958`,
	} {
		if !strings.Contains(out, figures) {
			t.Errorf("the lines do not print %s:\n%s", figures, out)
		}
	}
}

// readmeLines returns the shell lines of the section "A first sale".
func readmeLines(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## A first sale\n")
	_, block, begins := strings.Cut(section, "\n```sh\n")
	lines, _, ends := strings.Cut(block, "\n```\n")
	if !found || !begins || !ends {
		t.Fatal("the README has no such lines")
	}
	return lines
}

func runLines(t *testing.T, dir, data, lines string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandMax)
	defer cancel()
	sh := exec.CommandContext(ctx, "sh", "-eu", "-c", lines)
	sh.Dir = dir
	for _, setting := range os.Environ() {
		if !strings.HasPrefix(setting, "DAYBOOK_") {
			sh.Env = append(sh.Env, setting)
		}
	}
	sh.Env = append(sh.Env, "DAYBOOK_DATA="+data)
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func seoulDate(t *testing.T) string {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	return time.Now().In(zone).Format(dateForm)
}
