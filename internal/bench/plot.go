package bench

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// The plots' files.
const (
	RatiosPlot = "ratios.svg"
	GrowthPlot = "growth.svg"
)

// ErrNothingToPlot: the report has neither a ratio nor growth.
var ErrNothingToPlot = errors.New("nothing was measured that could be plotted")

var (
	blue = color.RGBA{R: 0x1f, G: 0x5f, B: 0xa8, A: 0xff}
	red  = color.RGBA{R: 0xc0, G: 0x39, B: 0x2b, A: 0xff}
)

// Plot draws the report's ratios with their goals, and its growth, as SVG files into a directory that exists. What was
// not measured is not drawn. It returns the files it wrote. Error: ErrNothingToPlot.
func (r Report) Plot(dir string) ([]string, error) {
	var files []string
	for _, one := range []struct {
		name          string
		draw          func() (*plot.Plot, error)
		width, height vg.Length
	}{{RatiosPlot, r.plotRatios, 18 * vg.Centimeter, 11 * vg.Centimeter}, {GrowthPlot, r.plotGrowth, 14 * vg.Centimeter, 11 * vg.Centimeter}} {
		drawn, err := one.draw()
		if err != nil {
			return files, err
		}
		if drawn == nil {
			continue
		}
		file := filepath.Join(dir, one.name)
		if err := drawn.Save(one.width, one.height, file); err != nil {
			return files, err
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, ErrNothingToPlot
	}
	return files, nil
}

// plotRatios draws a bar for each ratio that should be large, and its goal as a line across it.
func (r Report) plotRatios() (*plot.Plot, error) {
	var names []string
	var values plotter.Values
	var goals plotter.XYs
	for _, result := range slices.Backward(r.Results) {
		for _, g := range slices.Backward(result.Goals) {
			if g.Unit == ratio && !g.AtMost && g.Value > 0 {
				goals = append(goals, plotter.XY{X: g.Bound, Y: float64(len(values))})
				values = append(values, g.Value)
				names = append(names, result.Name+": "+g.Name)
			}
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	p := plot.New()
	p.Title.Text = "How many times as fast (red: to reach)"
	lowest := math.Min(1, slices.Min(values)) / 2
	p.X.Scale, p.X.Tick.Marker, p.X.Min, p.X.Max = plot.LogScale{}, plot.LogTicks{Prec: -1}, lowest, slices.Max(values)*2
	for i, value := range values {
		bar, err := plotter.NewLine(plotter.XYs{{X: lowest, Y: float64(i)}, {X: value, Y: float64(i)}})
		if err != nil {
			return nil, err
		}
		bar.Color, bar.Width = blue, 0.6*vg.Centimeter
		mark, err := plotter.NewLine(plotter.XYs{{X: goals[i].X, Y: float64(i) - 0.3}, {X: goals[i].X, Y: float64(i) + 0.3}})
		if err != nil {
			return nil, err
		}
		mark.Color, mark.Width = red, vg.Points(2)
		p.Add(bar, mark)
		names[i] += fmt.Sprintf(" (%.3g)", value)
	}
	p.NominalY(names...)
	p.Y.Padding, p.Y.Tick.Label.Font.Size = 2*vg.Centimeter, vg.Points(9) // a viewer's font may be wider than ours
	p.Y.Min, p.Y.Max = -0.6, float64(len(values))-0.4
	return p, nil
}

// plotGrowth draws how long a rebuild takes over how many tabs are in the log, and how long a close.
func (r Report) plotGrowth() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text = "Growth", "tabs in the log"
	drawn := false
	for i, of := range []struct {
		name  string
		unit  string
		parts float64 // of its unit make one of the axis
	}{{growthRebuild, "s", 1}, {growthMemory, "100 MiB", 100}, {growthClose, "10 ms", 10}} {
		points := r.growthOf(of.name, of.parts)
		if len(points) == 0 {
			continue
		}
		drawn = true
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = []color.Color{blue, red, color.Black}[i], vg.Points(1.5)
		marks.Color = line.Color
		p.Add(line, marks)
		p.Legend.Add(of.name+", "+of.unit, line, marks)
	}
	if !drawn {
		return nil, nil
	}
	p.Legend.Top, p.Legend.Left = true, true
	p.X.Min, p.Y.Min = 0, 0
	p.Y.Max *= 1.3 // room for the legend
	return p, nil
}

// growthOf finds a figure of growth at each scale.
func (r Report) growthOf(name string, parts float64) (points plotter.XYs) {
	for _, result := range r.Results {
		for _, f := range result.Figures {
			at, is := strings.CutPrefix(f.Name, name+", ")
			if !is || result.Name != "growth" {
				continue
			}
			if tabs, err := strconv.Atoi(strings.TrimSuffix(at, " tabs")); err == nil {
				points = append(points, plotter.XY{X: float64(tabs), Y: f.Value / parts})
			}
		}
	}
	return points
}
