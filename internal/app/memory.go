package app

import (
	"maps"

	"daybook/internal/cache"
	"daybook/projections"
)

// allCaches are those of an open installation, by name, except those of its APIs.
func (a *App) allCaches() cache.Metrics {
	all := a.Commands.Caches()
	if kept, is := a.Store.(interface{ Caches() cache.Metrics }); is {
		maps.Copy(all, kept.Caches())
	}
	if sink := a.embedded.Load(); sink != nil {
		for name := range sink.Caches() {
			all[name] = ofEmbedded{a, name}
		}
	}
	for _, model := range projections.Models {
		all["rows_"+model.Name] = a.runners[model.Name]
	}
	return all
}

// ofEmbedded is a cache of the embedded sink that is open now: it may be opened again.
type ofEmbedded struct {
	app  *App
	name string
}

// Stats is cache.Measured's.
func (o ofEmbedded) Stats() cache.Stats { return o.app.embedded.Load().Caches()[o.name].Stats() }
