package commands

import (
	"context"
	"net/http"

	"daybook/domain/menu"
	"daybook/domain/money"
	"daybook/domain/refusal"
	"daybook/domain/stream"
	"daybook/internal/auth"
	"daybook/internal/httpapi"
)

// AddProduct is what an owner says to put a product on the menu.
type AddProduct struct {
	Name      string `json:"name"`
	Category  string `json:"category"`
	Price     *int64 `json:"price"`     // minor units of the store's currency
	BaseStock *int64 `json:"baseStock"` // nil: stock is not tracked
}

// ChangeProduct is what an owner says to change a product. What is nil stays.
type ChangeProduct struct {
	Name      *string `json:"name"`
	Category  *string `json:"category"`
	Price     *int64  `json:"price"`
	BaseStock *int64  `json:"baseStock"`
}

var (
	// errStock: taking stock is not built; a product that pretends to have it would be sold out of nothing.
	errStock = httpapi.NewProblem(http.StatusUnprocessableEntity, "stock_not_supported",
		"tracked stock is not supported yet: leave baseStock out")
	errPriceNeeded = refusal.New(refusal.Invalid, "invalid_price", "a price is needed: 0 to 10000000 main units of the store's currency")
)

// AddProduct puts a product on a store's menu.
func (s *Service) AddProduct(ctx context.Context, of auth.Store, req Request, wanted AddProduct) (Answer, error) {
	switch {
	case wanted.BaseStock != nil:
		return Answer{}, errStock
	case wanted.Price == nil:
		return Answer{}, errPriceNeeded
	}
	p := menu.Product{ProductID: req.newID("p"), Name: wanted.Name, Category: wanted.Category, Price: *wanted.Price}
	return s.menus.execute(ctx, stream.Menu(of.StoreID), req, decision[menu.State, menu.Command, menu.Event]{
		status: http.StatusCreated,
		decide: func(menu.State) (menu.Command, error) {
			return menu.AddProduct{Product: p, Currency: money.Currency(of.Currency), At: s.moment()}, nil
		},
		answer: func(menu.State, []menu.Event) (any, error) { return p, nil },
	})
}

// ChangeProduct changes a product of a store's menu.
func (s *Service) ChangeProduct(ctx context.Context, of auth.Store, productID string, req Request, wanted ChangeProduct) (Answer, error) {
	if wanted.BaseStock != nil {
		return Answer{}, errStock
	}
	return s.menus.execute(ctx, stream.Menu(of.StoreID), req, decision[menu.State, menu.Command, menu.Event]{
		status: http.StatusOK,
		decide: func(menu.State) (menu.Command, error) {
			return menu.ChangeProduct{
				ProductID: productID, Name: wanted.Name, Category: wanted.Category, Price: wanted.Price,
				Currency: money.Currency(of.Currency), At: s.moment(),
			}, nil
		},
		answer: func(state menu.State, _ []menu.Event) (any, error) {
			p, _ := state.Product(productID)
			return p, nil
		},
	})
}

// RemoveProduct takes a product off a store's menu.
func (s *Service) RemoveProduct(ctx context.Context, storeID, productID string, req Request) (Answer, error) {
	return s.menus.execute(ctx, stream.Menu(storeID), req, decision[menu.State, menu.Command, menu.Event]{
		status: http.StatusNoContent,
		decide: func(menu.State) (menu.Command, error) {
			return menu.RemoveProduct{ProductID: productID, At: s.moment()}, nil
		},
		answer: func(menu.State, []menu.Event) (any, error) { return nil, nil },
	})
}
