package embedded_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

// eventBytes is the size of an order event, with its metadata.
const eventBytes = 460

func sized(typ string) eventstore.NewEvent {
	return eventstore.NewEvent{ID: uuid.New(), Type: typ, Data: make([]byte, eventBytes-100), Metadata: make([]byte, 100)}
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
						if _, err := s.Append(context.Background(), stream, end, []eventstore.NewEvent{sized("tab.order_placed.v1")}); err != nil {
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

// large is a log of 300,000 events: 30 stores, each with tabs of 5 events, one of which is a payment.
var large struct {
	sync.Once
	dir string
}

const largeStores, largeTabs, tabEvents = 30, 2000, 5

func openLarge(b *testing.B) *embedded.Store {
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
						list[i] = sized("tab.order_placed.v1")
					}
					list[tabEvents-1] = sized("tab.payment_completed.v1")
					if _, err := s.Append(context.Background(), fmt.Sprintf("tab-s%d-t%d", store, tab), eventstore.NoStream, list); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	})
	return open(b, embedded.Options{Dir: large.dir, Logger: quiet})
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
	s := openLarge(b)
	for i := 0; b.Loop(); i++ {
		stream := fmt.Sprintf("tab-s%d-t%d", i%largeStores, i*7%largeTabs)
		if n := count(b, s.ReadStream(context.Background(), stream, eventstore.StreamRead{})); n != tabEvents {
			b.Fatal(n)
		}
	}
}

// A category by type, partition by partition: what a rebuild does. The rate is of events passed, not only of matches.
func BenchmarkScanCategory(b *testing.B) {
	for name, types := range map[string][]string{"all types": nil, "one of five": {"tab.payment_completed.v1"}} {
		b.Run(name, func(b *testing.B) {
			s := openLarge(b)
			for b.Loop() {
				partitions, err := s.Partitions(context.Background(), "tab")
				if err != nil || len(partitions) != largeStores {
					b.Fatal(partitions, err)
				}
				for _, partition := range partitions {
					count(b, s.ReadPartition(context.Background(), partition, eventstore.PartitionRead{Types: types}))
				}
			}
			b.ReportMetric(float64(largeStores*largeTabs*tabEvents*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func BenchmarkReadAll(b *testing.B) {
	for name, filter := range map[string]eventstore.Filter{
		"everything":       {},
		"one type of five": {Types: []string{"tab.payment_completed.v1"}},
		"one store of 30":  {Prefixes: []string{"tab-s7-"}},
	} {
		b.Run(name, func(b *testing.B) {
			s := openLarge(b)
			events := 0
			for b.Loop() {
				events += count(b, s.ReadAll(context.Background(), eventstore.LogRead{Filter: filter}))
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "matches/s")
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	s := openLarge(b)
	for b.Loop() {
		if err := s.Check(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(largeStores*largeTabs*tabEvents*b.N)/b.Elapsed().Seconds(), "events/s")
}
