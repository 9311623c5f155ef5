package app_test

import (
	"io"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daybook/internal/app"
)

// TestCachesAreShown: whatever a server keeps in memory is among its metrics, with a bound.
func TestCachesAreShown(t *testing.T) {
	a, err := app.Open(app.Config{Data: t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	families, err := a.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() != "cache" {
					continue
				}
				if shown[family.GetName()] == nil {
					shown[family.GetName()] = map[string]float64{}
				}
				shown[family.GetName()][label.GetValue()] = metric.GetGauge().GetValue()
			}
		}
	}
	want := []string{
		"codes", "imports", "log_blocks", "log_heads", "menus", "owners", "periods", "read_blocks", "rows_counters", "rows_devices", "rows_menus",
		"rows_stores", "rows_tables", "rows_tabs", "stores", "tab_numbers", "table_keys", "tabs",
	}
	for _, name := range []string{"daybook_cache_bytes", "daybook_cache_bytes_max", "daybook_cache_entries"} {
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(shown[name]))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	for name, bytes := range shown["daybook_cache_bytes_max"] {
		if bytes <= 0 || shown["daybook_cache_bytes"][name] > bytes {
			t.Errorf("%s: %v of %v bytes", name, shown["daybook_cache_bytes"][name], bytes)
		}
	}
	if evictions := shown["daybook_cache_evictions_total"]; len(evictions) != len(want)-2 {
		t.Errorf("evictions: %v", evictions)
	}
}

// TestCachesShareTheirBytes: all caches together have what the settings say, 288 MiB (the help and the runbook say it) or
// what is asked for.
func TestCachesShareTheirBytes(t *testing.T) {
	for asked, want := range map[int64]float64{0: 288 << 20, 10 << 20: 10 << 20} {
		a, err := app.Open(app.Config{Data: t.TempDir(), CacheBytes: asked, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		families, err := a.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				if family.GetName() == "daybook_cache_bytes_max" {
					sum += metric.GetGauge().GetValue()
				}
			}
		}
		if sum < want-1000 || sum > want { // rounded down
			t.Errorf("asked for %d: %.0f bytes, not %.0f", asked, sum, want)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}
