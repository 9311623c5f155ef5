package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"daybook/internal/app"
)

// perform carries out an operation and shows its progress.
func (p *program) perform(config app.Config, op app.Operation, args any, file io.Reader) (json.RawMessage, error) {
	progress, done := p.progress()
	defer done()
	return app.Perform(p.ctx, config, op, args, file, progress)
}

// progress shows bars on a terminal, and now and then a line elsewhere.
func (p *program) progress() (app.Progress, func()) {
	if p.screen {
		return p.bars()
	}
	last, label, ended := time.Time{}, "", false
	return func(is string, done, total uint64) {
		now := time.Now()
		if is != label || now.Sub(last) > 2*time.Second || done == total && !ended {
			label, last, ended = is, now, done == total
			fmt.Fprintf(p.err, "%s: %d of %d\n", is, done, total)
		}
	}, func() {}
}

func (p *program) bars() (app.Progress, func()) {
	screen := mpb.New(mpb.WithOutput(p.err), mpb.WithWidth(50))
	bars := map[string]*mpb.Bar{}
	return func(label string, done, total uint64) {
			bar, met := bars[label]
			if !met {
				bar = screen.AddBar(int64(total),
					mpb.PrependDecorators(decor.Name(label, decor.WC{W: 11, C: decor.DindentRight})),
					mpb.AppendDecorators(decor.Percentage(), decor.Name(" "), decor.Elapsed(decor.ET_STYLE_GO)))
				bars[label] = bar
			}
			bar.SetTotal(int64(total), false)
			bar.SetCurrent(int64(done))
		}, func() {
			for _, bar := range bars {
				bar.SetTotal(-1, true) // whatever was reached was the whole
			}
			screen.Wait()
		}
}

func isTerminal(w io.Writer) bool {
	file, is := w.(*os.File)
	return is && term.IsTerminal(int(file.Fd()))
}
