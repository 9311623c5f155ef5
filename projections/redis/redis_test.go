package redis

import (
	"os"
	"testing"

	"daybook/internal/services"
	"daybook/projections"
	"daybook/projections/sinktest"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

func open(t testing.TB, url string) *Sink {
	t.Helper()
	sink, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func storage(t testing.TB) sinktest.Storage {
	url := services.Redis(t)
	return sinktest.Storage{Shared: true, Open: func(t testing.TB) projections.Sink { return open(t, url) }}
}

func TestSink(t *testing.T) { sinktest.Run(t, storage(t)) }

func BenchmarkSink(b *testing.B) { sinktest.Bench(b, storage(b)) }
