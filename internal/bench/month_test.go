package bench

import (
	"slices"
	"testing"
	"time"
)

// Whatever the scale, the month sells exactly as much as it should, every store sells, and no tab is out of the month.
func TestMonthAddsUp(t *testing.T) {
	for _, scale := range []float64{0.001, 0.0123, 0.1} {
		m := reference(scale)
		tabs, lines, stores := 0, 0, map[int]int{}
		first, last := time.Date(2025, 1, 1, 0, 0, 0, 0, m.zone), time.Date(2025, 2, 1, 0, 0, 0, 0, m.zone)
		for p := range m.pieces {
			for i, sold := range p.tabs {
				if sold.id != tabs {
					t.Fatalf("tab %d comes as the %dth", sold.id, tabs)
				}
				if sold.at.Before(first) || !sold.at.Before(last) || i > 0 && sold.at.Before(p.tabs[i-1].at) {
					t.Fatalf("tab %d is at %s", sold.id, sold.at)
				}
				if n := len(sold.lines); n < 1 || n > 6 {
					t.Fatalf("tab %d has %d lines", sold.id, n)
				}
				tabs++
				lines += len(sold.lines)
			}
			stores[p.store] += len(p.tabs)
		}
		if tabs != m.tabs || lines != m.lines || len(stores) != m.stores {
			t.Errorf("scale %g: %d tabs, %d lines, %d stores, want %d, %d, %d", scale, tabs, lines, len(stores), m.tabs, m.lines, m.stores)
		}
	}
	if m := reference(1); m.tabs != 930_100 || m.lines != 2_791_000 || m.stores*m.products != 1000 {
		t.Errorf("at scale 1 the month is %+v", m)
	}
}

// The log and the tables are filled from different passes over the month: each must draw the same.
func TestMonthIsTheSameEachTime(t *testing.T) {
	pass := func() (all []string) {
		m := reference(0.001)
		for p := range m.pieces {
			for _, s := range p.tabs {
				all = append(all, s.at.String()+s.tender.CardCompany)
				for _, l := range s.lines {
					all = append(all, m.productName(p.store, l.product)+string(rune('0'+l.quantity)))
				}
			}
		}
		return all
	}
	if !slices.Equal(pass(), pass()) {
		t.Error("two passes differ")
	}
}

// A tab's lines are of different products, and a store's first products sell best.
func TestMonthMenu(t *testing.T) {
	m := newMonth(1, 10, 0.01)
	counts := make([]int, m.products)
	for p := range m.pieces {
		for _, s := range p.tabs {
			seen := map[int]bool{}
			for _, l := range s.lines {
				if seen[l.product] || l.quantity < 1 || l.quantity > 3 {
					t.Fatalf("tab %d: %+v", s.id, s.lines)
				}
				seen[l.product] = true
				counts[l.product]++
			}
		}
	}
	if counts[0] <= counts[9] || slices.Min(counts) == 0 {
		t.Errorf("products sold %v times", counts)
	}
}
