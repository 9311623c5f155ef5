package main

import (
	"encoding/json"
	"fmt"

	"daybook/internal/app"
	"daybook/projections"
)

type generationsCmd struct {
	List    generationsListCmd    `cmd:"" help:"List the generations of all read models."`
	Compare generationsCompareCmd `cmd:"" help:"List in what a generation differs from the one that is served."`
	Drop    generationsDropCmd    `cmd:"" help:"Delete a generation that is not served, one that is kept, too."`
}

type generationsListCmd struct{ storage }

func (c *generationsListCmd) Run(p *program) error {
	raw, err := p.perform(c.config(p.log), app.ListGenerations, struct{}{}, nil)
	if err != nil {
		return err
	}
	var all []projections.Generation
	if err := json.Unmarshal(raw, &all); err != nil {
		return err
	}
	for _, g := range all {
		state := "not served"
		if g.Served {
			state = "served"
		}
		if g.Kept {
			state += ", kept"
		}
		fmt.Fprintf(p.out, "%s\tversion %d\t%d\t%s\tposition %s\t%s\n", g.Model, g.Version, g.Generation, state, g.Position, g.Problem)
	}
	return nil
}

// generationArgs name a generation.
type generationArgs struct {
	Model      string `arg:"" help:"Read model."`
	Generation int    `arg:"" help:"Generation."`
	Of         int    `help:"Version of the read model, as listed. Default: this program's." placeholder:"VERSION"`
}

func (a generationArgs) args() app.GenerationArgs {
	return app.GenerationArgs{Model: a.Model, Version: a.Of, Generation: a.Generation}
}

type generationsCompareCmd struct {
	storage
	generationArgs
}

func (c *generationsCompareCmd) Run(p *program) error {
	raw, err := p.perform(c.config(p.log), app.CompareGeneration, c.args(), nil)
	if err != nil {
		return err
	}
	var found app.Compared
	if err := json.Unmarshal(raw, &found); err != nil {
		return err
	}
	for _, line := range found.Differences {
		fmt.Fprintln(p.out, line)
	}
	if found.More {
		fmt.Fprintln(p.err, "There are more differences than these.")
	}
	return nil
}

type generationsDropCmd struct {
	storage
	generationArgs
}

func (c *generationsDropCmd) Run(p *program) error {
	if _, err := p.perform(c.config(p.log), app.DropGeneration, c.args(), nil); err != nil {
		return err
	}
	fmt.Fprintf(p.err, "%s has no generation %d any more.\n", c.Model, c.Generation)
	return nil
}
