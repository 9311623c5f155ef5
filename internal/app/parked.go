package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"daybook/domain/stream"
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

// UnparkArgs name parked streams: one, or all of one store.
type UnparkArgs struct {
	Model   string `json:"model"`
	Stream  string `json:"stream"`
	StoreID string `json:"storeId"`
	Skip    bool   `json:"skip"` // leave out, for good, the events that they stopped at
}

// Unpark has a read model follow parked streams again. Result: how many.
var Unpark = operation("parked-resume", func(ctx context.Context, a *App, args UnparkArgs, _ io.Reader, _ Progress) (any, error) {
	model, known := projections.ByName(args.Model)
	if !known {
		return nil, fmt.Errorf("there is no read model %q; there are %s", args.Model, modelNames())
	}
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	streams := []string{args.Stream}
	if args.StoreID != "" {
		parked, err := projections.ListParked(ctx, a.sinkOf[model.Name], model)
		if err != nil {
			return nil, err
		}
		streams = streamsOf(parked, args.StoreID)
	}
	return len(streams), projections.Unpark(ctx, a.Store, a.sinkOf[model.Name], model, streams, args.Skip, a.log)
})

func streamsOf(parked []projections.Parked, storeID string) (streams []string) {
	for _, p := range parked {
		if _, of, _ := stream.Parse(p.Stream); of == storeID {
			streams = append(streams, p.Stream)
		}
	}
	return streams
}
