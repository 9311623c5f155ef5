package cache

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// holding is a cache with room for so many entries of 100 bytes.
func holding(n int64) *Cache[string, int] { return New[string, int](n * (100 + entryBytes)) }

func kept(c *Cache[string, int]) (keys string) {
	for _, key := range c.recent.Keys() { // the oldest first
		keys += key
	}
	return keys
}

func TestTheLongestUnusedGoes(t *testing.T) {
	c := holding(3)
	for i, key := range []string{"a", "b", "c"} {
		c.Put(key, i, 100)
	}
	if v, is := c.Get("a"); !is || v != 0 {
		t.Errorf("a is %d, %t", v, is)
	}
	c.Put("d", 3, 100)
	if got := kept(c); got != "cad" {
		t.Errorf("kept %s", got)
	}
	if v := c.GetOrPut("c", func() (int, int) { return 9, 100 }); v != 2 {
		t.Errorf("c is %d", v)
	}
	if v := c.GetOrPut("e", func() (int, int) { return 4, 100 }); v != 4 {
		t.Errorf("e is %d", v)
	}
	if got, s := kept(c), c.Stats(); got != "dce" || s.Evictions != 2 || s.Entries != 3 || s.Bytes != s.BytesMax {
		t.Errorf("kept %s, %+v", got, s)
	}
}

func TestWhatGrowsPushesOthersOut(t *testing.T) {
	c := holding(3)
	for i, key := range []string{"a", "b", "c"} {
		c.Put(key, i, 100)
	}
	c.Put("b", 7, 200)
	if v, _ := c.Get("b"); kept(c) != "cb" || v != 7 {
		t.Errorf("kept %s, b is %d", kept(c), v)
	}
	c.Put("b", 7, 100)
	c.Remove("c")
	c.Remove("unknown")
	if s := c.Stats(); s.Bytes != 100+entryBytes || s.Entries != 1 {
		t.Errorf("%+v", s)
	}
}

func TestWhatIsHeavierThanAllIsNotKept(t *testing.T) {
	c := holding(2)
	c.Put("a", 1, 100)
	c.Put("b", 2, 100)
	if v := c.GetOrPut("big", func() (int, int) { return 3, 100_000 }); v != 3 {
		t.Errorf("big is %d", v)
	}
	c.Put("a", 1, 100_000)
	if got := kept(c); got != "b" {
		t.Errorf("kept %s", got)
	}
	c.Bound(0)
	if s := c.Stats(); s.Bytes != 0 || s.Entries != 0 {
		t.Errorf("%+v", s)
	}
}

func TestBytesAreOfWhatIsKept(t *testing.T) {
	c := holding(20)
	weights := map[string]int64{}
	for range 10_000 {
		key, bytes := fmt.Sprint(rand.IntN(40)), rand.IntN(1000)
		switch rand.IntN(4) {
		case 0:
			c.Remove(key)
		case 1:
			c.Get(key)
		default:
			c.Put(key, 0, bytes)
			weights[key] = int64(bytes) + entryBytes
		}
		sum := int64(0)
		for _, key := range c.recent.Keys() {
			sum += weights[key]
		}
		if s := c.Stats(); s.Bytes != sum || s.Bytes > s.BytesMax {
			t.Fatalf("%d bytes are kept: %+v", sum, s)
		}
	}
}

func TestAllGetTheSame(t *testing.T) {
	c := New[string, *int](1 << 20)
	var got [8]*int
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() { got[i] = c.GetOrPut("a", func() (*int, int) { return new(int), 8 }) })
	}
	all.Wait()
	for _, p := range got {
		if p != got[0] {
			t.Fatal("two values were made")
		}
	}
}

// TestAnEntryWeighs holds entryBytes to what the memory says.
func TestAnEntryWeighs(t *testing.T) {
	for _, n := range []int{1000, 50_000, 130_000} {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = fmt.Sprintf("tab-store-table.%09d", i)
		}
		c := New[string, *int](1 << 40)
		before := inUse()
		for _, key := range keys {
			c.Put(key, nil, 0)
		}
		took, told := inUse()-before, c.Stats().Bytes
		if took*10 > told*13 || told > took*2 {
			t.Errorf("%d entries take %d bytes each, and are told to take %d", n, took/int64(n), told/int64(n))
		}
		runtime.KeepAlive(keys)
		runtime.KeepAlive(c)
	}
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestMetrics(t *testing.T) {
	c := holding(1)
	c.Put("a", 1, 100)
	c.Put("b", 2, 100)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(Metrics{"tabs": c, "blocks": uncounted{}})
	want := fmt.Sprintf(`
# HELP daybook_cache_bytes What is kept, in bytes, estimated where it is not counted.
# TYPE daybook_cache_bytes gauge
daybook_cache_bytes{cache="blocks"} 5
daybook_cache_bytes{cache="tabs"} %[1]d
# HELP daybook_cache_bytes_max What may be kept, in bytes.
# TYPE daybook_cache_bytes_max gauge
daybook_cache_bytes_max{cache="blocks"} 9
daybook_cache_bytes_max{cache="tabs"} %[1]d
# HELP daybook_cache_entries Entries that are kept.
# TYPE daybook_cache_entries gauge
daybook_cache_entries{cache="blocks"} 2
daybook_cache_entries{cache="tabs"} 1
# HELP daybook_cache_evictions_total Entries that had to go for want of room. What is needed again is read again.
# TYPE daybook_cache_evictions_total counter
daybook_cache_evictions_total{cache="tabs"} 1
`, 100+entryBytes)
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

type uncounted struct{}

func (uncounted) Stats() Stats { return Stats{Bytes: 5, BytesMax: 9, Entries: 2, Uncounted: true} }
