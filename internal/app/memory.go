package app

import (
	"maps"

	"daybook/commands"
	embeddedlog "daybook/eventstore/embedded"
	"daybook/internal/cache"
	"daybook/projections"
)

// blocksBytes is what each embedded storage keeps of uncompressed blocks.
const blocksBytes = 64 << 20

// CacheBytesDefault is what all caches of a process may hold together.
var CacheBytesDefault = int64(commands.BytesKept + embeddedlog.HeadsBytesDefault + projections.PeriodsBytes +
	len(projections.Models)*projections.RowsBytes + 2*blocksBytes)

// cacheBytes is what a cache may hold that has so many bytes by default.
func (c Config) cacheBytes(of int64) int64 {
	share := float64(of) / float64(CacheBytesDefault)
	return max(1, int64(share*float64(c.CacheBytes)))
}

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
