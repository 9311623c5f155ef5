package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"daybook/internal/app"
	"daybook/projections"
)

type rebuildCmd struct {
	storage
	Names    []string `arg:"" optional:"" help:"Read models; none means all."`
	Rollback bool     `help:"Serve again what was served before the last rebuild, instead of rebuilding."`
}

func (c *rebuildCmd) Run(p *program) error {
	args := app.ModelsArgs{Models: c.Names}
	if c.Rollback {
		if _, err := p.perform(c.config(p.log), app.Rollback, args, nil); err != nil {
			return err
		}
		fmt.Fprintln(p.out, "The generations before the last rebuild are served again.")
		return nil
	}
	raw, err := p.perform(c.config(p.log), app.Rebuild, args, nil)
	if err != nil {
		return err
	}
	var reports []projections.Report
	if err := json.Unmarshal(raw, &reports); err != nil {
		return err
	}
	for _, r := range reports {
		switch {
		case r.Kept != "":
			fmt.Fprintf(p.out, "%-10s built from the log as it is; what was served is kept: %s\n", r.Model, r.Kept)
		case !r.Compared:
			fmt.Fprintf(p.out, "%-10s built; there was nothing to compare with\n", r.Model)
		case r.Difference != "":
			fmt.Fprintf(p.out, "%-10s rebuilt and replaced, because it DIFFERED: %s\n", r.Model, r.Difference)
		default:
			fmt.Fprintf(p.out, "%-10s rebuilt: %d entries equal at position %s\n", r.Model, r.Entries, r.Position)
		}
	}
	return nil
}

type verifyCmd struct {
	storage
	Store string `help:"Verify the counters of this store only." placeholder:"ID"`
}

func (c *verifyCmd) Run(p *program) error {
	raw, err := p.perform(c.config(p.log), app.Verify, app.VerifyArgs{StoreID: c.Store}, nil)
	if err != nil {
		return err
	}
	var v app.Verified
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if c.Store == "" {
		fmt.Fprintf(p.out, "log        %d entries checked\n", v.Entries)
	}
	for _, r := range v.Reports {
		fmt.Fprintf(p.out, "%-10s %d entries at position %s\n", r.Model, r.Entries, r.Position)
	}
	fmt.Fprintf(p.out, "audit      %d closed tabs at position %s\n", v.Tabs, v.Position)
	if v.LeftOut > 0 {
		fmt.Fprintf(p.out, "left out   %d closed tabs, parked or skipped\n", v.LeftOut)
	}
	for _, s := range v.Parked {
		fmt.Fprintf(p.out, "parked     %s: %s stopped at revision %d: %s\n", s.Model, s.Stream, s.Revision, s.Error)
	}
	for _, i := range v.Unfinished {
		fmt.Fprintf(p.out, "import     %s\n", unfinished(i))
	}
	for _, difference := range v.Differences {
		fmt.Fprintln(p.err, "daybook: they differ:", difference)
	}
	if len(v.Differences) > 0 {
		return errFailed
	}
	if len(v.Parked) > 0 {
		fmt.Fprintln(p.err, "daybook: there are parked streams; see 'daybook parked --help'")
		return errFailed
	}
	fmt.Fprintln(p.out, "All agree.")
	return nil
}

type copyLogCmd struct {
	storage
	To string `required:"" help:"KurrentDB to copy into (esdb://...). It must be empty, or hold the beginning of this log." placeholder:"URL"`
}

func (c *copyLogCmd) Run(p *program) error {
	raw, err := p.perform(c.config(p.log), app.CopyLog, app.CopyArgs{To: c.To}, nil)
	if err != nil {
		return err
	}
	var copied app.Copied
	if err := json.Unmarshal(raw, &copied); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%d events copied; the copy has all %d, compared one by one. It knows the keys of %d commands, those of the last 30 days.\n",
		copied.Added, copied.Events, copied.Keys)
	fmt.Fprintln(p.err, "To use it: set DAYBOOK_EVENTSTORE, and run 'daybook rebuild' once, as the read models are of the old log.")
	return nil
}

type parkedCmd struct {
	List  parkedListCmd  `cmd:"" help:"List parked streams."`
	Retry parkedRetryCmd `cmd:"" help:"Fold a parked stream again, from the event it stopped at."`
	Skip  parkedSkipCmd  `cmd:"" help:"Leave out for good the event that a stream stopped at, and fold what came after it."`
}

type parkedListCmd struct{ storage }

func (c *parkedListCmd) Run(p *program) error {
	raw, err := p.perform(c.config(p.log), app.ListParked, struct{}{}, nil)
	if err != nil {
		return err
	}
	var parked []projections.Parked
	if err := json.Unmarshal(raw, &parked); err != nil {
		return err
	}
	for _, s := range parked {
		fmt.Fprintf(p.out, "%s\t%s\trevision %d\t%s\t%s\n", s.Model, s.Stream, s.Revision, s.Type, s.Error)
	}
	fmt.Fprintf(p.err, "%d parked streams\n", len(parked))
	return nil
}

// parkedArgs name parked streams.
type parkedArgs struct {
	Model  string `arg:"" help:"Read model."`
	Stream string `arg:"" optional:"" help:"Stream."`
	Store  string `help:"All parked streams of this store, instead of one." placeholder:"ID"`
}

type parkedRetryCmd struct {
	storage
	parkedArgs
}

func (c *parkedRetryCmd) Run(p *program) error { return c.resume(p, c.storage, false) }

type parkedSkipCmd struct {
	storage
	parkedArgs
}

func (c *parkedSkipCmd) Run(p *program) error { return c.resume(p, c.storage, true) }

func (a parkedArgs) resume(p *program, s storage, skip bool) error {
	if (a.Stream == "") == (a.Store == "") {
		return errors.New("name a stream, or a store with --store")
	}
	raw, err := p.perform(s.config(p.log), app.Unpark, app.UnparkArgs{Model: a.Model, Stream: a.Stream, StoreID: a.Store, Skip: skip}, nil)
	if err == nil {
		fmt.Fprintf(p.err, "%s follows %s streams again.\n", a.Model, raw)
	}
	return err
}
