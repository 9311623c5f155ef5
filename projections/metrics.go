package projections

import (
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"daybook/follow"
)

// Metrics are what operators see of the projections.
type Metrics struct {
	registry prometheus.Registerer
	events   *prometheus.CounterVec
	failures *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// NewMetrics registers the projections' metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		registry: registry,
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_projection_events_total", Help: "Events delivered to a projection and handled.",
		}, []string{"model"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_projection_failures_total", Help: "Batches that failed and went back, after all retries.",
		}, []string{"model"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "daybook_projection_batch_seconds", Help: "Time to bring a batch with events into the sink, retries included.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}, []string{"model"}),
	}
	registry.MustRegister(m.events, m.failures, m.seconds)
	return m
}

// watch exports a runner's status, read when it is asked for.
func (m *Metrics) watch(r *Runner) {
	gauge := func(name, help string, value func(Status) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help, ConstLabels: prometheus.Labels{"model": r.Model.Name, "sink": r.Sink.Name()},
		}, func() float64 { return value(r.Status()) }))
	}
	gauge("daybook_projection_position", "Position in the log up to which nothing is missing in the sink.",
		func(s Status) float64 { return float64(s.Seen.Commit) })
	gauge("daybook_projection_live", "1 if the projection has caught up and its figures may be read.", func(s Status) float64 {
		if s.Live {
			return 1
		}
		return 0
	})
	gauge("daybook_projection_superseded", "The newer version of the read model that newer programs serve; 0 if there is none.",
		func(s Status) float64 { return float64(s.Superseded) })
	gauge("daybook_projection_parked_streams", "Streams stopped at an event that cannot be folded.",
		func(s Status) float64 { return float64(s.Parked) })
}

func (m *Metrics) middleware(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		model, events, begin := message.HandlerNameFromCtx(msg.Context()), len(follow.BatchOf(msg).Events), time.Now()
		out, err := next(msg)
		if err != nil {
			m.failures.WithLabelValues(model).Inc()
		} else if events > 0 {
			m.events.WithLabelValues(model).Add(float64(events))
			m.seconds.WithLabelValues(model).Observe(time.Since(begin).Seconds())
		}
		return out, err
	}
}
