package readapi

import (
	"cmp"
	"container/heap"
	"net/http"
	"slices"

	"daybook/domain/calendar"
	"daybook/internal/httpapi"
	"daybook/projections"
)

// productSales is a product's place among what a period sold.
type productSales struct {
	Rank       int    `json:"rank"`
	ProductID  string `json:"productId"`
	Name       string `json:"name"`
	Category   string `json:"category"`
	SaleCount  int64  `json:"saleCount"`
	SaleAmount int64  `json:"saleAmount"`
}

type productStatistics struct {
	Term     string         `json:"term"`
	Start    calendar.Date  `json:"start"`
	End      calendar.Date  `json:"end"` // the first day after the period
	Currency string         `json:"currency"`
	Items    []productSales `json:"items"`
	Total    struct {
		SaleCount  int64 `json:"saleCount"`
		SaleAmount int64 `json:"saleAmount"`
	} `json:"total"` // of all products of the category, listed or not
}

// productsLimitDefault is the reference system's top five.
const productsLimitDefault, productsLimitMax = 5, 2000

var errSort = httpapi.NewProblem(http.StatusBadRequest, "invalid_sort", "sort is COUNT or AMOUNT")

func (a *API) productStatistics(q query) (any, error) {
	p, err := periodOf(q, statisticsTerms, "start")
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(q, productsLimitDefault, productsLimitMax)
	if err != nil {
		return nil, err
	}
	measure := productAmount
	switch q.value("sort") {
	case "COUNT":
		measure = productQuantity
	case "AMOUNT", "":
	default:
		return nil, errSort
	}
	figures, err := a.figures(q, p)
	if err != nil {
		return nil, err
	}
	body := productStatistics{Term: q.value("term"), Start: p.Start, End: p.End, Currency: q.store.Currency, Items: []productSales{}}
	best, category := ranking{measure: measure, limit: limit}, q.value("category")
	if body.Total.SaleCount, body.Total.SaleAmount, err = projections.SoldIn(figures.Products, category); err != nil {
		return nil, err
	}
	for i := range figures.Products {
		f := &figures.Products[i]
		if category != "" && f.Category != category {
			continue
		}
		best.add(f)
	}
	for i, f := range best.sorted() {
		body.Items = append(body.Items, productSales{i + 1, f.ProductID, f.Name, f.Category, f.Quantity, f.Amount})
	}
	return body, nil
}

func productAmount(f *projections.ProductFigures) int64   { return f.Amount }
func productQuantity(f *projections.ProductFigures) int64 { return f.Quantity }

// ranking finds the products with the highest measure, limit of them at most. It is a heap with the last of those found
// so far on top: most products are only compared with that.
type ranking struct {
	measure func(*projections.ProductFigures) int64
	limit   int
	found   []*projections.ProductFigures
}

func (r *ranking) add(f *projections.ProductFigures) {
	switch {
	case len(r.found) < r.limit:
		heap.Push(r, f)
	case r.compare(f, r.found[0]) < 0:
		r.found[0] = f
		heap.Fix(r, 0)
	}
}

// sorted returns what was found, the highest first, equal ones by name. Nothing may be added after that.
func (r *ranking) sorted() []*projections.ProductFigures {
	slices.SortFunc(r.found, r.compare)
	return r.found
}

func (r *ranking) compare(a, b *projections.ProductFigures) int {
	if by := cmp.Compare(r.measure(b), r.measure(a)); by != 0 {
		return by
	}
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ProductID, b.ProductID), cmp.Compare(a.Category, b.Category))
}

func (r *ranking) Len() int           { return len(r.found) }
func (r *ranking) Less(i, j int) bool { return r.compare(r.found[i], r.found[j]) > 0 }
func (r *ranking) Swap(i, j int)      { r.found[i], r.found[j] = r.found[j], r.found[i] }
func (r *ranking) Push(f any)         { r.found = append(r.found, f.(*projections.ProductFigures)) }
func (r *ranking) Pop() any           { panic("nothing is taken out of a ranking") }

type periodSales struct {
	Start      calendar.Date `json:"start"`
	End        calendar.Date `json:"end"`
	GrossSales int64         `json:"grossSales"`
	Refunds    int64         `json:"refunds"` // there are none yet
	NetSales   int64         `json:"netSales"`
	Tabs       int64         `json:"tabs"`
	SaleCount  int64         `json:"saleCount"`
}

// periodsMax bounds the rows of one answer: somewhat more than three years of days.
const periodsMax = 1200

var errRange = httpapi.NewProblem(http.StatusBadRequest, "invalid_range", "to is the first day after the range: it must be after from, and at most 1200 periods away")

// salesStatistics answers with a row for every period that begins in [from, to), all as of one position.
func (a *API) salesStatistics(q query) (any, error) {
	periods, err := periodsOf(q)
	if err != nil {
		return nil, err
	}
	partitions := make([]string, len(periods))
	for i, p := range periods {
		partitions[i] = projections.PeriodPartition(q.store.StoreID, p)
	}
	sold, err := a.Counters.GetEach(q.ctx, q.at, partitions, projections.CountGross, projections.CountTabs, projections.CountItems)
	if err != nil {
		return nil, err
	}
	items := make([]periodSales, len(periods))
	for i, p := range periods {
		gross := sold[i][projections.CountGross].Counter
		items[i] = periodSales{
			Start: p.Start, End: p.End, GrossSales: gross, NetSales: gross,
			Tabs: sold[i][projections.CountTabs].Counter, SaleCount: sold[i][projections.CountItems].Counter,
		}
	}
	return map[string]any{"term": q.value("term"), "currency": q.store.Currency, "items": items}, nil
}

// periodsOf reads the range of periods that a query asks about.
func periodsOf(q query) ([]calendar.Period, error) {
	p, err := periodOf(q, statisticsTerms, "from")
	if err != nil {
		return nil, err
	}
	to, err := calendar.Parse(q.value("to"))
	if err != nil {
		return nil, errDate
	}
	if to <= p.Start {
		return nil, errRange
	}
	var periods []calendar.Period
	for ; p.Start < to; p = p.Next() {
		switch {
		case len(periods) == periodsMax:
			return nil, errRange
		case p.End > lastDate:
			return nil, errDate
		}
		periods = append(periods, p)
	}
	return periods, nil
}
