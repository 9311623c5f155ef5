package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"daybook/internal/app"
)

// growthFactors are the scales that growth compares, as multiples of the run's.
var growthFactors = []float64{0.1, 1, 4}

// growthNames are its figures, in which the plot finds them again.
const (
	growthRebuild = "rebuild"
	growthMemory  = "resident memory of rebuild"
	growthClose   = "close"
)

const memoryMaxMiB = 400

// growth measures how rebuild, its memory and close grow with what is in the log.
func growth(ctx context.Context, r *run, result *Result) error {
	var tabs, rebuilds, closes []float64
	for _, factor := range growthFactors {
		b, err := r.monthAt(ctx, factor)
		if err != nil {
			return err
		}
		figures, err := r.growthAt(ctx, result, b)
		if err != nil {
			return err
		}
		memory, err := r.rebuildMemory(ctx, b)
		if err != nil {
			return err
		}
		if err := r.giveBack(ctx, b); err != nil {
			return err
		}
		at := fmt.Sprintf(", %d tabs", b.month.tabs)
		result.once(growthMemory+at, "MiB", memory)
		result.atMost(growthMemory+at, "MiB", memory, memoryMaxMiB)
		tabs = append(tabs, float64(b.month.tabs))
		rebuilds, closes = append(rebuilds, figures[0].Value), append(closes, figures[1].Value)
	}
	result.atMost("rebuild, away from the straight line", "%", 100*offLine(tabs, rebuilds), 20)
	result.atMost("close, largest / smallest log", ratio, closes[len(closes)-1]/closes[0], 1.5)
	return nil
}

// offLine is how far the middle one of three points is away from the straight line through the others, as a part of
// where it should be. The line need not begin at zero: a rebuild writes as many counters for few tabs as for many.
func offLine(x, y []float64) float64 {
	should := y[0] + (y[2]-y[0])*(x[1]-x[0])/(x[2]-x[0])
	return math.Abs(y[1]-should) / should
}

// monthAt returns the month at a multiple of the run's scale. The caller gives it back.
func (r *run) monthAt(ctx context.Context, factor float64) (*books, error) {
	if factor == 1 {
		return r.month(ctx)
	}
	return r.keepBooks(ctx, reference(r.Scale*factor), fmt.Sprintf("month x %g", factor))
}

func (r *run) growthAt(ctx context.Context, result *Result, b *books) (_ []Figure, err error) {
	sink, err := r.counters(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	at := fmt.Sprintf(", %d tabs", b.month.tabs)
	return r.inTurn(ctx, result, r.Runs,
		measure{growthRebuild + at, "s", func(ctx context.Context) (float64, error) { return r.rebuildEmbedded(ctx, b, nil) }},
		measure{growthClose + at, "ms", b.closeTime(sink)})
}

// rebuildMemory returns the peak of resident memory of 'daybook rebuild counters', run twice in a process of its own:
// the first builds, the second also compares with what is there. It closes the books.
func (r *run) rebuildMemory(ctx context.Context, b *books) (peakMiB float64, _ error) {
	if err := b.close(); err != nil {
		return 0, err
	}
	for range 2 {
		peak, err := peakMemory(ctx, r.Program, "rebuild", "counters", "--data", b.config.Data)
		if err != nil {
			return 0, err
		}
		peakMiB = max(peakMiB, peak)
	}
	return peakMiB, nil
}

// giveBack takes closed books. It opens the shared ones again, and verifies and removes others.
func (r *run) giveBack(ctx context.Context, b *books) (err error) {
	if b != r.shared {
		return errors.Join(r.verify(ctx, b.config), os.RemoveAll(b.config.Data))
	}
	b.App, err = app.Open(b.config)
	return err
}

// memoryEvery is how often a process is asked for its peak. The kernel keeps the peak, so only growth in the last moment
// before its end is missed.
const memoryEvery = 10 * time.Millisecond

// peakMemory runs a program to its end.
func peakMemory(ctx context.Context, program string, args ...string) (peakMiB float64, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var told strings.Builder
	cmd.Stdout, cmd.Stderr = &told, &told
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				err = fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, told.String())
			}
			return peakMiB, err
		case <-time.After(memoryEvery):
			peakMiB = max(peakMiB, residentPeak(cmd.Process.Pid))
		}
	}
}

// residentPeak is the most memory that a process had resident until now, in MiB; 0 if it has ended.
func residentPeak(pid int) float64 {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if text, is := strings.CutPrefix(lines.Text(), "VmHWM:"); is {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 64)
			if err == nil {
				return kib / 1024
			}
		}
	}
	return 0
}
