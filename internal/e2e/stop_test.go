package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestStopsInOrder: on SIGTERM the server answers every request that it has taken, and takes no others. So what was
// not answered has had no effect.
func TestStopsInOrder(t *testing.T) {
	in := install(t)
	s := in.serve()
	r := in.owner("anna").cafe(t, 8)
	var placed placedOrders
	var guests errgroup.Group
	for _, at := range r.tablets {
		// An idle connection may be closed just as a request is sent on it: so each request has its own.
		at.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		guests.Go(func() error { return placed.untilGone(at, r.products[0]) })
	}
	eventually(t, startMax, "orders are placed", func() error {
		if n := len(placed.list()); n < 100 {
			return fmt.Errorf("%d orders", n)
		}
		return nil
	})
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if err := guests.Wait(); err != nil {
		t.Error(err)
	}
	in.serve()
	in.verify()
	got, _ := r.ledger(t)
	sameSet(t, "orders", got, placed.list())
}

// placedOrders are the ids of the orders that were answered.
type placedOrders struct {
	mu  sync.Mutex
	ids []string
}

func (p *placedOrders) list() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ids)
}

// untilGone orders one thing after the other until the server is gone.
func (p *placedOrders) untilGone(at *tablet, what *product) error {
	for n := 0; ; n++ {
		reply, err := at.try(http.MethodPost, "/v1/orders", fmt.Sprint(at.TableID, "-", n), orderBody{[]orderLine{{what.ProductID, 1}}})
		if err != nil {
			return nil // not answered
		}
		var answer orderAnswer
		if err := json.Unmarshal(reply.body, &answer); err != nil || reply.status != http.StatusCreated {
			return fmt.Errorf("order: %s %w", reply, err)
		}
		p.mu.Lock()
		p.ids = append(p.ids, answer.OrderID)
		p.mu.Unlock()
	}
}
