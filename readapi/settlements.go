package readapi

import (
	"cmp"
	"slices"

	"daybook/domain/calendar"
	"daybook/projections"
)

// settlement is what a period earned. operatingProfit = revenue - fee - posFee.
type settlement struct {
	Term            string        `json:"term"`
	Start           calendar.Date `json:"start"`
	End             calendar.Date `json:"end"` // the first day after the period
	Currency        string        `json:"currency"`
	Revenue         int64         `json:"revenue"`
	Fee             int64         `json:"fee"`
	PosFee          int64         `json:"posFee"` // of the store's grade; in a MONTH only
	OperatingProfit int64         `json:"operatingProfit"`
	Status          string        `json:"status"`  // OPEN: no statement was issued
	Version         int           `json:"version"` // of the statement; 0: none
}

func (a *API) settlement(q query) (any, error) {
	p, err := periodOf(q, settlementTerms, "start")
	if err != nil {
		return nil, err
	}
	tenders, err := a.Counters.Tenders(q.ctx, q.at, projections.PeriodPartition(q.store.StoreID, p))
	if err != nil {
		return nil, err
	}
	return settle(q, p, tenders)
}

func settle(q query, p calendar.Period, tenders []projections.TenderFigures) (settlement, error) {
	earned, err := projections.Settled(p, q.store.Grade, q.store.Currency, tenders)
	return settlement{
		Term: q.value("term"), Start: p.Start, End: p.End, Currency: q.store.Currency, Status: "OPEN",
		Revenue: earned.Revenue, Fee: earned.Fee, PosFee: earned.PosFee, OperatingProfit: earned.OperatingProfit,
	}, err
}

type settlementDetail struct {
	Term     string        `json:"term"`
	Start    calendar.Date `json:"start"`
	End      calendar.Date `json:"end"`
	Currency string        `json:"currency"`
	Revenue  struct {
		Amount     int64           `json:"amount"`
		Categories []categorySales `json:"categories"`
	} `json:"revenue"`
	Fee struct {
		Amount        int64     `json:"amount"`
		CardCompanies []cardFee `json:"cardCompanies"`
	} `json:"fee"`
	PosFee          int64 `json:"posFee"`
	OperatingProfit int64 `json:"operatingProfit"`
}

type categorySales struct {
	Category string            `json:"category"`
	Amount   int64             `json:"amount"`
	Products []categoryProduct `json:"products"`
}

type categoryProduct struct {
	ProductID string `json:"productId"`
	Name      string `json:"name"`
	Count     int64  `json:"count"`
	Amount    int64  `json:"amount"`
}

type cardFee struct {
	CardCompany string `json:"cardCompany"`
	Amount      int64  `json:"amount"`
}

func (a *API) settlementDetail(q query) (any, error) {
	p, err := periodOf(q, settlementTerms, "start")
	if err != nil {
		return nil, err
	}
	figures, err := a.figures(q, p)
	if err != nil {
		return nil, err
	}
	sums, err := settle(q, p, figures.Tenders)
	if err != nil {
		return nil, err
	}
	d := settlementDetail{
		Term: sums.Term, Start: p.Start, End: p.End, Currency: sums.Currency,
		PosFee: sums.PosFee, OperatingProfit: sums.OperatingProfit,
	}
	d.Revenue.Amount = sums.Revenue
	if d.Revenue.Categories, err = categories(figures.Products); err != nil {
		return nil, err
	}
	d.Fee.Amount, d.Fee.CardCompanies = sums.Fee, cardFees(figures.Tenders)
	return d, nil
}

// categories groups products; groups and products come with the highest amount first, equal ones by name. Error:
// money.ErrOverflow.
func categories(products []projections.ProductFigures) ([]categorySales, error) {
	amounts, err := projections.CategoryAmounts(products)
	if err != nil {
		return nil, err
	}
	all := ranking{measure: productAmount, limit: len(products)}
	for i := range products {
		all.add(&products[i])
	}
	groups := []categorySales{}
	place := map[string]int{}
	for _, f := range all.sorted() {
		i, met := place[f.Category]
		if !met {
			i = len(groups)
			place[f.Category] = i
			groups = append(groups, categorySales{Category: f.Category, Amount: amounts[f.Category]})
		}
		groups[i].Products = append(groups[i].Products, categoryProduct{f.ProductID, f.Name, f.Quantity, f.Amount})
	}
	slices.SortFunc(groups, func(a, b categorySales) int {
		return cmp.Or(cmp.Compare(b.Amount, a.Amount), cmp.Compare(a.Category, b.Category))
	})
	return groups, nil
}

// cardFees lists what each card company took, in the order of their letters.
func cardFees(tenders []projections.TenderFigures) []cardFee {
	fees := []cardFee{}
	for _, t := range tenders {
		if t.CardCompany != "" {
			fees = append(fees, cardFee{t.CardCompany, t.Fee})
		}
	}
	return fees
}
