package app

import (
	"context"
	"errors"
	"time"

	"daybook/projections"
)

// outdatedEvery is how often a process that runs projections looks for versions of read models that nobody needs.
const outdatedEvery = time.Hour

// dropOutdated drops, until the context ends, earlier versions of read models that nobody needs any more.
func (a *App) dropOutdated(ctx context.Context) error {
	outdated := &projections.Outdated{Store: a.Store, Log: a.log}
	ticker := time.NewTicker(outdatedEvery)
	defer ticker.Stop()
	for {
		for _, model := range projections.Models {
			err := outdated.Look(ctx, a.sinkOf[model.Name], model, a.Config.Now())
			if err != nil && ctx.Err() == nil && !errors.Is(err, projections.ErrSinkUnavailable) {
				a.log.Warn("cannot look for earlier versions of a read model", "model", model.Name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
