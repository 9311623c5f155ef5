package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"daybook/projections"
)

// ListGenerations lists the generations of all read models. Result: []projections.Generation.
var ListGenerations = operation("generations-list", func(ctx context.Context, a *App, _ json.RawMessage, _ io.Reader, _ Progress) (any, error) {
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	all := []projections.Generation{}
	for _, model := range projections.Models {
		of, err := projections.ListGenerations(ctx, a.Store, a.sinkOf[model.Name], model)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	return all, nil
}).onAnyLog()

// GenerationArgs name a generation of a read model.
type GenerationArgs struct {
	Model      string `json:"model"`
	Version    int    `json:"version"` // 0: of this program
	Generation int    `json:"generation"`
}

func (g GenerationArgs) in(ctx context.Context, a *App) (projections.Model, projections.Sink, error) {
	model, known := projections.ByName(g.Model)
	if !known {
		return model, nil, fmt.Errorf("there is no read model %q; there are %s", g.Model, modelNames())
	}
	if err := a.ready(ctx); err != nil {
		return model, nil, err
	}
	of, err := projections.ListGenerations(ctx, a.Store, a.sinkOf[model.Name], model)
	if err != nil {
		return model, nil, err
	}
	if g.Version != 0 {
		model.Version = g.Version
	}
	for _, each := range of {
		if each.Version == model.Version && each.Generation == g.Generation {
			return model, a.sinkOf[model.Name], nil
		}
	}
	return model, nil, fmt.Errorf("version %d of %s has no generation %d", model.Version, g.Model, g.Generation)
}

// DropGeneration deletes a generation that is not served by the newest program. Result: nil.
var DropGeneration = operation("generations-drop", func(ctx context.Context, a *App, args GenerationArgs, _ io.Reader, _ Progress) (any, error) {
	model, sink, err := args.in(ctx, a)
	if err != nil {
		return nil, err
	}
	return nil, projections.DropGeneration(ctx, a.Store, sink, model, args.Generation)
}).onAnyLog()

// differencesMax bounds what a comparison lists.
const differencesMax = 10_000

var errEnough = errors.New("there are more differences than are listed")

// Compared is what a comparison of a generation with the served one found.
type Compared struct {
	Differences []string `json:"differences"`
	More        bool     `json:"more"` // there are more
}

// CompareGeneration lists in what a generation differs from the served one. Result: Compared.
var CompareGeneration = operation("generations-compare", func(ctx context.Context, a *App, args GenerationArgs, _ io.Reader, _ Progress) (any, error) {
	model, sink, err := args.in(ctx, a)
	if err != nil {
		return nil, err
	}
	found := Compared{Differences: []string{}}
	err = projections.CompareGeneration(ctx, sink, model, args.Generation, func(line string) error {
		if len(found.Differences) == differencesMax {
			return errEnough
		}
		found.Differences = append(found.Differences, line)
		return nil
	})
	if found.More = errors.Is(err, errEnough); found.More {
		err = nil
	}
	return found, err
}).onAnyLog()
