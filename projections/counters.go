package projections

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"daybook/domain/calendar"
	"daybook/domain/settlement"
	"daybook/domain/stream"
	"daybook/domain/tab"
)

// Counters are the figures of each store and period: what was sold of each product, and what was taken by each method
// and card company. Partition: PeriodPartition. Fields: see the functions below. A tab counts once, whole, in the
// periods of the business date on which its last payment closed it; so the Closed event is all they are made of, and
// the sum over products equals the sum over tenders equals CountGross.
var Counters = Model{
	Name: "counters", Version: 3, Types: slices.Sorted(maps.Keys(countedFacts)), Category: stream.TabCategory,
	NewFold: func() Fold { return new(counterFold) },
}

// Fields of a period that are not by product or tender.
const (
	CountTabs  = "tabs"  // how many tabs closed
	CountGross = "gross" // what they amount to
	CountItems = "items" // how many items they sold
)

// Kinds of the fields by product and by tender.
const (
	countQuantity = "quantity|"
	countAmount   = "amount|"
	countName     = "name|" // a row, a soldName: what the product was called by the latest sale of the period
	countTender   = "tender|"
	countFee      = "fee|"
)

// PeriodPartition is the partition of a store's period.
func PeriodPartition(storeID string, p calendar.Period) string {
	return storeID + "|" + string(p.Term) + "|" + p.Start.String()
}

// TenderField is the field of what was taken by a method and card company; FeeField that of the fees on it.
func TenderField(m tab.Method, cardCompany string) string {
	return countTender + string(m) + "|" + cardCompany
}

// FeeField is the field of the fees on what was taken by a method and card company.
func FeeField(m tab.Method, cardCompany string) string {
	return countFee + string(m) + "|" + cardCompany
}

// PeriodFigures are the counters of one period, read back.
type PeriodFigures struct {
	Tabs, Gross, Items int64
	Products           []ProductFigures // in byte order of product id and category
	Tenders            []TenderFigures  // in byte order of method and card company
}

// ProductFigures are what a period sold of one product. A product that changed its category within the period has
// one for each.
type ProductFigures struct {
	ProductID, Category, Name string
	Quantity, Amount          int64
}

// TenderFigures are what a period took by one method and card company.
type TenderFigures struct {
	Method, CardCompany string
	Amount, Fee         int64
}

// ReadPeriod makes figures of a period's entries, which must be in byte order.
func ReadPeriod(entries []Entry) (PeriodFigures, error) {
	var p PeriodFigures
	var named, counted int // products that have their name, and their quantity: the kinds list them in the same order
	tenders := map[string]Value{}
	for _, e := range entries {
		kind, of, _ := strings.Cut(e.Field, "|")
		switch kind + "|" {
		case CountTabs + "|":
			p.Tabs = e.Counter
		case CountGross + "|":
			p.Gross = e.Counter
		case CountItems + "|":
			p.Items = e.Counter
		case countAmount: // the first of a product's fields
			id, category, _ := strings.Cut(of, "|")
			p.Products = append(p.Products, ProductFigures{ProductID: id, Category: category, Amount: e.Counter})
		case countName:
			f, err := p.product(named, of)
			var called soldName
			if err == nil {
				called, err = readSoldName(e.Row)
			}
			if err != nil {
				return p, fmt.Errorf("name of product %s: %w", of, err)
			}
			f.Name = called.name
			named++
		case countQuantity:
			f, err := p.product(counted, of)
			if err != nil {
				return p, fmt.Errorf("quantity of product %s: %w", of, err)
			}
			f.Quantity = e.Counter
			counted++
		case countTender, countFee:
			tenders[e.Field] = e.Value
		}
	}
	if named != len(p.Products) || counted != len(p.Products) {
		return p, fmt.Errorf("%d products with %d names and %d quantities", len(p.Products), named, counted)
	}
	p.Tenders = ReadTenders(tenders)
	return p, nil
}

// product is the n-th product, which must be the one that a field is of.
func (p *PeriodFigures) product(n int, of string) (*ProductFigures, error) {
	if n < len(p.Products) {
		f := &p.Products[n]
		if id, category, _ := strings.Cut(of, "|"); f.ProductID == id && f.Category == category {
			return f, nil
		}
	}
	return nil, errors.New("no amount")
}

// TenderFields are the fields of all methods and card companies that there ever were.
func TenderFields(all settlement.Policies) []string {
	fields := []string{TenderField(tab.Cash, ""), FeeField(tab.Cash, "")}
	for _, company := range all.Companies() {
		fields = append(fields, TenderField(tab.Card, company), FeeField(tab.Card, company))
	}
	return fields
}

// ReadTenders makes figures of the tender fields of a period, in byte order of method and card company.
func ReadTenders(values map[string]Value) []TenderFigures {
	var tenders []TenderFigures
	for _, field := range slices.Sorted(maps.Keys(values)) {
		of, tender := strings.CutPrefix(field, countTender)
		if !tender {
			continue
		}
		method, company, _ := strings.Cut(of, "|")
		tenders = append(tenders, TenderFigures{
			Method: method, CardCompany: company,
			Amount: values[field].Counter, Fee: values[countFee+of].Counter,
		})
	}
	return tenders
}
