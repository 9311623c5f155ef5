package tab_test

import (
	"slices"

	"daybook/domain/menu"
	"daybook/domain/tab"
)

var closeIt = tab.Close{StoreID: "s1", SettlementDay: 5, When: atNight}

var freeClosings = []tabCase{
	{
		Name: "closing what costs nothing", Given: onTheHouse, When: closeIt,
		Then: events{closedWith(0, []tab.Sold{{ProductID: "9", Name: "Water", Category: menu.Drink, Quantity: 1}})},
	},
	{
		Name: "closing two free orders", Given: slices.Concat(onTheHouse, events{placed("o2", 0, line(water, 2, 0))}), When: closeIt,
		Then: events{closedWith(0, []tab.Sold{{ProductID: "9", Name: "Water", Category: menu.Drink, Quantity: 3}})},
	},
	{Name: "closing what was never opened", When: closeIt, Refused: tab.ErrUnknown},
	{Name: "closing what is to be paid", Given: lunch, When: closeIt, Refused: tab.ErrAmountDue},
	{
		Name: "closing what is paid in part", Given: slices.Concat(lunch, events{paidCash("m1", 999)}), When: closeIt,
		Refused: tab.ErrAmountDue,
	},
	{Name: "closing what is paid", Given: closed, When: closeIt, Refused: tab.ErrClosed},
	{
		Name: "closing twice", Given: slices.Concat(onTheHouse, events{closedWith(0, nil)}), When: closeIt,
		Refused: tab.ErrClosed,
	},
	{
		Name: "an order after a free tab's end", Given: slices.Concat(onTheHouse, events{closedWith(0, nil)}),
		When: order("o2", item(side, 1)), Refused: tab.ErrClosed,
	},
}
