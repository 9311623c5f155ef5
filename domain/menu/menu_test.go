package menu_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"daybook/domain/domaintest"
	"daybook/domain/menu"
	"daybook/domain/money"
)

type (
	menuCase = domaintest.Case[menu.Command, menu.Event]
	events   = []menu.Event
)

// declared are all refusals of the package.
var declared = domaintest.Refusals{
	"ErrName": menu.ErrName, "ErrCategory": menu.ErrCategory, "ErrPrice": menu.ErrPrice,
	"ErrUnknown": menu.ErrUnknown, "ErrExists": menu.ErrExists, "ErrFull": menu.ErrFull,
}

func TestDecider(t *testing.T) {
	met := domaintest.Run(t, domaintest.Table[menu.State, menu.Command, menu.Event]{
		Decider: menu.Decider, Refusals: declared, Holds: holds, Cases: slices.Concat(additions, offers, changes, removals),
	})
	domaintest.RefusedAll(t, declared, met)
}

// holds says what is wrong with a menu.
func holds(s menu.State) error {
	if len(s.Products) > menu.ProductsMax {
		return fmt.Errorf("%d products", len(s.Products))
	}
	for i, p := range s.Products {
		if found, known := s.Product(p.ProductID); !known || found != p {
			return fmt.Errorf("%+v is found as %+v, %v", p, found, known)
		}
		if i > 0 && s.Products[i-1].ProductID >= p.ProductID {
			return fmt.Errorf("%s stands before %s", s.Products[i-1].ProductID, p.ProductID)
		}
		if p.Price < 0 || p.Price > menu.PriceMax*1000 || p.Name == "" || p.Category == "" {
			return fmt.Errorf("%+v is on the menu", p)
		}
	}
	return nil
}

var (
	noon  = time.Date(2024, 12, 1, 12, 0, 0, 0, time.FixedZone("", 9*60*60))
	later = noon.Add(time.Hour)

	latte = menu.Product{ProductID: "p2", Name: "Latte", Category: menu.Drink, Price: 500}
	rice  = menu.Product{ProductID: "p1", Name: "비빔밥", Category: menu.MainMenu, Price: 9000}
	tea   = menu.Product{ProductID: "p3", Name: "Tea", Category: "Hot drinks", Price: 0}

	three = events{added(latte), added(rice), added(tea)}
)

func added(p menu.Product) menu.ProductAdded { return menu.ProductAdded{Product: p, At: noon} }

// add is the command to add a latte; spoil changes one thing.
func add(spoil func(*menu.Product)) menu.AddProduct {
	p := latte
	spoil(&p)
	return menu.AddProduct{Product: p, Currency: "KRW", At: noon}
}

// addIn is the command to add a product of a price in a currency.
func addIn(c money.Currency, minor int64) menu.AddProduct {
	a := add(price(minor))
	a.Currency = c
	return a
}

// taken is what follows from add.
func taken(spoil func(*menu.Product)) events { return events{added(add(spoil).Product)} }

// full is a menu of n other products.
func full(n int) (all events) {
	for i := range n {
		all = append(all, added(menu.Product{ProductID: fmt.Sprintf("x%d", i), Name: "Dish", Category: menu.SubMenu, Price: 700}))
	}
	return all
}

func asIs(*menu.Product)                    {}
func free(p *menu.Product)                  { p.Price = 0 }
func dearest(p *menu.Product)               { p.Price = 10_000_000 }
func named(s string) func(*menu.Product)    { return func(p *menu.Product) { p.Name = s } }
func category(s string) func(*menu.Product) { return func(p *menu.Product) { p.Category = s } }
func price(n int64) func(*menu.Product)     { return func(p *menu.Product) { p.Price = n } }

var additions = []menuCase{
	{Name: "a product is added", When: add(asIs), Then: taken(asIs)},
	{Name: "a product is free", When: add(free), Then: taken(free)},
	{Name: "the highest price", When: add(dearest), Then: taken(dearest)},
	{Name: "a price below nothing", When: add(price(-1)), Refused: menu.ErrPrice},
	{Name: "a price above the highest", When: add(price(10_000_001)), Refused: menu.ErrPrice},
	{Name: "the highest price in a currency of cents", When: addIn("IDR", 1_000_000_000), Then: taken(price(1_000_000_000))},
	{Name: "a cent above it", When: addIn("USD", 1_000_000_001), Refused: menu.ErrPrice},
	{Name: "the highest price in a currency of thousandths", When: addIn("KWD", 10_000_000_000), Then: taken(price(10_000_000_000))},
	{Name: "a thousandth above it", When: addIn("KWD", 10_000_000_001), Refused: menu.ErrPrice},
	{Name: "a name of 100 characters", When: add(named(strings.Repeat("밥", 100))), Then: taken(named(strings.Repeat("밥", 100)))},
	{Name: "a name of 101 characters", When: add(named(strings.Repeat("밥", 101))), Refused: menu.ErrName},
	{Name: "no name", When: add(named("")), Refused: menu.ErrName},
	{Name: "a category of its own", When: add(category("막걸리")), Then: taken(category("막걸리"))},
	{Name: "a category of 30 characters", When: add(category(strings.Repeat("주", 30))), Then: taken(category(strings.Repeat("주", 30)))},
	{Name: "a category of 31 characters", When: add(category(strings.Repeat("주", 31))), Refused: menu.ErrCategory},
	{Name: "no category", When: add(category("")), Refused: menu.ErrCategory},
	{Name: "an id that is taken", Given: three, When: add(named("Other")), Refused: menu.ErrExists},
	{
		Name: "an id that was given back", Given: slices.Concat(three, events{removed}),
		When: add(asIs), Then: taken(asIs),
	},
	{Name: "two products may have one name", Given: full(1), When: add(named("Dish")), Then: taken(named("Dish"))},
	{Name: "the 2000th product", Given: full(1999), When: add(asIs), Then: taken(asIs)},
	{Name: "the 2001st product", Given: full(2000), When: add(asIs), Refused: menu.ErrFull},
}

// offer is the command to offer products.
func offer(products ...menu.Product) menu.Offer {
	return menu.Offer{Products: products, Currency: "KRW", At: noon}
}

var offers = []menuCase{
	{Name: "products for an empty menu", When: offer(latte, rice), Then: events{added(latte), added(rice)}},
	{Name: "one is there", Given: events{added(rice)}, When: offer(latte, rice), Then: events{added(latte)}},
	{Name: "one comes twice", When: offer(latte, latte), Then: events{added(latte)}},
	{Name: "all are there", Given: three, When: offer(latte, rice)},
	{Name: "no products", When: offer()},
	{Name: "room for one only", Given: full(1999), When: offer(latte, rice), Then: events{added(latte)}},
	{Name: "no room", Given: full(2000), When: offer(latte)},
	{Name: "one is too dear", When: offer(rice, addIn("KRW", 10_000_001).Product), Refused: menu.ErrPrice},
}

func to[T any](v T) *T { return &v }

// changed is what follows when the latte becomes something else.
func changed(to menu.Product) events { return events{menu.ProductChanged{Product: to, At: later}} }

var changes = []menuCase{
	{
		Name: "a price is changed", Given: three,
		When: menu.ChangeProduct{ProductID: "p2", Price: to(int64(550)), At: later},
		Then: changed(menu.Product{ProductID: "p2", Name: "Latte", Category: menu.Drink, Price: 550}),
	},
	{
		Name: "a price is dropped", Given: three,
		When: menu.ChangeProduct{ProductID: "p2", Price: to(int64(0)), At: later},
		Then: changed(menu.Product{ProductID: "p2", Name: "Latte", Category: menu.Drink}),
	},
	{
		Name: "a name is changed", Given: three,
		When: menu.ChangeProduct{ProductID: "p2", Name: to("Oat latte"), At: later},
		Then: changed(menu.Product{ProductID: "p2", Name: "Oat latte", Category: menu.Drink, Price: 500}),
	},
	{
		Name: "all is changed", Given: three,
		When: menu.ChangeProduct{ProductID: "p2", Name: to("Cake"), Category: to("Sweets"), Price: to(int64(800)), At: later},
		Then: changed(menu.Product{ProductID: "p2", Name: "Cake", Category: "Sweets", Price: 800}),
	},
	{Name: "nothing is changed", Given: three, When: menu.ChangeProduct{ProductID: "p2", At: later}},
	{
		Name: "it is so already", Given: three,
		When: menu.ChangeProduct{ProductID: "p2", Name: to("Latte"), Category: to(menu.Drink), Price: to(int64(500)), At: later},
	},
	{
		Name: "changed to no name", Given: three,
		When: menu.ChangeProduct{ProductID: "p2", Name: to(""), At: later}, Refused: menu.ErrName,
	},
	{
		Name: "changed to no category", Given: three,
		When: menu.ChangeProduct{ProductID: "p2", Category: to(" "), At: later}, Refused: menu.ErrCategory,
	},
	{
		Name: "changed to a price below nothing", Given: three,
		When: menu.ChangeProduct{ProductID: "p2", Price: to(int64(-1)), At: later}, Refused: menu.ErrPrice,
	},
	{
		Name: "changed to the highest price in a currency of cents", Given: three,
		When: menu.ChangeProduct{ProductID: "p2", Price: to(int64(1_000_000_000)), Currency: "IDR", At: later},
		Then: changed(menu.Product{ProductID: "p2", Name: "Latte", Category: menu.Drink, Price: 1_000_000_000}),
	},
	{
		Name: "changed to more than that", Given: three,
		When: menu.ChangeProduct{ProductID: "p2", Price: to(int64(1_000_000_001)), Currency: "IDR", At: later}, Refused: menu.ErrPrice,
	},
	{
		Name: "changing what is not there", Given: three,
		When: menu.ChangeProduct{ProductID: "p9", Price: to(int64(1)), At: later}, Refused: menu.ErrUnknown,
	},
	{
		Name: "changing what was removed", Given: slices.Concat(three, events{removed}),
		When: menu.ChangeProduct{ProductID: "p2", Price: to(int64(1)), At: later}, Refused: menu.ErrUnknown,
	},
	{
		Name: "changing on a full menu", Given: slices.Concat(full(1999), events{added(latte)}),
		When: menu.ChangeProduct{ProductID: "p2", Name: to("Cake"), At: later},
		Then: changed(menu.Product{ProductID: "p2", Name: "Cake", Category: menu.Drink, Price: 500}),
	},
}

var (
	remove  = menu.RemoveProduct{ProductID: "p2", At: later}
	removed = menu.ProductRemoved{ProductID: "p2", At: later}
)

var removals = []menuCase{
	{Name: "a product is removed", Given: three, When: remove, Then: events{removed}},
	{Name: "the only product is removed", Given: three[:1], When: remove, Then: events{removed}},
	{Name: "removing from an empty menu", When: remove, Refused: menu.ErrUnknown},
	{Name: "removing twice", Given: slices.Concat(three, events{removed}), When: remove, Refused: menu.ErrUnknown},
}

func TestEvolveTellsWhatIsOffered(t *testing.T) {
	cake := menu.Product{ProductID: "p2", Name: "Cake", Category: "Sweets", Price: 800}
	got := menu.Decider.Fold(menu.Decider.Initial(),
		added(tea), added(latte), added(rice), menu.ProductChanged{Product: cake, At: later},
		menu.ProductRemoved{ProductID: "p3", At: later}, menu.ProductRemoved{ProductID: "p9", At: later})
	if !slices.Equal(got.Products, []menu.Product{rice, cake}) {
		t.Errorf("the menu offers %+v", got.Products)
	}
	if p, known := got.Product("p2"); !known || p != cake {
		t.Errorf("p2 is %+v, %v", p, known)
	}
	for _, id := range []string{"", "p3", "p9"} {
		if p, known := got.Product(id); known || p != (menu.Product{}) {
			t.Errorf("%q is %+v", id, p)
		}
	}
}
