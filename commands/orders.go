package commands

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"daybook/domain/menu"
	"daybook/domain/money"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/internal/auth"
)

// PlaceOrder is what a tablet says to order.
type PlaceOrder struct {
	Lines []OrderLine `json:"lines"`
}

// OrderLine is one product and how many of it.
type OrderLine struct {
	ProductID string `json:"productId"`
	Quantity  int64  `json:"quantity"`
}

// PlaceOrder puts an order on the open tab of the tablet's table, opening one if there is none.
func (s *Service) PlaceOrder(ctx context.Context, device auth.Device, req Request, wanted PlaceOrder) (answer Answer, err error) {
	for attempt := 1; ; attempt++ {
		answer, err = s.orderOnNewest(ctx, device, req, wanted)
		if !errors.Is(err, errDropped) || attempt == attemptsMax {
			return answer, err
		}
	}
}

// orderOnNewest is PlaceOrder, unless the log goes back meanwhile: errDropped.
func (s *Service) orderOnNewest(ctx context.Context, device auth.Device, req Request, wanted PlaceOrder) (Answer, error) {
	asked := s.others.asks()
	newest, known := s.numbers.Get(tableKey(device.StoreID, device.TableID))
	if !known {
		var err error
		if newest, err = s.lastTab(ctx, device.StoreID, device.TableID, 1); err != nil {
			return Answer{}, err
		}
	}
	for n, begins := newest, false; ; {
		if req.Keyed && s.keys.claims() {
			opening, answer, found, err := s.ordersOf(device).before(ctx, n, req)
			if found || err != nil {
				return answer, err
			}
			req.known, req.before = true, opening
		}
		answer, err := s.orderOn(ctx, device, tab.ID(device.TableID, n), begins, asked, req, wanted)
		switch {
		case errors.Is(err, tab.ErrClosed):
			next, err := s.afterTab(ctx, device.StoreID, device.TableID, n, begins)
			if err != nil {
				return Answer{}, err
			}
			n, begins = next, next == n+1
		default:
			if err == nil && !s.others.dropped(asked) {
				s.noteTab(device.StoreID, device.TableID, n)
			}
			return answer, err
		}
	}
}

// afterTab returns the number of the tab that follows one that is closed, the table's newest as far as is known. If that
// one was thought to be a new one, others have opened tabs meanwhile, and the newest is looked for.
func (s *Service) afterTab(ctx context.Context, storeID, tableID string, closed int, surprised bool) (int, error) {
	if !surprised {
		return closed + 1, nil
	}
	newest, err := s.lastTab(ctx, storeID, tableID, closed)
	return max(newest, closed+1), err
}

// tabNumber is the number that ends the name of a table's tab.
func tabNumber(name string) (int, error) {
	n, err := strconv.Atoi(name[strings.LastIndexByte(name, '.')+1:])
	if err != nil {
		return 0, fmt.Errorf("stream %s is no tab of a table", name)
	}
	return n, nil
}

func (s *Service) orderOn(ctx context.Context, device auth.Device, tabID string, begins bool, asked moment, req Request, wanted PlaceOrder) (Answer, error) {
	orderID := req.newID("r")
	return s.tabs.execute(ctx, stream.Tab(device.StoreID, tabID), req, decision[tab.State, tab.Command, tab.Event]{
		status: http.StatusCreated, begins: begins, final: tab.ErrClosed,
		decide: func(on tab.State) (tab.Command, error) {
			if on.Closed {
				return nil, tab.ErrClosed
			}
			items, err := s.items(ctx, device.StoreID, wanted.Lines)
			if err == nil && s.others.dropped(asked) { // the tab may be none of this table any more
				err = errDropped
			}
			return tab.PlaceOrder{
				StoreID: device.StoreID, TabID: tabID, TableID: device.TableID, OrderID: orderID,
				Currency: money.Currency(device.Currency), Items: items, When: s.when(device.Hours),
			}, err
		},
		answer: func(tab.State, []tab.Event) (any, error) {
			return struct {
				OrderID string `json:"orderId"`
				TabID   string `json:"tabId"`
				Status  string `json:"status"`
			}{orderID, tabID, "ACCEPTED"}, nil
		},
	})
}

// items looks the lines' products up in the store's menu, which may be lateMax old; one that it lacks may just have been
// added.
func (s *Service) items(ctx context.Context, storeID string, lines []OrderLine) ([]tab.Item, error) {
	offered, err := s.menus.late(ctx, stream.Menu(storeID))
	if err != nil {
		return nil, err
	}
	items, err := itemsOf(offered, lines)
	if err == nil {
		return items, nil
	}
	if offered, err = s.menus.load(ctx, stream.Menu(storeID)); err != nil {
		return nil, err
	}
	return itemsOf(offered, lines)
}

func itemsOf(offered menu.State, lines []OrderLine) ([]tab.Item, error) {
	items := make([]tab.Item, len(lines))
	for i, line := range lines {
		product, known := offered.Product(line.ProductID)
		if !known {
			return nil, menu.ErrUnknown.With("line %d: there is no such product", i+1)
		}
		items[i] = tab.Item{Product: product, Quantity: line.Quantity}
	}
	return items, nil
}

// lastTab returns the number of a table's newest tab, which is low or after it; 1 if the table has none yet. The numbers
// are searched by doubling and halving, because tabs have no gaps.
func (s *Service) lastTab(ctx context.Context, storeID, tableID string, low int) (int, error) {
	exists := func(n int) (bool, error) {
		for _, err := range s.log.ReadStream(ctx, stream.Tab(storeID, tab.ID(tableID, n)), eventstore.StreamRead{Limit: 1, Fresh: true}) {
			return err == nil, err
		}
		return false, nil
	}
	high := low + 1
	for step := 1; ; step *= 2 {
		is, err := exists(high)
		if err != nil {
			return 0, err
		}
		if !is {
			break
		}
		low, high = high, high+step
	}
	for low+1 < high {
		middle := (low + high) / 2
		if is, err := exists(middle); err != nil {
			return 0, err
		} else if is {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}

func tableKey(storeID, tableID string) string { return storeID + "-" + tableID }

// noteTab remembers that a table has a tab of this number. Of two calls at once the lower may win: it is a hint.
func (s *Service) noteTab(storeID, tableID string, n int) {
	key := tableKey(storeID, tableID)
	if known, _ := s.numbers.Get(key); n > known {
		s.numbers.Put(key, n, len(key))
	}
}
