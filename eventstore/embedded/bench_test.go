package embedded_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

// Sizes of an order and of a closed tab, with their metadata.
const orderBytes, closedBytes = 460, 700

// sized makes an event that compresses as ours do: names and prices repeat, ids do not.
func sized(typ string, size int) eventstore.NewEvent {
	names := []string{"Flat white", "Espresso", "Carrot cake", "Sparkling water", "Soup of the day"}
	meta := fmt.Appendf(nil, `{"command":"%s","by":"tablet","device":"%s"}`, uuid.New(), uuid.New())
	data := fmt.Appendf(nil, `{"tab":"%s","lines":[`, uuid.New())
	for i := 0; len(data)+len(meta) < size; i++ {
		data = fmt.Appendf(data, `{"product":"%s","name":"%s","quantity":%d,"price":%d},`, uuid.New(), names[rand.N(len(names))], 1+rand.N(4), 50*rand.N(40))
	}
	return eventstore.NewEvent{ID: uuid.New(), Type: typ, Data: data[:size-len(meta)], Metadata: meta}
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, embedded.Options{Dir: b.TempDir(), Logger: quiet})
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					stream := fmt.Sprintf("tab-s%d-t", w)
					for end := eventstore.NoStream; left.Add(-1) >= 0; end++ {
						if _, err := s.Append(context.Background(), stream, end, []eventstore.NewEvent{sized("tab.order_placed.v1", orderBytes)}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// large is a log of 300,000 events: 30 stores, each with tabs of 5 events, the last of which closes it.
var large struct {
	sync.Once
	dir string
}

const largeStores, largeTabs, tabEvents = 30, 2000, 5

func openLarge(b *testing.B, cacheBytes int64) *embedded.Store {
	large.Do(func() {
		dir, err := os.MkdirTemp("", "daybook-bench")
		if err != nil {
			b.Fatal(err)
		}
		large.dir = dir
		s, err := embedded.Open(embedded.Options{Dir: dir, Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		var wg sync.WaitGroup
		for store := range largeStores {
			wg.Go(func() {
				for tab := range largeTabs {
					list := make([]eventstore.NewEvent, tabEvents)
					for i := range list {
						list[i] = sized("tab.order_placed.v1", orderBytes)
					}
					list[tabEvents-1] = sized("tab.closed.v1", closedBytes)
					if _, err := s.Append(context.Background(), fmt.Sprintf("tab-s%d-t%d", store, tab), eventstore.NoStream, list); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if err := s.Compact(context.Background()); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		size := int64(0)
		tables, _ := filepath.Glob(filepath.Join(dir, "pebble", "*.sst"))
		for _, table := range tables {
			if info, err := os.Stat(table); err == nil {
				size += info.Size()
			}
		}
		b.Logf("%d bytes per event in tables", size/(largeStores*largeTabs*tabEvents))
	})
	return open(b, embedded.Options{Dir: large.dir, Logger: quiet, CacheBytes: cacheBytes})
}

func count(b *testing.B, seq func(func(eventstore.Event, error) bool)) (n int) {
	b.Helper()
	for _, err := range seq {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	return n
}

func BenchmarkReadStream(b *testing.B) {
	s := openLarge(b, 0)
	for i := 0; b.Loop(); i++ {
		stream := fmt.Sprintf("tab-s%d-t%d", i%largeStores, i*7%largeTabs)
		if n := count(b, s.ReadStream(context.Background(), stream, eventstore.StreamRead{})); n != tabEvents {
			b.Fatal(n)
		}
	}
}

// A category, partition by partition: what a rebuild does on each core, of a log that does not fit into the cache. Events
// that are not of the type count in the second rate only.
func BenchmarkScanCategory(b *testing.B) {
	for name, types := range map[string][]string{"all types": nil, "one of two": {"tab.closed.v1"}} {
		b.Run(name, func(b *testing.B) {
			s := openLarge(b, 4<<20)
			matches := 0
			b.ReportAllocs()
			for b.Loop() {
				partitions, err := s.Partitions(context.Background(), "tab")
				if err != nil || len(partitions) != largeStores {
					b.Fatal(partitions, err)
				}
				for _, partition := range partitions {
					matches += count(b, s.ReadPartition(context.Background(), partition, eventstore.PartitionRead{Types: types}))
				}
			}
			b.ReportMetric(float64(matches)/b.Elapsed().Seconds(), "matches/s")
			b.ReportMetric(float64(largeStores*largeTabs*tabEvents*b.N)/b.Elapsed().Seconds(), "passed/s")
		})
	}
}

func BenchmarkReadAll(b *testing.B) {
	for name, filter := range map[string]eventstore.Filter{
		"everything":       {},
		"one type of five": {Types: []string{"tab.closed.v1"}},
		"one store of 30":  {Prefixes: []string{"tab-s7-"}},
	} {
		b.Run(name, func(b *testing.B) {
			s := openLarge(b, 0)
			events := 0
			for b.Loop() {
				events += count(b, s.ReadAll(context.Background(), eventstore.LogRead{Filter: filter}))
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "matches/s")
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	s := openLarge(b, 0)
	for b.Loop() {
		if err := s.Check(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(largeStores*largeTabs*tabEvents*b.N)/b.Elapsed().Seconds(), "events/s")
}
