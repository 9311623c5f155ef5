package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// till is where orders are put on tabs and tabs are paid. Each writer calls it one by one.
type till interface {
	order(ctx context.Context, writer int) error
	// pay pays the tab that the writer's last orders are on; the next order opens another.
	pay(ctx context.Context, writer int) error
}

// appendOrders measures orders per second at four tills: commands called in process, the same over HTTP, and relational
// transactions, statement by statement and in one round trip. All wait for the disk.
func appendOrders(ctx context.Context, r *run, result *Result) (err error) {
	inProcess, err := r.newProcessTill(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, inProcess.close()) }()
	overHTTP, err := r.newHTTPTill(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, overHTTP.close()) }()
	relational, err := r.newRelationalTill(ctx, "orders", false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, relational.close()) }()
	pipelined, err := r.newRelationalTill(ctx, "pipelined_orders", true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pipelined.close()) }()
	if err := settle(ctx); err != nil {
		return err
	}
	var latencies [4][]time.Duration
	rate := func(i int, at till) func(context.Context) (float64, error) {
		return func(ctx context.Context) (float64, error) {
			perSecond, took, err := r.load(ctx, at)
			latencies[i] = append(latencies[i], took...)
			return perSecond, err
		}
	}
	figures, err := r.inTurn(ctx, result, r.Runs,
		measure{"in process", "orders/s", rate(0, inProcess)},
		measure{"over HTTP", "orders/s", rate(1, overHTTP)},
		measure{"PostgreSQL transaction", "orders/s", rate(2, relational)},
		measure{"PostgreSQL, one round trip", "orders/s", rate(3, pipelined)})
	if err != nil {
		return err
	}
	for i, took := range latencies {
		for _, p := range []int{50, 99} {
			result.once(fmt.Sprintf("%s, p%d", figures[i].Name, p), "ms", milliseconds(percentile(took, p)))
		}
	}
	result.atLeast("in process / PostgreSQL", ratio, figures[0].Value/figures[2].Value, 2)
	result.atLeast("over HTTP / PostgreSQL", ratio, figures[1].Value/figures[2].Value, 1)
	result.atLeast("in process / PostgreSQL, one round trip", ratio, figures[0].Value/figures[3].Value, 2)
	result.atLeast("over HTTP / PostgreSQL, one round trip", ratio, figures[1].Value/figures[3].Value, 1)
	return nil
}

// loadTime is how long one measurement lasts: 5 s at scale 1, and not below one.
func (r *run) loadTime() time.Duration {
	return time.Duration(min(5, max(1, 5*r.Scale)) * float64(time.Second))
}

// load has all writers order as fast as they can for a while. Orders are counted and timed; the payments between them
// are not, but take their time.
func (r *run) load(ctx context.Context, at till) (perSecond float64, took []time.Duration, err error) {
	group, ctx := errgroup.WithContext(ctx)
	var each [writers][]time.Duration
	var orders atomic.Int64
	begin := time.Now()
	end := begin.Add(r.loadTime())
	for writer := range writers {
		group.Go(func() error {
			for time.Now().Before(end) { // whole tabs only
				for range ordersPerTab {
					before := time.Now()
					if err := at.order(ctx, writer); err != nil {
						return err
					}
					each[writer] = append(each[writer], time.Since(before))
				}
				if err := at.pay(ctx, writer); err != nil {
					return err
				}
				orders.Add(ordersPerTab)
			}
			return nil
		})
	}
	err = group.Wait()
	perSecond = float64(orders.Load()) / time.Since(begin).Seconds()
	for _, one := range each {
		took = append(took, one...)
	}
	return perSecond, took, err
}
