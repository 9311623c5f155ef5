// Package menu decides what a store offers: products with a name, a category and a price.
//
// Not here: stock (it has a stream of its own), what was ordered (tab).
package menu

import (
	"slices"
	"strings"
	"time"

	"daybook/domain/event"
	"daybook/domain/money"
	"daybook/domain/name"
	"daybook/domain/refusal"
)

const (
	// PriceMax is the highest price, in main units of the currency.
	PriceMax = 10_000_000
	// ProductsMax is how many products a menu may offer at a time.
	ProductsMax = 2000
	// NameMax and CategoryMax are lengths in characters.
	NameMax, CategoryMax = 100, 30
)

// PriceLimit is the highest price in a currency: PriceMax of its main units.
func PriceLimit(c money.Currency) money.Money {
	return money.Money{Minor: PriceMax * c.Unit(), Currency: c}
}

// The categories of the reference system. A store may define its own: any name that fits.
const (
	MainMenu = "MAIN_MENU"
	SubMenu  = "SUB_MENU"
	Drink    = "DRINK"
)

// Product is something that a store sells.
type Product struct {
	ProductID string `json:"productId"`
	Name      string `json:"name"`
	Category  string `json:"category"`
	Price     int64  `json:"price"` // minor units of the store's currency, 0 to its PriceLimit
}

// State is a menu as its events tell it, sorted by product id. The zero State is an empty menu.
type State struct {
	Products []Product
}

// Product returns a product that is on the menu now, and whether there is one of that id.
func (s State) Product(id string) (Product, bool) {
	i, found := s.place(id)
	if !found {
		return Product{}, false
	}
	return s.Products[i], true
}

func (s State) place(id string) (int, bool) {
	return slices.BinarySearchFunc(s.Products, id, func(p Product, id string) int {
		return strings.Compare(p.ProductID, id)
	})
}

// Event is one of this file's events. These types are the storage format: a field may be added if its zero value is
// usable, nothing else may change.
//
//sumtype:decl
type Event interface {
	event.Stored
	menuEvent()
}

// ProductAdded: the menu offers one more product.
type ProductAdded struct {
	Product
	At time.Time `json:"at"`
}

// ProductChanged: this is what the product is from now on. What was ordered before keeps its price, name and category.
type ProductChanged struct {
	Product
	At time.Time `json:"at"`
}

// ProductRemoved: the product can no longer be ordered.
type ProductRemoved struct {
	ProductID string    `json:"productId"`
	At        time.Time `json:"at"`
}

func (ProductAdded) EventType() string   { return "menu.product_added.v1" }
func (ProductChanged) EventType() string { return "menu.product_changed.v1" }
func (ProductRemoved) EventType() string { return "menu.product_removed.v1" }

func (ProductAdded) menuEvent()   {}
func (ProductChanged) menuEvent() {}
func (ProductRemoved) menuEvent() {}

// Catalog reads every event name that was ever stored in a menu's stream.
var Catalog = event.Catalog[Event]{
	"menu.product_added.v1":   event.As[ProductAdded, Event],
	"menu.product_changed.v1": event.As[ProductChanged, Event],
	"menu.product_removed.v1": event.As[ProductRemoved, Event],
}

// Evolve folds one event into a menu.
func Evolve(s State, e Event) State {
	switch e := e.(type) {
	case ProductAdded:
		return s.with(e.Product)
	case ProductChanged:
		return s.with(e.Product)
	case ProductRemoved:
		if i, found := s.place(e.ProductID); found {
			s.Products = slices.Delete(slices.Clone(s.Products), i, i+1)
		}
	}
	return s
}

func (s State) with(p Product) State {
	i, found := s.place(p.ProductID)
	s.Products = slices.Clone(s.Products)
	if found {
		s.Products[i] = p
	} else {
		s.Products = slices.Insert(s.Products, i, p)
	}
	return s
}

// Command is one of this file's commands.
//
//sumtype:decl
type Command interface{ menuCommand() }

// AddProduct puts a product on the menu.
type AddProduct struct {
	Product
	Currency money.Currency // of the price
	At       time.Time
}

// ChangeProduct changes those properties of a product that are not nil.
type ChangeProduct struct {
	ProductID      string
	Name, Category *string
	Price          *int64
	Currency       money.Currency // of the price
	At             time.Time
}

// RemoveProduct takes a product off the menu.
type RemoveProduct struct {
	ProductID string
	At        time.Time
}

// Offer puts those products on the menu that it does not have yet, in their order, as far as there is room.
type Offer struct {
	Products []Product
	Currency money.Currency // of the prices
	At       time.Time
}

func (AddProduct) menuCommand()    {}
func (Offer) menuCommand()         {}
func (ChangeProduct) menuCommand() {}
func (RemoveProduct) menuCommand() {}

// What a menu refuses.
var (
	ErrName     = refusal.New(refusal.Invalid, "invalid_name", "a product's name has 1 to 100 characters, none of them a control character")
	ErrCategory = refusal.New(refusal.Invalid, "invalid_category", "a category has 1 to 30 characters, none of them a control character")
	ErrPrice    = refusal.New(refusal.Invalid, "invalid_price", "a price is 0 to 10000000 main units of the store's currency")
	ErrUnknown  = refusal.New(refusal.Unknown, "product_not_found", "there is no such product")
	ErrExists   = refusal.New(refusal.Conflict, "product_exists", "there is a product of that id")
	ErrFull     = refusal.New(refusal.TooMuch, "product_limit_reached", "a menu may have 2000 products")
)

// Decider is the menu's behaviour.
var Decider = event.Decider[State, Command, Event]{
	Initial: func() State { return State{} },
	Decide:  Decide,
	Evolve:  Evolve,
	Catalog: Catalog,
}

// Decide says what follows from a command.
func Decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case AddProduct:
		return add(s, c)
	case Offer:
		return offer(s, c)
	case ChangeProduct:
		return change(s, c)
	case RemoveProduct:
		if _, known := s.Product(c.ProductID); !known {
			return nil, ErrUnknown
		}
		return []Event{ProductRemoved(c)}, nil
	}
	return nil, nil
}

func add(s State, c AddProduct) ([]Event, error) {
	if _, known := s.Product(c.ProductID); known {
		return nil, ErrExists
	}
	if len(s.Products) >= ProductsMax {
		return nil, ErrFull
	}
	if err := check(c.Product, c.Currency); err != nil {
		return nil, err
	}
	return []Event{ProductAdded{c.Product, c.At}}, nil
}

func offer(s State, c Offer) (events []Event, err error) {
	met := map[string]bool{}
	for _, p := range c.Products {
		_, known := s.Product(p.ProductID)
		switch err := check(p, c.Currency); {
		case err != nil:
			return nil, err
		case known || met[p.ProductID]:
			continue
		case len(s.Products)+len(events) >= ProductsMax:
			return events, nil
		}
		met[p.ProductID] = true
		events = append(events, ProductAdded{p, c.At})
	}
	return events, nil
}

func change(s State, c ChangeProduct) ([]Event, error) {
	was, known := s.Product(c.ProductID)
	if !known {
		return nil, ErrUnknown
	}
	is := was
	if c.Name != nil {
		is.Name = *c.Name
	}
	if c.Category != nil {
		is.Category = *c.Category
	}
	if c.Price != nil {
		is.Price = *c.Price
	}
	if err := check(is, c.Currency); err != nil {
		return nil, err
	}
	if is == was {
		return nil, nil
	}
	return []Event{ProductChanged{is, c.At}}, nil
}

func check(p Product, c money.Currency) error {
	switch {
	case !name.Valid(p.Name, NameMax):
		return ErrName
	case !name.Valid(p.Category, CategoryMax):
		return ErrCategory
	case p.Price < 0 || p.Price > PriceLimit(c).Minor:
		return ErrPrice.With("a price is 0 to %s, in minor units", PriceLimit(c))
	}
	return nil
}
