package bench

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMedianAndPercentile(t *testing.T) {
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("the median of three is %g", got)
	}
	if got := median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("the median of four is %g", got)
	}
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for p, want := range map[int]time.Duration{1: 1, 50: 50, 99: 99, 100: 100} {
		if got := percentile(hundred, p); got != want {
			t.Errorf("p%d is %d, want %d", p, got, want)
		}
	}
	if got := percentile([]int{7}, 99); got != 7 {
		t.Errorf("p99 of one value is %d", got)
	}
}

func TestOffLine(t *testing.T) {
	if got := offLine([]float64{1, 2, 4}, []float64{10, 15, 25}); got != 0 {
		t.Errorf("points on a line are %g away from it", got)
	}
	if got := offLine([]float64{0, 1, 2}, []float64{0, 12, 20}); math.Abs(got-0.2) > 1e-9 {
		t.Errorf("12 where 10 should be is %g away", got)
	}
}

func TestWrongOptions(t *testing.T) {
	for name, of := range map[string]struct {
		names   []string
		options Options
		want    string
	}{
		"name":   {[]string{"rebuild", "sleep"}, Options{Scale: 1, Runs: 1}, `no such benchmark: "sleep"; there are rebuild, close`},
		"scale":  {nil, Options{Runs: 1, Scale: -1}, "scale -1"},
		"NaN":    {nil, Options{Runs: 1, Scale: math.NaN()}, "scale NaN"},
		"large":  {nil, Options{Runs: 1, Scale: 11}, "scale 11"},
		"none":   {nil, Options{Runs: 1}, "scale 0"},
		"no run": {nil, Options{Scale: 1}, "runs 0"},
		"runs":   {nil, Options{Runs: 101, Scale: 1}, "runs 101"},
	} {
		dir := t.TempDir()
		of.options.Dir = dir
		_, err := Run(t.Context(), of.names, of.options, nil)
		if err == nil || !strings.Contains(err.Error(), of.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, of.want)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left %v behind", name, left)
		}
	}
}

func TestReport(t *testing.T) {
	result := Result{Name: "growth", Measures: "what grows"}
	result.figure(Figure{Name: growthRebuild + ", 100 tabs", Unit: "s", Value: 1.2345, Runs: []float64{1, 1.2345, 9}},
		Figure{Name: growthRebuild + ", 200 tabs", Unit: "s", Value: 2})
	result.atLeast("SQL / us", ratio, 3, 2)
	result.atLeast("HTTP / SQL", ratio, 1, 2)
	result.atMost("memory", "MiB", 399.6, 400)
	var text strings.Builder
	if err := result.Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"growth: what grows", "1.23 s", "median of 3, 1 to 9", "at least 2: reached", "at least 2: MISSED", "400 MiB", "at most 400: reached"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	dir := t.TempDir()
	files, err := Report{Results: []Result{result}}.Plot(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("plotted %v, %v", files, err)
	}
	for _, name := range []string{RatiosPlot, GrowthPlot} {
		svg, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(svg), "<svg") {
			t.Errorf("%s: %.80s, %v", name, svg, err)
		}
	}
	if _, err := (Report{}).Plot(dir); !errors.Is(err, ErrNothingToPlot) {
		t.Errorf("plotting nothing: %v", err)
	}
}
