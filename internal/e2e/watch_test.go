package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// watch looks at the figures of a store's day, all the time. They only ever grow here: a smaller one would be wrong.
type watch struct {
	r       *restaurant
	day     time.Time
	shown   atomic.Int64 // answers 200
	refused atomic.Int64 // answers 503
	most    [3]int64     // the largest figure that each watcher has seen
}

func newWatch(r *restaurant, day time.Time) *watch { return &watch{r: r, day: day} }

func (w *watch) String() string {
	return fmt.Sprintf("%d figures, %d refusals", w.shown.Load(), w.refused.Load())
}

// start has watchers look until the channel is closed.
func (w *watch) start(until <-chan struct{}) *errgroup.Group {
	var group errgroup.Group
	day := dayOf(w.day)
	for i, path := range []string{
		w.r.path("/settlements?term=DAY&start=%s", day.start()),
		w.r.path("/statistics/products?term=DAY&start=%s", day.start()),
		w.r.path("/statistics/sales?term=DAY&from=%s&to=%s", day.start(), day.end()),
	} {
		group.Go(func() error {
			for {
				select {
				case <-until:
					return nil
				case <-time.After(pollEvery):
				}
				if err := w.look(path, &w.most[i]); err != nil {
					return err
				}
			}
		})
	}
	return &group
}

func (w *watch) look(path string, most *int64) error {
	reply, err := w.r.owner.try(http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	switch reply.status {
	case http.StatusServiceUnavailable:
		w.refused.Add(1)
		return nil
	case http.StatusOK:
		w.shown.Add(1)
	default:
		return fmt.Errorf("GET %s: %s", path, reply)
	}
	var figures struct {
		Revenue int64
		Total   struct{ SaleAmount int64 }
		Items   []struct{ GrossSales int64 }
	}
	if err := json.Unmarshal(reply.body, &figures); err != nil {
		return err
	}
	is := figures.Revenue + figures.Total.SaleAmount
	for _, item := range figures.Items {
		is += item.GrossSales
	}
	if is < *most {
		return fmt.Errorf("GET %s: %d, after %d was shown", path, is, *most)
	}
	*most = is
	return nil
}
