package bench

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Report is what a run found.
type Report struct {
	Scale   float64   `json:"scale"`
	Runs    int       `json:"runs"` // that most figures are the median of
	Began   time.Time `json:"began"`
	CPUs    int       `json:"cpus"`
	Go      string    `json:"go"`
	System  string    `json:"system"`
	Results []Result  `json:"results"`
}

// Result is what one benchmark found.
type Result struct {
	Name     string   `json:"name"`
	Measures string   `json:"measures"`
	Figures  []Figure `json:"figures"`
	Goals    []Goal   `json:"goals"`
}

// Figure is something that was measured.
type Figure struct {
	Name  string    `json:"name"`
	Unit  string    `json:"unit"`
	Value float64   `json:"value"`          // the median of Runs, or what was measured once
	Runs  []float64 `json:"runs,omitempty"` // in the order in which they were taken
}

// Goal is what a figure or a ratio of two is to reach.
type Goal struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	AtMost  bool    `json:"atMost"` // else: at least
	Bound   float64 `json:"bound"`
	Reached bool    `json:"reached"`
}

// ratio is the unit of a goal that compares two figures.
const ratio = "x"

func (r *Result) figure(f ...Figure) { r.Figures = append(r.Figures, f...) }

func (r *Result) once(name, unit string, value float64) {
	r.figure(Figure{Name: name, Unit: unit, Value: value})
}

func (r *Result) atLeast(name, unit string, value, bound float64) {
	r.Goals = append(r.Goals, Goal{Name: name, Unit: unit, Value: value, Bound: bound, Reached: value >= bound})
}

func (r *Result) atMost(name, unit string, value, bound float64) {
	r.Goals = append(r.Goals, Goal{Name: name, Unit: unit, Value: value, Bound: bound, AtMost: true, Reached: value <= bound})
}

// measure is one thing that is measured several times.
type measure struct {
	name, unit string
	take       func(context.Context) (float64, error)
}

// inTurn takes each measure in turn, so many times, so that a noisy moment hits all alike.
func (r *run) inTurn(ctx context.Context, result *Result, times int, measures ...measure) ([]Figure, error) {
	figures := make([]Figure, len(measures))
	for i, m := range measures {
		figures[i] = Figure{Name: m.name, Unit: m.unit}
	}
	for n := range times {
		for i, m := range measures {
			r.Progress(result.Name, uint64(n*len(measures)+i), uint64(times*len(measures)))
			value, err := m.take(ctx)
			if err != nil {
				return nil, err
			}
			figures[i].Runs = append(figures[i].Runs, value)
		}
	}
	r.Progress(result.Name, uint64(times*len(measures)), uint64(times*len(measures)))
	for i := range figures {
		figures[i].Value = median(figures[i].Runs)
	}
	result.figure(figures...)
	return figures, nil
}

// seconds measures how long something takes.
func seconds(do func(context.Context) error) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		begin := time.Now()
		err := do(ctx)
		return time.Since(begin).Seconds(), err
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// percentile is the smallest value that at least p percent of the values do not exceed. It sorts them.
func percentile[T cmp.Ordered](values []T, p int) T {
	slices.Sort(values)
	return values[(len(values)*p+99)/100-1]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
