package app

import (
	"maps"

	"daybook/internal/cache"
	"daybook/projections"
)

// allCaches are those of an open installation, by name, except those of its APIs.
func (a *App) allCaches() cache.Metrics {
	all := a.Commands.Caches()
	parts := []any{a.Store}
	for _, sink := range a.sinks {
		parts = append(parts, sink)
	}
	for _, part := range parts {
		if kept, is := part.(interface{ Caches() cache.Metrics }); is {
			maps.Copy(all, kept.Caches())
		}
	}
	for _, model := range projections.Models {
		all["rows_"+model.Name] = a.runners[model.Name]
	}
	return all
}
