package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"daybook/projections"
)

// ListParked lists the streams that read models stopped following. Result: []projections.Parked.
var ListParked = operation("parked-list", func(ctx context.Context, a *App, _ json.RawMessage, _ io.Reader, _ Progress) (any, error) {
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	parked := []projections.Parked{}
	for _, model := range projections.Models {
		of, err := projections.ListParked(ctx, a.sinkOf[model.Name], model)
		if err != nil {
			return nil, err
		}
		parked = append(parked, of...)
	}
	return parked, nil
})

// UnparkArgs name a parked stream.
type UnparkArgs struct {
	Model  string `json:"model"`
	Stream string `json:"stream"`
	Skip   bool   `json:"skip"` // leave out the event that it stopped at
}

// Unpark has a read model follow a parked stream again. Result: nil.
var Unpark = operation("parked-resume", func(ctx context.Context, a *App, args UnparkArgs, _ io.Reader, _ Progress) (any, error) {
	model, known := projections.ByName(args.Model)
	if !known {
		return nil, fmt.Errorf("there is no read model %q; there are %s", args.Model, modelNames())
	}
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	return nil, projections.Unpark(ctx, a.Store, a.sinkOf[model.Name], model, args.Stream, args.Skip, a.log)
})
