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
	return progressLines(p.err, time.Now), func() {}
}

// lineEvery is how often a line is written about one work.
const lineEvery = 2 * time.Second

// progressLines writes a line when a work begins, when it is done, and every two seconds between. Works may go on side by
// side.
func progressLines(out io.Writer, now func() time.Time) app.Progress {
	type work struct {
		told  time.Time
		ended bool
	}
	works := map[string]*work{}
	return func(label string, done, total uint64) {
		w, met := works[label]
		if !met {
			w = &work{}
			works[label] = w
		}
		if !now().After(w.told.Add(lineEvery)) && (done != total || w.ended) {
			return
		}
		w.told, w.ended = now(), done == total
		if total == 0 {
			fmt.Fprintf(out, "%s: %d\n", label, done)
			return
		}
		fmt.Fprintf(out, "%s: %d of %d\n", label, done, total)
	}
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
