package commands

import (
	"cmp"
	"maps"
	"slices"

	"daybook/domain/menu"
	"daybook/internal/auth"
)

// lastSold remembers the products that were sold last, as many as a menu may have, as they were sold last. Sales must come
// in the order of time: then what is forgotten was sold before all that is remembered.
type lastSold struct {
	products map[string]soldProduct // by code
	lines    int                    // that came
}

type soldProduct struct {
	SaleLine
	line int // the number of the last line, counted from 1
}

func (p soldProduct) compare(q soldProduct) int { return cmp.Compare(p.line, q.line) }

func (s *lastSold) add(lines []SaleLine) {
	if s.products == nil {
		s.products = map[string]soldProduct{}
	}
	for _, l := range lines {
		s.lines++
		s.products[l.Code] = soldProduct{l, s.lines}
		if len(s.products) >= 2*menu.ProductsMax {
			for _, old := range s.sorted()[:len(s.products)-menu.ProductsMax] {
				delete(s.products, old.Code)
			}
		}
	}
}

func (s *lastSold) sorted() []soldProduct {
	return slices.SortedFunc(maps.Values(s.products), soldProduct.compare)
}

// menu returns the products, those that were sold last first.
func (s *lastSold) menu(of auth.Store) []menu.Product {
	sold := s.sorted()
	slices.Reverse(sold)
	products := make([]menu.Product, min(len(sold), menu.ProductsMax))
	for i := range products {
		products[i] = sold[i].product(of)
	}
	return products
}
