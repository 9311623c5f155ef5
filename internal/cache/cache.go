// Package cache keeps what was used lately, within a number of bytes, and tells how full it is.
//
// Not here: when something kept is out of date, and what it weighs. Whoever keeps it knows both.
package cache

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Cache keeps values by key. Whenever they weigh more than it may hold, those go that were not used for longest. So what
// it keeps must be there to be had again. Safe for concurrent use; make it with New.
type Cache[K comparable, V any] struct {
	mu     sync.Mutex
	recent *simplelru.LRU[K, weighed[V]]
	stats  Stats
}

type weighed[V any] struct {
	value V
	bytes int64
}

// Stats says how full a cache is.
type Stats struct {
	Bytes     int64 // of what is kept, as its keepers weigh it, and of keeping it
	BytesMax  int64 // Bytes is at most this
	Entries   int64
	Evictions uint64 // entries that had to go for want of room
	Uncounted bool   // Evictions are not known
}

// Measured is a cache as metrics see it.
type Measured interface{ Stats() Stats }

// entryBytes is what an entry takes beside what its keeper weighs: the list's element and the map's slot, with its share of
// slots that are empty.
const entryBytes = 180

// New makes a cache of so many bytes.
func New[K comparable, V any](bytesMax int64) *Cache[K, V] {
	recent, err := simplelru.NewLRU[K, weighed[V]](math.MaxInt, nil)
	if err != nil {
		panic(err) // the size, which is the only thing that could be wrong, is not
	}
	return &Cache[K, V]{recent: recent, stats: Stats{BytesMax: bytesMax}}
}

// Get returns a value that is kept, and counts as using it.
func (c *Cache[K, V]) Get(key K) (value V, kept bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, kept := c.recent.Get(key)
	return found.value, kept
}

// Put keeps a value, which then is the last one used, in place of any that the key had. It weighs so many bytes, its key and
// what both refer to included. A value heavier than the whole cache is not kept.
func (c *Cache[K, V]) Put(key K, value V, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(key, value, bytes)
}

// GetOrPut returns the value that is kept. If there is none, it keeps the one that made returns, with its weight, as Put
// does. Of callers at the same time one calls made, and all get the same, unless the cache has no room for it.
func (c *Cache[K, V]) GetOrPut(key K, made func() (value V, bytes int)) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found, kept := c.recent.Get(key); kept {
		return found.value
	}
	value, bytes := made()
	c.put(key, value, bytes)
	return value
}

// Remove forgets a key.
func (c *Cache[K, V]) Remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
}

// Clear forgets all keys.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent.Purge()
	c.stats.Bytes = 0
}

// Bound changes how many bytes the cache may hold.
func (c *Cache[K, V]) Bound(bytesMax int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.BytesMax = bytesMax
	c.shrink()
}

// Stats is Measured's.
func (c *Cache[K, V]) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.stats
	now.Entries = int64(c.recent.Len())
	return now
}

func (c *Cache[K, V]) put(key K, value V, bytes int) {
	weight := int64(bytes) + entryBytes
	if weight > c.stats.BytesMax { // the others need not go for it
		c.remove(key)
		c.stats.Evictions++
		return
	}
	old, _ := c.recent.Peek(key)
	c.recent.Add(key, weighed[V]{value, weight}) // in its place, if there is one
	c.stats.Bytes += weight - old.bytes
	c.shrink()
}

func (c *Cache[K, V]) remove(key K) {
	if old, kept := c.recent.Peek(key); kept {
		c.recent.Remove(key)
		c.stats.Bytes -= old.bytes
	}
}

func (c *Cache[K, V]) shrink() {
	for c.stats.Bytes > c.stats.BytesMax {
		_, oldest, _ := c.recent.RemoveOldest()
		c.stats.Bytes -= oldest.bytes
		c.stats.Evictions++
	}
}
