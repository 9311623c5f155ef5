package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"daybook/internal/app"
)

// The load under which live is measured.
const (
	liveOrdersPerSecond = 1000
	liveSampled         = 10 // one order of so many is asked for
)

// live measures how long after its acknowledgement an order shows in a query: with everything embedded, and with
// PostgreSQL and Redis.
func live(ctx context.Context, r *run, result *Result) error {
	postgres, err := r.database(ctx, "live")
	if err != nil {
		return err
	}
	redis, err := r.startRedis(ctx)
	if err != nil {
		return err
	}
	for _, kind := range []struct {
		name            string
		postgres, redis string
		bound           float64
	}{{"embedded", "", "", 50}, {"PostgreSQL and Redis", postgres, redis, 100}} {
		if kind.redis != "" {
			if err := empty(ctx, redis, 0); err != nil {
				return err
			}
		}
		config := app.Config{Data: r.newDir("live"), LocalSignIn: true, Log: quiet, Postgres: kind.postgres, Redis: kind.redis}
		seen, perSecond, err := r.watch(ctx, result.Name+" "+kind.name, config)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		p99 := milliseconds(percentile(seen, 99))
		result.once(kind.name+", offered", "orders/s", perSecond)
		result.once(kind.name+", p50", "ms", milliseconds(percentile(seen, 50)))
		result.once(kind.name+", p99", "ms", p99)
		result.atMost(kind.name+", p99", "ms", p99, kind.bound)
	}
	return nil
}

// watch orders at a fixed rate for a while and returns how long sampled orders took to show, and the rate that was kept.
func (r *run) watch(ctx context.Context, label string, config app.Config) (seen []time.Duration, perSecond float64, err error) {
	s, err := r.serve(ctx, config)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err = errors.Join(err, s.stop()); err == nil {
			err = r.verify(ctx, config)
		}
	}()
	tablets, err := s.openRestaurants(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := settle(ctx); err != nil {
		return nil, 0, err
	}
	w := &watcher{server: s, busy: make([]sync.Mutex, len(tablets)), orders: make([]int, len(tablets)), tablets: tablets}
	total := int(2*r.loadTime()/time.Second) * liveOrdersPerSecond
	begin := time.Now()
	err = atRate(ctx, liveOrdersPerSecond, total, func(ctx context.Context, n int) error {
		if n%liveOrdersPerSecond == 0 {
			r.Progress(label, uint64(n), uint64(total))
		}
		return w.order(ctx, n)
	})
	return w.seen, float64(total) / time.Since(begin).Seconds(), err
}

// atRate calls do so many times, so many times a second, whether earlier calls have ended or not.
func atRate(ctx context.Context, perSecond, times int, do func(ctx context.Context, n int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	for n := range times {
		select {
		case <-time.After(time.Until(begin.Add(time.Duration(n) * time.Second / time.Duration(perSecond)))):
		case <-ctx.Done():
			return group.Wait()
		}
		group.Go(func() error { return do(ctx, n) })
	}
	return group.Wait()
}

// watcher orders and looks.
type watcher struct {
	*server
	tablets []tablet
	busy    []sync.Mutex // a tablet does one thing at a time
	orders  []int        // of each tablet, on its open tab

	mu   sync.Mutex
	seen []time.Duration
}

// order places the n-th order, pays if it was the last of its tab, and looks for it if it is one of those sampled.
func (w *watcher) order(ctx context.Context, n int) error {
	i := n % len(w.tablets)
	w.busy[i].Lock()
	defer w.busy[i].Unlock()
	t := w.tablets[i]
	tabID, position, err := w.server.order(ctx, t)
	if err != nil {
		return err
	}
	acknowledged := time.Now()
	if n%liveSampled == 0 {
		var shown struct {
			TabID string `json:"tabId"`
		}
		if _, err := w.send(ctx, call{method: http.MethodGet, path: "/v1/tab", token: t.token, position: position}, &shown); err != nil {
			return err
		}
		if shown.TabID != tabID {
			return fmt.Errorf("the order is on tab %s, the query shows %s", tabID, shown.TabID)
		}
		w.mu.Lock()
		w.seen = append(w.seen, time.Since(acknowledged))
		w.mu.Unlock()
	}
	if w.orders[i]++; w.orders[i] < ordersPerTab {
		return nil
	}
	w.orders[i] = 0
	return w.pay(ctx, t, tabID)
}
