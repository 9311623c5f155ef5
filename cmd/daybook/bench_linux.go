package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"

	"daybook/internal/bench"
)

type benchCmd struct {
	Names []string `arg:"" optional:"" help:"Benchmarks: rebuild, close, one-store, append, live, query, growth. None means all."`
	Scale float64  `default:"1" help:"Of the data: 1 is the reference system's month, 930,100 tabs with 2,791,000 lines. 0.001 to 10." placeholder:"N"`
	Runs  int      `default:"5" help:"A figure is the median of so many runs."`
	JSON  string   `name:"json" help:"Write every figure to a file." placeholder:"FILE"`
	Plot  string   `help:"Draw the ratios and the growth as SVG files into a directory, which is made if need be." placeholder:"DIR"`
	CPU   string   `name:"cpuprofile" help:"Write a CPU profile of the run, for 'go tool pprof'; name one benchmark to see it alone." placeholder:"FILE"`
	Dir   string   `help:"Where the data go while it runs; a disk that is used for nothing else gives the best figures. Default: the system's directory for temporary files." placeholder:"DIR"`
}

// Run prints results as they come. A missed goal is a result and no failure; a wrong answer is a failure.
func (c *benchCmd) Run(p *program) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var file io.WriteCloser
	if c.JSON != "" { // before anything is measured that could then not be kept
		if file, err = os.Create(c.JSON); err != nil {
			return fmt.Errorf("--json: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
	}
	if c.Plot != "" {
		if err := os.MkdirAll(c.Plot, 0o755); err != nil {
			return fmt.Errorf("--plot: %w", err)
		}
	}
	if c.CPU != "" {
		profile, err := os.Create(c.CPU)
		if err != nil {
			return fmt.Errorf("--cpuprofile: %w", err)
		}
		if err := pprof.StartCPUProfile(profile); err != nil {
			return err
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, profile.Close())
		}()
	}
	progress, done := p.progress()
	report, err := bench.Run(p.ctx, c.Names, bench.Options{
		Program: self, Scale: c.Scale, Runs: c.Runs, Dir: c.Dir, Progress: bench.Progress(progress),
	}, func(r bench.Result) {
		if err := r.Write(p.out); err != nil {
			p.log.Warn("a result could not be printed", "error", err)
		}
	})
	done()
	if err != nil {
		return err
	}
	if c.Scale != 1 {
		fmt.Fprintf(p.out, "What is to be reached is for scale 1. At scale %g, what does not depend on the amount of data weighs differently.\n", c.Scale)
	}
	return c.keep(p, report, file)
}

func (c *benchCmd) keep(p *program, report bench.Report, file io.Writer) error {
	if file != nil {
		lines := json.NewEncoder(file)
		lines.SetIndent("", "  ")
		if err := lines.Encode(report); err != nil {
			return fmt.Errorf("--json: %w", err)
		}
	}
	if c.Plot == "" {
		return nil
	}
	files, err := report.Plot(c.Plot)
	for _, file := range files {
		fmt.Fprintln(p.err, "drawn:", file)
	}
	return err
}
