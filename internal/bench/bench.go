// Package bench measures what Daybook exists for beside what people would use instead: both in one run on one machine,
// several times in turn, so that what is told is a ratio of medians and not the speed of a machine. It runs the parts
// that serve restaurants, starts PostgreSQL and Redis of its own for what is beside them, compares what both answer, and
// takes away whatever it made.
//
// Not here: judging. A goal that was missed is told, and is no error. Linux only, as package services is.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Options of a run. Program, Scale and Runs are needed.
type Options struct {
	Program  string  // the program daybook, whose memory is measured
	Scale    float64 // of the data, 0.001 to 10: 1 is the month that the reference system published
	Runs     int     // a figure is the median of so many, 1 to 100
	Dir      string  // for data, removed at the end; "": the system's for temporary files
	Progress Progress
}

// Progress is told how far the work called label has come.
type Progress func(label string, done, total uint64)

// benchmark is one of those that can be asked for by name.
type benchmark struct {
	name, measures string
	run            func(context.Context, *run, *Result) error
}

var benchmarks = []benchmark{
	{"rebuild", "all period counters folded from position 0, beside a nightly GROUP BY of one month", rebuild},
	{"close", "a month's product statistics and settlements out of the running counters, beside the same GROUP BY", closeMonth},
	{"one-store", "one store's month folded out of the log of all, beside reading all", oneStore},
	{"append", "orders of 64 writers, each on disk before it is acknowledged, beside a transaction in PostgreSQL", appendOrders},
	{"live", "from the acknowledgement of an order until a query shows it, at 1,000 orders per second", live},
	{"query", "the top five of 1,000 products of a month at 500 requests per second, beside SQL over detail rows", query},
	{"growth", "rebuild, its memory, and close, at a tenth, one and four times the scale", growth},
}

// Names are all benchmarks, in the order in which they run.
func Names() []string {
	names := make([]string, len(benchmarks))
	for i, b := range benchmarks {
		names[i] = b.name
	}
	return names
}

// ErrUnknown: there is no benchmark of that name.
var ErrUnknown = errors.New("no such benchmark")

// Bounds of what can be asked for.
const (
	scaleMin, scaleMax = 0.001, 10
	runsMax            = 100
)

func (o Options) withDefaults() (Options, error) {
	if o.Progress == nil {
		o.Progress = func(string, uint64, uint64) {}
	}
	switch {
	case !(o.Scale >= scaleMin && o.Scale <= scaleMax):
		return o, fmt.Errorf("scale %g: it is %g to %d", o.Scale, scaleMin, scaleMax)
	case o.Runs < 1 || o.Runs > runsMax:
		return o, fmt.Errorf("runs %d: they are 1 to %d", o.Runs, runsMax)
	}
	return o, nil
}

// Run runs the benchmarks of the given names, all if there are none, and hands each result to tell as soon as it is there.
// Errors: ErrUnknown and wrong options, before anything is done; services.ErrMissing; a difference between what Daybook
// and what is beside it answer, or whatever else keeps a benchmark from being right.
func Run(ctx context.Context, names []string, options Options, tell func(Result)) (_ Report, err error) {
	options, err = options.withDefaults()
	if err != nil {
		return Report{}, err
	}
	chosen, err := choose(names)
	if err != nil {
		return Report{}, err
	}
	dir, err := os.MkdirTemp(options.Dir, "daybook-bench-")
	if err != nil {
		return Report{}, err
	}
	r := &run{Options: options, dir: dir}
	defer func() { err = errors.Join(err, r.close(), os.RemoveAll(dir)) }()
	report := Report{
		Scale: options.Scale, Runs: options.Runs, Began: time.Now().UTC().Truncate(time.Second),
		CPUs: runtime.GOMAXPROCS(0), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH,
	}
	for _, b := range chosen {
		result := Result{Name: b.name, Measures: b.measures}
		if err := b.run(ctx, r, &result); err != nil {
			return report, fmt.Errorf("%s: %w", b.name, err)
		}
		report.Results = append(report.Results, result)
		tell(result)
	}
	return report, r.verifyMonth(ctx)
}

func choose(names []string) ([]benchmark, error) {
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("%w: %q; there are %s", ErrUnknown, name, strings.Join(Names(), ", "))
		}
	}
	if len(names) == 0 {
		return benchmarks, nil
	}
	return slices.DeleteFunc(slices.Clone(benchmarks), func(b benchmark) bool { return !slices.Contains(names, b.name) }), nil
}
