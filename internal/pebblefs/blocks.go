package pebblefs

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"daybook/internal/cache"
)

// Blocks is a cache of uncompressed blocks for one Pebble, outside of Go's memory. What Pebble's memory tables take counts
// for it, too, so it holds fewer blocks the more they have grown. Close it after that Pebble.
type Blocks struct {
	mu    sync.Mutex
	cache *pebble.Cache // nil once closed
}

// NewBlocks makes a cache of so many bytes.
func NewBlocks(bytesMax int64) *Blocks { return &Blocks{cache: pebble.NewCache(bytesMax)} }

// Use makes a Pebble that is opened with these options keep its blocks here.
func (b *Blocks) Use(o *pebble.Options) { o.Cache = b.cache }

// Stats is cache.Measured's.
func (b *Blocks) Stats() cache.Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cache == nil {
		return cache.Stats{Uncounted: true}
	}
	m := b.cache.Metrics()
	return cache.Stats{Bytes: m.Size, BytesMax: b.cache.MaxSize(), Entries: m.Count, Uncounted: true}
}

// Close gives the memory back. It may be called again.
func (b *Blocks) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cache != nil {
		b.cache.Unref()
		b.cache = nil
	}
}
