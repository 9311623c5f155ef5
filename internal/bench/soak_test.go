package bench

import (
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"daybook/internal/app"
)

// TestSoak orders and pays as fast as it can at a server whose caches are small, until all are full and long after: what is
// in use stops to grow, and no cache takes more than it may. DAYBOOK_TEST_SOAK=10m makes it last, with the caches of a real
// server.
func TestSoak(t *testing.T) {
	last, step, cacheBytes := 20*time.Second, time.Second, int64(2<<20)
	if text := os.Getenv("DAYBOOK_TEST_SOAK"); text != "" {
		var err error
		if last, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		step, cacheBytes = 5*time.Second, app.CacheBytesDefault
	}
	r := &run{Options: Options{Scale: step.Seconds() / 5, Progress: func(string, uint64, uint64) {}}, dir: t.TempDir()}
	s, err := r.serve(t.Context(), app.Config{Data: r.newDir("soak"), LocalSignIn: true, Log: quiet, CacheBytes: cacheBytes})
	if err != nil {
		t.Fatal(err)
	}
	tablets, err := s.openRestaurants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	till := &httpTill{server: s, run: r, tablets: tablets}
	var inUse []int64
	for begin := time.Now(); time.Since(begin) < last; {
		perSecond, _, err := r.load(t.Context(), till)
		if err != nil {
			t.Fatal(err)
		}
		inUse = append(inUse, heapInUse())
		t.Logf("%.0f orders/s, %d KiB in use", perSecond, inUse[len(inUse)-1]>>10)
		withinBounds(t, s.App)
	}
	if err := till.close(); err != nil {
		t.Error(err)
	}
	// The first fifth fills the caches.
	steady := inUse[len(inUse)/5:]
	first, second := middle(steady[:len(steady)/2]), middle(steady[len(steady)/2:])
	if second > first+first/10 {
		t.Errorf("it grows: %d KiB in the first half, %d KiB in the second", first>>10, second>>10)
	}
}

// withinBounds looks at what the metrics say.
func withinBounds(t *testing.T, a *app.App) {
	t.Helper()
	families, err := a.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	bytes, most := map[string]float64{}, map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			switch family.GetName() {
			case "daybook_cache_bytes":
				bytes[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			case "daybook_cache_bytes_max":
				most[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if len(bytes) < 10 {
		t.Fatalf("only %d caches", len(bytes))
	}
	for name, is := range bytes {
		if is > most[name] {
			t.Errorf("%s: %.0f bytes of %.0f", name, is, most[name])
		}
	}
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func middle(values []int64) int64 { return slices.Sorted(slices.Values(values))[len(values)/2] }
