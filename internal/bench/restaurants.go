package bench

import (
	"context"
	"fmt"
	"net/http"

	"golang.org/x/time/rate"
)

// The restaurants in which orders are measured.
const (
	writers        = 64 // tablets, each on a table of its own
	restaurants    = 8  // that they are dealt out to
	orderLines     = 3
	orderQuantity  = 2
	ordersPerTab   = 10 // then the tab is paid and the next one is opened
	menuPrice      = 4500
	wholeTabAmount = ordersPerTab * orderLines * orderQuantity * menuPrice
)

// tablet is one writer's.
type tablet struct {
	storeID, tableID, token string
	lines                   []orderLine // what it orders each time
}

type orderLine struct {
	ProductID string `json:"productId"`
	Quantity  int64  `json:"quantity"`
}

// openRestaurants opens restaurants with tables and paired tablets, all over HTTP.
func (s *server) openRestaurants(ctx context.Context) ([]tablet, error) {
	tablets := make([]tablet, 0, writers)
	pairings := rate.NewLimiter(20, 40) // a server lets no more be tried
	for n := range restaurants {
		var store struct {
			StoreID string `json:"storeId"`
		}
		if err := s.post(ctx, "/v1/stores", s.owner, map[string]any{"name": fmt.Sprint("Restaurant ", n), "posGrade": "GOLD", "settlementDay": 1}, &store); err != nil {
			return nil, err
		}
		lines := make([]orderLine, orderLines)
		for i := range lines {
			var product struct {
				ProductID string `json:"productId"`
			}
			wanted := map[string]any{"name": fmt.Sprint("Dish ", i), "category": "MAIN_MENU", "price": menuPrice}
			if err := s.post(ctx, "/v1/stores/"+store.StoreID+"/products", s.owner, wanted, &product); err != nil {
				return nil, err
			}
			lines[i] = orderLine{product.ProductID, orderQuantity}
		}
		for table := range writers / restaurants {
			if err := pairings.Wait(ctx); err != nil {
				return nil, err
			}
			t, err := s.addTablet(ctx, store.StoreID, table)
			if err != nil {
				return nil, err
			}
			t.lines = lines
			tablets = append(tablets, t)
		}
	}
	return tablets, nil
}

func (s *server) addTablet(ctx context.Context, storeID string, n int) (t tablet, err error) {
	var table struct {
		TableID string `json:"tableId"`
	}
	if err := s.post(ctx, "/v1/stores/"+storeID+"/tables", s.owner, map[string]any{"name": fmt.Sprint("Table ", n)}, &table); err != nil {
		return t, err
	}
	var code struct {
		PairingCode string `json:"pairingCode"`
	}
	if err := s.post(ctx, "/v1/stores/"+storeID+"/tables/"+table.TableID+"/pairing-codes", s.owner, struct{}{}, &code); err != nil {
		return t, err
	}
	var device struct {
		DeviceToken string `json:"deviceToken"`
	}
	err = s.post(ctx, "/v1/devices/pair", "", code, &device)
	return tablet{storeID: storeID, tableID: table.TableID, token: device.DeviceToken}, err
}

func (s *server) post(ctx context.Context, path, token string, body, answer any) error {
	_, err := s.send(ctx, call{method: http.MethodPost, path: path, token: token, body: body}, answer)
	return err
}

// order orders what the tablet always orders, and returns the tab it is on.
func (s *server) order(ctx context.Context, t tablet) (tabID, position string, err error) {
	var ordered struct {
		TabID string `json:"tabId"`
	}
	position, err = s.send(ctx, call{method: http.MethodPost, path: "/v1/orders", token: t.token, body: map[string]any{"lines": t.lines}}, &ordered)
	return ordered.TabID, position, err
}

// pay pays a tab in cash.
func (s *server) pay(ctx context.Context, t tablet, tabID string) error {
	var paid struct {
		Amount    int64  `json:"amount"`
		TabStatus string `json:"tabStatus"`
	}
	err := s.post(ctx, "/v1/stores/"+t.storeID+"/tabs/"+tabID+"/payments", s.owner, map[string]any{"method": "CASH"}, &paid)
	if err == nil && (paid.Amount != wholeTabAmount || paid.TabStatus != "CLOSED") {
		err = fmt.Errorf("paying a tab answered %+v", paid)
	}
	return err
}
