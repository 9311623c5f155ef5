package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
	"daybook/projections"
	embeddedsink "daybook/projections/embedded"
)

// Operation is long work on an installation: arguments and perhaps a file in, progress on the way, a result out. The
// command line carries it out itself, or, while a server has the installation open, has the server do it.
type Operation struct {
	Name   string
	anyLog bool // it is for read models that are not of this log, too
	run    func(ctx context.Context, a *App, args json.RawMessage, file io.Reader, progress Progress) (any, error)
}

// Progress is told how far the work called label has come, of a total that is 0 if it is not known. Works may go on side by
// side. An operation may tell it from several goroutines; who listens hears one at a time, though not always in order.
type Progress func(label string, done, total uint64)

// operations are all operations, by name.
var operations = map[string]Operation{}

func operation[A any](name string, run func(ctx context.Context, a *App, args A, file io.Reader, progress Progress) (any, error)) Operation {
	return Operation{Name: name, run: func(ctx context.Context, a *App, raw json.RawMessage, file io.Reader, progress Progress) (any, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, err
		}
		return run(ctx, a, args, file, oneAtATime(progress))
	}}
}

// onAnyLog makes an operation one that does not ask whether read models are of this log.
func (o Operation) onAnyLog() Operation {
	o.anyLog = true
	return o
}

// perform carries an operation out, unless it needs read models of this log and has others.
func (o Operation) perform(ctx context.Context, a *App, args json.RawMessage, file io.Reader, progress Progress) (any, error) {
	if !o.anyLog {
		if err := a.checkHistory(ctx); err != nil {
			return nil, fmt.Errorf("%w; 'daybook rebuild' makes read models of the log as it is", err)
		}
	}
	return o.run(ctx, a, args, file, progress)
}

// oneAtATime lets work that goes on in many goroutines tell of its progress from any of them.
func oneAtATime(progress Progress) Progress {
	var mu sync.Mutex
	return func(label string, done, total uint64) {
		mu.Lock()
		defer mu.Unlock()
		progress(label, done, total)
	}
}

// ModelsArgs names read models; none means all.
type ModelsArgs struct {
	Models []string `json:"models"`
}

func (m ModelsArgs) models() ([]projections.Model, error) {
	if len(m.Models) == 0 {
		return projections.Models, nil
	}
	var models []projections.Model
	for _, name := range m.Models {
		model, known := projections.ByName(name)
		if !known {
			return nil, fmt.Errorf("there is no read model %q; there are %s", name, modelNames())
		}
		models = append(models, model)
	}
	return models, nil
}

func modelNames() (names string) {
	for i, m := range projections.Models {
		if i > 0 {
			names += ", "
		}
		names += m.Name
	}
	return names
}

// Rebuild builds read models anew from the log, compares, and switches. Result: []projections.Report.
var Rebuild = operation("rebuild", func(ctx context.Context, a *App, args ModelsArgs, _ io.Reader, progress Progress) (any, error) {
	models, err := args.models()
	if err != nil {
		return nil, err
	}
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	reports := make([]projections.Report, len(models))
	err = projections.Together(ctx, a.Store, worksOn(models, "rebuilding", func(ctx context.Context, log eventstore.Store, i int) (err error) {
		sink, progress := a.sinkOf[models[i].Name], labelled(progress, models[i].Name)
		reports[i], err = projections.Rebuild(ctx, log, sink, models[i], a.log, progress)
		return err
	})...)
	return reports, err
}).onAnyLog()

// worksOn makes a work of each model; its errors name it.
func worksOn(models []projections.Model, what string, work func(ctx context.Context, log eventstore.Store, i int) error) []projections.Work {
	works := make([]projections.Work, len(models))
	for i, model := range models {
		works[i] = func(ctx context.Context, log eventstore.Store) error {
			if err := work(ctx, log, i); err != nil {
				return fmt.Errorf("%s %s: %w", what, model.Name, err)
			}
			return nil
		}
	}
	return works
}

// Rollback serves the generation before the present one again. Result: nil.
var Rollback = operation("rollback", func(ctx context.Context, a *App, args ModelsArgs, _ io.Reader, _ Progress) (any, error) {
	models, err := args.models()
	if err != nil {
		return nil, err
	}
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	for _, model := range models {
		if err := projections.Rollback(ctx, a.Store, a.sinkOf[model.Name], model); err != nil {
			return nil, err
		}
	}
	return nil, nil
}).onAnyLog()

func labelled(progress Progress, label string) projections.Progress {
	return func(done, total uint64) { progress(label, done, total) }
}

// VerifyArgs says what to verify.
type VerifyArgs struct {
	StoreID string `json:"storeId"` // "": all stores
}

// Verified is what a verification found. All agrees if there are no Differences.
type Verified struct {
	Position eventstore.Position  `json:"position"`
	Entries  int64                `json:"entries"` // of the log that were checked; 0 if one store was verified
	Tabs     int                  `json:"tabs"`    // closed ones, whose orders and payments were summed up again
	LeftOut  int                  `json:"leftOut"` // closed ones that the counters leave out, see Parked
	Reports  []projections.Report `json:"reports"`
	Parked   []projections.Parked `json:"parked"`
	// Unfinished are imports that broke off, or go on now.
	Unfinished []ImportStatus `json:"unfinished"`
	// Differences are the first one of each read model, and of the audit of each store.
	Differences []string `json:"differences"`
}

// Verify compares, as of one position each: every read model with a fresh fold of the log; the counters with the sums
// of the orders and payments themselves; and walks the log. Result: Verified.
var Verify = operation("verify", func(ctx context.Context, a *App, args VerifyArgs, _ io.Reader, progress Progress) (any, error) {
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	if err := a.catchUp(ctx, progress); err != nil {
		return nil, err
	}
	v := verification{app: a, storeID: args.StoreID, progress: progress}
	if args.StoreID == "" {
		if damaged, err := v.checkLog(ctx); err != nil {
			return nil, err
		} else if !damaged {
			v.models = projections.Models
		}
	}
	return v.run(ctx)
})

// verification is one that goes on.
type verification struct {
	Verified
	app      *App
	storeID  string              // "": all stores
	models   []projections.Model // that are folded afresh
	progress Progress
}

// checkLog walks an embedded log, and says whether it is damaged: then no fold of it is worth comparing.
func (v *verification) checkLog(ctx context.Context) (damaged bool, err error) {
	log, is := v.app.Store.(*embeddedlog.Log)
	if !is {
		return false, nil
	}
	err = log.Check(ctx, func(done, total int64) {
		v.Entries = total
		v.progress("log", uint64(done), uint64(total))
	})
	var damage *eventstore.Corruption
	if errors.As(err, &damage) {
		v.Differences = append(v.Differences, err.Error())
		return true, nil
	}
	return false, err
}

// run does all that takes a pass through the log.
func (v *verification) run(ctx context.Context) (_ Verified, err error) {
	scratch, drop, err := v.app.openScratch()
	if err != nil {
		return v.Verified, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	v.Reports = make([]projections.Report, len(v.models))
	works := worksOn(v.models, "verifying", func(ctx context.Context, log eventstore.Store, i int) (err error) {
		sink, progress := v.app.sinkOf[v.models[i].Name], labelled(v.progress, v.models[i].Name)
		v.Reports[i], err = projections.Verify(ctx, log, sink, scratch, v.models[i], v.app.log, progress)
		return err
	})
	streams := newStreamCheck()
	if _, embedded := v.app.Store.(*embeddedlog.Log); !embedded && v.storeID == "" {
		works = append(works, func(ctx context.Context, log eventstore.Store) error {
			return streams.run(ctx, log, v.app.Store, v.progress)
		})
	}
	var audit projections.AuditReport
	works = append(works, func(ctx context.Context, log eventstore.Store) (err error) {
		audit, err = projections.Audit(ctx, log, v.app.sinkOf[projections.Counters.Name], v.storeID, labelled(v.progress, "audit"))
		return err
	}, func(ctx context.Context, log eventstore.Store) error {
		all, err := listImports(ctx, log, v.storeID)
		v.Unfinished = slices.DeleteFunc(all, func(i ImportStatus) bool { return i.Ended })
		return err
	})
	if err := projections.Together(ctx, v.app.Store, works...); err != nil {
		return v.Verified, err
	}
	if streams.entries > 0 {
		v.Entries = streams.entries
	}
	v.Differences = append(v.Differences, streams.differences()...)
	v.Position, v.Tabs, v.LeftOut = audit.Position, audit.Tabs, audit.LeftOut
	return v.Verified, v.sumUp(ctx, audit)
}

// sumUp gathers what was found, and which streams are parked.
func (v *verification) sumUp(ctx context.Context, audit projections.AuditReport) error {
	for i, model := range v.models {
		if difference := v.Reports[i].Difference; difference != "" {
			v.Differences = append(v.Differences, difference)
		}
		parked, err := projections.ListParked(ctx, v.app.sinkOf[model.Name], model)
		if err != nil {
			return err
		}
		v.Parked = append(v.Parked, parked...)
	}
	v.Differences = append(v.Differences, audit.Differences...)
	return nil
}

// catchUp brings all read models to the end of the log: by waiting, where a server of this process does it.
func (a *App) catchUp(ctx context.Context, progress Progress) error {
	if a.projecting.Load() {
		return a.awaitRunners(ctx, progress)
	}
	models := projections.Models
	return projections.Together(ctx, a.Store, worksOn(models, "catching up", func(ctx context.Context, log eventstore.Store, i int) error {
		return projections.CatchUp(ctx, log, a.sinkOf[models[i].Name], models[i], a.log, labelled(progress, models[i].Name))
	})...)
}

func (a *App) awaitRunners(ctx context.Context, progress Progress) error {
	head, err := a.Store.Head(ctx)
	if err != nil {
		return err
	}
	for _, model := range projections.Models {
		if err := awaitRunner(ctx, a.runners[model.Name], head, labelled(progress, model.Name)); err != nil {
			return fmt.Errorf("catching up %s: %w", model.Name, err)
		}
	}
	return nil
}

func awaitRunner(ctx context.Context, r *projections.Runner, head eventstore.Position, progress projections.Progress) error {
	for {
		some, cancel := context.WithTimeout(ctx, progressEvery)
		err := r.Wait(some, head)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		progress(r.Status().Seen.Commit, head.Commit)
	}
}

// progressEvery is how often progress is told by who waits for others.
const progressEvery = 500 * time.Millisecond

// openScratch opens a sink in a temporary directory, which drop removes.
func (a *App) openScratch() (scratch projections.Sink, drop func() error, err error) {
	dir, err := os.MkdirTemp("", "daybook-verify-")
	if err != nil {
		return nil, nil, err
	}
	sink, err := embeddedsink.Open(embeddedsink.Options{Dir: dir, Logger: a.log})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return sink, func() error { return errors.Join(sink.Close(), os.RemoveAll(dir)) }, nil
}

func init() {
	for _, o := range []Operation{Rebuild, Rollback, Verify, ImportSales, ListImports, ListParked, Unpark, CopyLog, ListGenerations, DropGeneration, CompareGeneration} {
		operations[o.Name] = o
	}
}
