package bench

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
)

// Write writes a result for people: the figures, then what was to be reached.
func (r Result) Write(to io.Writer) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s: %s\n", r.Name, r.Measures)
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, f := range r.Figures {
		_, _ = fmt.Fprintf(table, "  %s\t%s %s\t%s\n", f.Name, short(f.Value), f.Unit, f.spread())
	}
	for _, g := range r.Goals {
		bound, verdict := "at least", "reached"
		if g.AtMost {
			bound = "at most"
		}
		if !g.Reached {
			verdict = "MISSED"
		}
		_, _ = fmt.Fprintf(table, "  %s\t%s %s\t%s %s: %s\n", g.Name, short(g.Value), g.Unit, bound, short(g.Bound), verdict)
	}
	_ = table.Flush() // nothing fails that is written to memory
	text.WriteByte('\n')
	_, err := text.WriteTo(to)
	return err
}

// spread says between what the runs of a figure lie.
func (f Figure) spread() string {
	if len(f.Runs) < 2 {
		return ""
	}
	low, high := f.Runs[0], f.Runs[0]
	for _, value := range f.Runs {
		low, high = min(low, value), max(high, value)
	}
	return fmt.Sprintf("median of %d, %s to %s", len(f.Runs), short(low), short(high))
}

// short writes three digits that say something, and no more.
func short(value float64) string {
	if math.Abs(value) >= 100 {
		return strconv.FormatFloat(value, 'f', 0, 64)
	}
	return strconv.FormatFloat(value, 'g', 3, 64)
}
