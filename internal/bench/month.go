package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"daybook/commands"
	"daybook/domain/calendar"
	"daybook/domain/tab"
	"daybook/internal/zones"
)

// The month that the reference system published its timings for (specification 7.6): how much was sold at scale 1.
const (
	monthTabs  = 930_100
	monthLines = 2_791_000
)

// month is what some stores sold in January 2025, drawn by a seeded generator: the same for everybody, and made again
// piece by piece wherever it is needed, so that it is never in memory whole.
type month struct {
	stores, products int // products of each store
	tabs, lines      int
	zone             *time.Location
}

var (
	monthStart = calendar.MustParse("2025-01-01")
	monthEnd   = calendar.MustParse("2025-02-01")
)

const monthDays = 31

// reference is the month of 1,000 products in 100 stores, at a scale.
func reference(scale float64) month {
	return newMonth(100, 10, scale)
}

func newMonth(stores, products int, scale float64) month {
	zone, err := zones.Load("Asia/Seoul")
	if err != nil {
		panic(err) // the program carries the time zones
	}
	return month{
		stores: stores, products: products, zone: zone,
		tabs: int(math.Round(scale * monthTabs)), lines: int(math.Round(scale * monthLines)),
	}
}

// sold is one tab of the month.
type sold struct {
	id     int // counted through the month from 0
	at     time.Time
	lines  []soldLine
	tender commands.Tender
}

type soldLine struct{ product, quantity int } // product counted within its store

// amount of a line, in won.
func (m month) amount(l soldLine) int64 { return int64(l.quantity) * m.price(l.product) }

// price of a store's product, in won.
func (m month) price(product int) int64 { return int64(1000 + 500*(product%25)) }

func (m month) storeName(store int) string { return fmt.Sprintf("Store %d", store) }

func (m month) category(product int) string {
	return []string{"MAIN_MENU", "SUB_MENU", "DRINK"}[product%3]
}

func (m month) productName(store, product int) string {
	return fmt.Sprintf("Product %d", store*m.products+product)
}

// weights of the hours of a day: who eats when.
var hourWeights = [24]int{8: 1, 9: 2, 10: 3, 11: 8, 12: 14, 13: 9, 14: 4, 15: 3, 16: 3, 17: 6, 18: 12, 19: 13, 20: 9, 21: 5, 22: 2, 23: 1}

// share is a store's share of what is sold on a day: stores differ by up to three times, and weekends sell more.
func share(day, store int) int {
	weight := 50 + store*37%101
	if weekday := (monthStart + calendar.Date(day)).Weekday(); weekday == time.Saturday || weekday == time.Sunday {
		weight = weight * 3 / 2
	}
	return weight
}

// ranges says which tabs each store sells on each day: those from [d][s] to (not including) the next one. All tabs of
// the month are dealt out, in whole numbers, by weight.
func (m month) ranges() (starts []int) {
	total, sum := 0, 0
	for day := range monthDays {
		for store := range m.stores {
			total += share(day, store)
		}
	}
	for day := range monthDays {
		for store := range m.stores {
			starts = append(starts, int(int64(m.tabs)*int64(sum)/int64(total)))
			sum += share(day, store)
		}
	}
	return append(starts, m.tabs)
}

var tenders = []commands.Tender{{Method: tab.Cash}, {Method: tab.Card, CardCompany: "K"}, {Method: tab.Card, CardCompany: "H"}, {Method: tab.Card, CardCompany: "S"}}

// draw makes the tabs from first to last (exclusive), which a store sells on a day, in the order of their times.
func (m month) draw(day, store, first, last int) []sold {
	random := rand.New(rand.NewPCG(uint64(day)+1, uint64(store)+1))
	times := make([]time.Time, last-first)
	for i := range times {
		times[i] = m.moment(random, day)
	}
	slices.SortFunc(times, time.Time.Compare)
	tabs := make([]sold, last-first)
	for i := range tabs {
		n := first + i
		tabs[i] = sold{id: n, at: times[i], tender: tenders[random.IntN(len(tenders))], lines: m.drawLines(random, m.linesOf(n))}
	}
	return tabs
}

func (m month) moment(random *rand.Rand, day int) time.Time {
	total := 0
	for _, weight := range hourWeights {
		total += weight
	}
	left, hour := random.IntN(total), 0
	for left >= hourWeights[hour] {
		left -= hourWeights[hour]
		hour++
	}
	return time.Date(2025, 1, 1+day, hour, random.IntN(60), random.IntN(60), 0, m.zone)
}

// linesOf deals out the month's lines: 1 to 6 for each tab, 3 in the mean.
func (m month) linesOf(n int) int {
	upTo := func(n int) int { return int(int64(m.lines) * int64(n) / int64(m.tabs)) }
	lines := upTo(n+1) - upTo(n)
	swing := []int{0, 1, -1, 2, -2, 0}[n%6]
	if n-n%6+6 > m.tabs { // the last ones, which have no partner to swing with
		swing = 0
	}
	return lines + swing
}

// drawLines draws lines of different products; a store's first products sell best.
func (m month) drawLines(random *rand.Rand, n int) []soldLine {
	lines := make([]soldLine, 0, n)
	for len(lines) < n {
		product := int(float64(m.products) * math.Pow(random.Float64(), 1.5))
		if slices.ContainsFunc(lines, func(l soldLine) bool { return l.product == product }) {
			continue
		}
		lines = append(lines, soldLine{product, 1 + random.IntN(3)})
	}
	return lines
}

// piece is what one store sold on one day.
type piece struct {
	store int
	tabs  []sold
}

// pieces are the month, day by day and store by store.
func (m month) pieces(yield func(piece) bool) {
	starts := m.ranges()
	for i := range len(starts) - 1 {
		day, store := i/m.stores, i%m.stores
		if !yield(piece{store, m.draw(day, store, starts[i], starts[i+1])}) {
			return
		}
	}
}

// sales are a store's tabs as they are imported, by the way in which they were paid.
func (m month) sales(p piece) map[commands.Tender][]commands.Sale {
	sales := map[commands.Tender][]commands.Sale{}
	for _, t := range p.tabs {
		sale := commands.Sale{OrderID: fmt.Sprint(t.id), At: t.at}
		for _, l := range t.lines {
			sale.Lines = append(sale.Lines, commands.SaleLine{
				Code: fmt.Sprint(l.product), Name: m.productName(p.store, l.product), Category: m.category(l.product),
				Quantity: int64(l.quantity), UnitPrice: m.price(l.product),
			})
		}
		sales[t.tender] = append(sales[t.tender], sale)
	}
	return sales
}
