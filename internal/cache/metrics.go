package cache

import "github.com/prometheus/client_golang/prometheus"

// Metrics shows caches to operators, by name.
type Metrics map[string]Measured

var (
	bytesDesc = prometheus.NewDesc("daybook_cache_bytes",
		"What is kept, in bytes, estimated where it is not counted.", []string{"cache"}, nil)
	bytesMaxDesc  = prometheus.NewDesc("daybook_cache_bytes_max", "What may be kept, in bytes.", []string{"cache"}, nil)
	entriesDesc   = prometheus.NewDesc("daybook_cache_entries", "Entries that are kept.", []string{"cache"}, nil)
	evictionsDesc = prometheus.NewDesc("daybook_cache_evictions_total",
		"Entries that had to go for want of room. What is needed again is read again.", []string{"cache"}, nil)
)

// Describe is prometheus.Collector's.
func (Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{bytesDesc, bytesMaxDesc, entriesDesc, evictionsDesc} {
		to <- desc
	}
}

// Collect is prometheus.Collector's.
func (m Metrics) Collect(to chan<- prometheus.Metric) {
	for name, measured := range m {
		s := measured.Stats()
		tell := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64) {
			to <- prometheus.MustNewConstMetric(desc, kind, value, name)
		}
		tell(bytesDesc, prometheus.GaugeValue, float64(s.Bytes))
		tell(bytesMaxDesc, prometheus.GaugeValue, float64(s.BytesMax))
		tell(entriesDesc, prometheus.GaugeValue, float64(s.Entries))
		if !s.Uncounted {
			tell(evictionsDesc, prometheus.CounterValue, float64(s.Evictions))
		}
	}
}
