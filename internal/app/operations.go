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

// Progress is told how far the work called label has come. An operation may tell it from several goroutines; who listens
// hears one at a time, though not always in order.
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
	var reports []projections.Report
	for _, model := range models {
		report, err := projections.Rebuild(ctx, a.Store, a.sinkOf[model.Name], model, a.log, labelled(progress, model.Name))
		if err != nil {
			return nil, fmt.Errorf("rebuilding %s: %w", model.Name, err)
		}
		reports = append(reports, report)
	}
	return reports, nil
}).onAnyLog()

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
	var v Verified
	if args.StoreID == "" {
		if err := a.verifyAll(ctx, &v, progress); err != nil {
			return nil, err
		}
	}
	audit, err := projections.Audit(ctx, a.Store, a.sinkOf[projections.Counters.Name], args.StoreID, labelled(progress, "audit"))
	if err != nil {
		return nil, err
	}
	v.Position, v.Tabs, v.LeftOut = audit.Position, audit.Tabs, audit.LeftOut
	v.Differences = append(v.Differences, audit.Differences...)
	all, err := a.listImports(ctx, args.StoreID)
	v.Unfinished = slices.DeleteFunc(all, func(i ImportStatus) bool { return i.Ended })
	return v, err
})

func (a *App) verifyAll(ctx context.Context, v *Verified, progress Progress) error {
	if checked, is := a.Store.(*embeddedlog.Log); is {
		err := checked.Check(ctx, func(done, total int64) {
			v.Entries = total
			progress("log", uint64(done), uint64(total))
		})
		var damage *eventstore.Corruption
		switch {
		case errors.As(err, &damage):
			v.Differences = append(v.Differences, err.Error())
			return nil
		case err != nil:
			return err
		}
	}
	for _, model := range projections.Models {
		report, err := a.verifyModel(ctx, model, labelled(progress, model.Name))
		if err != nil {
			return fmt.Errorf("verifying %s: %w", model.Name, err)
		}
		v.Reports = append(v.Reports, report)
		if report.Difference != "" {
			v.Differences = append(v.Differences, report.Difference)
		}
		parked, err := projections.ListParked(ctx, a.sinkOf[model.Name], model)
		if err != nil {
			return err
		}
		v.Parked = append(v.Parked, parked...)
	}
	return nil
}

// catchUp brings all read models to the end of the log: by waiting, where a server of this process does it.
func (a *App) catchUp(ctx context.Context, progress Progress) error {
	head, err := a.Store.Head(ctx)
	if err != nil {
		return err
	}
	for _, model := range projections.Models {
		if a.projecting.Load() {
			err = a.runners[model.Name].Wait(ctx, head)
		} else {
			err = projections.CatchUp(ctx, a.Store, a.sinkOf[model.Name], model, a.log, labelled(progress, "catching up"))
		}
		if err != nil {
			return fmt.Errorf("catching up %s: %w", model.Name, err)
		}
	}
	return nil
}

// verifyModel folds the log into a sink in a temporary directory and compares.
func (a *App) verifyModel(ctx context.Context, model projections.Model, progress projections.Progress) (_ projections.Report, err error) {
	dir, err := os.MkdirTemp("", "daybook-verify-")
	if err != nil {
		return projections.Report{}, err
	}
	defer os.RemoveAll(dir)
	scratch, err := embeddedsink.Open(embeddedsink.Options{Dir: dir, Logger: a.log})
	if err != nil {
		return projections.Report{}, err
	}
	defer func() { err = errors.Join(err, scratch.Close()) }()
	return projections.Verify(ctx, a.Store, a.sinkOf[model.Name], scratch, model, a.log, progress)
}

func init() {
	for _, o := range []Operation{Rebuild, Rollback, Verify, ImportSales, ListImports, ListParked, Unpark, CopyLog, ListGenerations, DropGeneration, CompareGeneration} {
		operations[o.Name] = o
	}
}
