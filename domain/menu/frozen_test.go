package menu_test

import (
	"testing"
	"time"

	"daybook/domain/domaintest"
	"daybook/domain/event"
	"daybook/domain/menu"
)

func TestFrozenSamples(t *testing.T) {
	seoul := time.FixedZone("", 9*60*60)
	domaintest.Frozen(t, event.Widen(menu.Catalog), map[string]domaintest.Sample{
		"menu.product_added.v1": {
			Complete: menu.ProductAdded{
				Product: menu.Product{ProductID: "p8s1", Name: "비빔밥", Category: menu.MainMenu, Price: 9000},
				At:      time.Date(2024, 12, 1, 9, 40, 0, 0, seoul),
			},
			Minimal: menu.ProductAdded{
				Product: menu.Product{ProductID: "p0", Name: "Tap water", Category: menu.Drink},
				At:      time.Date(2024, 12, 1, 0, 40, 0, 0, time.UTC),
			},
		},
		"menu.product_changed.v1": {
			Complete: menu.ProductChanged{
				Product: menu.Product{ProductID: "p8s1", Name: "돌솥비빔밥", Category: "점심", Price: 10_000_000},
				At:      time.Date(2024, 12, 2, 9, 40, 0, 500_000_000, seoul),
			},
			Minimal: menu.ProductChanged{
				Product: menu.Product{ProductID: "p0", Name: "Water", Category: menu.Drink},
				At:      time.Date(2024, 12, 2, 0, 40, 0, 0, time.UTC),
			},
		},
		"menu.product_removed.v1": {
			Complete: menu.ProductRemoved{ProductID: "p8s1", At: time.Date(2024, 12, 31, 23, 59, 59, 0, seoul)},
			Minimal:  menu.ProductRemoved{ProductID: "p8s1", At: time.Date(2024, 12, 31, 14, 59, 59, 0, time.UTC)},
		},
	})
}
