package projections

import (
	"daybook/domain/menu"
	"daybook/domain/stream"
	"daybook/eventstore"
)

// Menus holds the products that can be ordered now. Partition: store id. Field: product id.
var Menus = rowModel("menus", 1, map[string]route[ProductRow]{
	"menu.product_added.v1": on(menu.Catalog, func(e menu.ProductAdded, stored eventstore.Event) []rowStep[ProductRow] {
		return product(stored, e.ProductID, &ProductRow{e.ProductID, e.Name, e.Category, e.Price})
	}),
	"menu.product_changed.v1": on(menu.Catalog, func(e menu.ProductChanged, stored eventstore.Event) []rowStep[ProductRow] {
		return product(stored, e.ProductID, &ProductRow{e.ProductID, e.Name, e.Category, e.Price})
	}),
	"menu.product_removed.v1": on(menu.Catalog, func(e menu.ProductRemoved, stored eventstore.Event) []rowStep[ProductRow] {
		return product(stored, e.ProductID, nil)
	}),
})

// ProductRow is a product of a menu.
type ProductRow struct {
	ProductID string `json:"productId"`
	Name      string `json:"name"`
	Category  string `json:"category"`
	Price     int64  `json:"price"` // minor units of the store's currency
}

func product(stored eventstore.Event, id string, row *ProductRow) []rowStep[ProductRow] {
	_, storeID, _ := stream.Parse(stored.Stream)
	return []rowStep[ProductRow]{{
		key: rowKey{storeID, id}, step: func(*ProductRow) *ProductRow { return row }, anew: true,
	}}
}
