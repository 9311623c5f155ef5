package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every benchmark works, tells every figure, and leaves nothing behind. How fast the machine was is not judged: too
// little is measured here, among other tests. That both sides give the same answers, each benchmark makes sure itself.
func TestBench(t *testing.T) {
	in := install(t)
	file, plots, dir := filepath.Join(t.TempDir(), "bench.json"), filepath.Join(t.TempDir(), "plots"), t.TempDir()
	done := in.run("bench", "--scale", "0.001", "--runs", "1", "--json", file, "--plot", plots, "--dir", dir)
	if done.code != 0 {
		t.Fatalf("exit code %d: %s\n%s", done.code, done.stdout, done.stderr)
	}
	if !strings.Contains(done.stdout, "for scale 1. At scale 0.001") {
		t.Error("nothing tells that the goals are not for this scale")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Scale   float64
		Results []struct {
			Name    string
			Figures []struct {
				Name  string
				Value float64
			}
			Goals []struct {
				Name  string
				Value float64
			}
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range report.Results {
		names = append(names, r.Name)
		if len(r.Figures) == 0 || len(r.Goals) == 0 || !strings.Contains(done.stdout, r.Name+": ") {
			t.Errorf("%s: %d figures, %d goals", r.Name, len(r.Figures), len(r.Goals))
		}
		for _, f := range r.Figures {
			if f.Value <= 0 {
				t.Errorf("%s: %s is %g", r.Name, f.Name, f.Value)
			}
		}
	}
	if want := []string{"rebuild", "close", "one-store", "append", "live", "query", "growth"}; report.Scale != 0.001 || !slices.Equal(names, want) {
		t.Errorf("scale %g, %v, want %v", report.Scale, names, want)
	}
	for _, name := range []string{"ratios.svg", "growth.svg"} {
		if svg, err := os.ReadFile(filepath.Join(plots, name)); err != nil || !strings.Contains(string(svg), "<svg") {
			t.Errorf("%s: %.40s, %v", name, svg, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBenchRefuses(t *testing.T) {
	in := install(t)
	for _, of := range []struct {
		args []string
		want string
	}{
		{[]string{"bench", "sleep"}, `no such benchmark: "sleep"; there are rebuild`},
		{[]string{"bench", "--scale", "0"}, "scale 0"},
		{[]string{"bench", "--scale", "100"}, "scale 100"},
		{[]string{"bench", "close", "--json", "/nowhere/bench.json"}, "--json"},
	} {
		if done := in.run(of.args...); done.code != 1 || !strings.Contains(done.stderr, of.want) {
			t.Errorf("%v: exit code %d, %s", of.args, done.code, done.stderr)
		}
	}
}
