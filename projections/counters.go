package projections

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"daybook/domain/calendar"
	"daybook/domain/money"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
)

// Counters are the figures of each store and period: what was sold of each product, and what was taken by each method
// and card company. Partition: PeriodPartition. Fields: see the functions below. A tab counts once, whole, in the
// periods of the business date on which its last payment closed it; so the Closed event is all they are made of, and
// the sum over products equals the sum over tenders equals CountGross.
var Counters = Model{
	Name: "counters", Version: 1, Types: []string{tab.ClosedType}, Category: stream.TabCategory,
	NewFold: func() Fold { return &counterFold{days: map[dayKey]*sums{}} },
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
	countName     = "name|" // a row: the product's name as last sold in the period
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
			if err == nil {
				f.Name, err = readName(e.Row)
			}
			if err != nil {
				return p, fmt.Errorf("name of product %s: %w", of, err)
			}
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

// readName reads a JSON string. Most need no decoding.
func readName(row json.RawMessage) (name string, err error) {
	if last := len(row) - 1; last > 0 && row[0] == '"' && row[last] == '"' && !bytes.ContainsAny(row[1:last], `"\`) {
		return string(row[1:last]), nil
	}
	return name, json.Unmarshal(row, &name)
}

// TenderFields are the fields of all methods and card companies there are.
func TenderFields() []string {
	fields := []string{TenderField(tab.Cash, ""), FeeField(tab.Cash, "")}
	for company := range tab.FeeRates {
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

// counterFold sums a batch by store and business date first. Weeks and months are made of the days at the end, which
// is a quarter of the work of adding every line to four periods.
//
// The strings of an event each keep all of its text in memory. So what stays here is cloned.
type counterFold struct {
	reader tab.ClosedReader
	events int
	order  []dayKey
	days   map[dayKey]*sums
	// Tabs come store by store or day by day, so the next one mostly is of the same day.
	last    dayKey
	lastDay *sums
}

type dayKey struct {
	storeID       string
	date          calendar.Date
	settlementDay int
}

func (k dayKey) clone() dayKey {
	k.storeID = strings.Clone(k.storeID)
	return k
}

// sums are what some events add to one period.
type sums struct {
	tabs, gross, items int64
	products           inOrder[productKey, productSums]
	tenders            inOrder[tenderKey, tenderSums]
}

type productKey struct{ id, category string }

func (k productKey) clone() productKey {
	return productKey{strings.Clone(k.id), strings.Clone(k.category)}
}

type tenderKey struct{ method, cardCompany string }

func (k tenderKey) clone() tenderKey {
	return tenderKey{strings.Clone(k.method), strings.Clone(k.cardCompany)}
}

type productSums struct {
	name             string
	named            int // by which event of the batch, counted from 1
	quantity, amount int64
}

type tenderSums struct{ amount, fee int64 }

// cloned is a key of which a copy can be kept.
type cloned[K any] interface {
	comparable
	clone() K
}

// inOrder is a map that remembers in which order its keys came, so that equal batches make equal changes.
type inOrder[K cloned[K], V any] struct {
	keys   []K
	values map[K]*V
}

func (m *inOrder[K, V]) at(key K) *V {
	v, met := m.values[key]
	if !met {
		if m.values == nil {
			m.values = map[K]*V{}
		}
		key, v = key.clone(), new(V)
		m.values[key] = v
		m.keys = append(m.keys, key)
	}
	return v
}

// checkedSum adds until a sum overflows, and remembers that it did.
type checkedSum struct{ err error }

func (s *checkedSum) add(to *int64, n int64) {
	if s.err != nil {
		return
	}
	if *to, s.err = money.Add(*to, n); s.err != nil {
		s.err = fmt.Errorf("%w: %w", ErrOverflow, s.err)
	}
}

func (f *counterFold) Add(e eventstore.Event) error {
	closed, err := f.reader.Read(e.Data)
	if err != nil {
		return fmt.Errorf("event %s: %w", e.Type, err)
	}
	f.events++
	day := f.day(dayKey{closed.StoreID, closed.BusinessDate, closed.SettlementDay})
	sum := checkedSum{}
	sum.add(&day.tabs, 1)
	sum.add(&day.gross, closed.Amount)
	for i := range closed.Lines {
		line := &closed.Lines[i]
		p := day.products.at(productKey{line.ProductID, line.Category})
		p.named = f.events
		if p.name != line.Name {
			p.name = strings.Clone(line.Name)
		}
		sum.add(&p.quantity, line.Quantity)
		sum.add(&p.amount, line.Amount)
		sum.add(&day.items, line.Quantity)
	}
	for _, t := range closed.Payments {
		tender := day.tenders.at(tenderKey{string(t.Method), t.CardCompany})
		sum.add(&tender.amount, t.Amount)
		sum.add(&tender.fee, t.Fee)
	}
	return sum.err
}

func (f *counterFold) day(key dayKey) *sums {
	if f.lastDay != nil && key == f.last {
		return f.lastDay
	}
	day, met := f.days[key]
	key = key.clone()
	if !met {
		day = &sums{}
		f.days[key] = day
		f.order = append(f.order, key)
	}
	f.last, f.lastDay = key, day
	return day
}

// periodName is a PeriodPartition.
type periodName string

func (p periodName) clone() periodName { return p }

// Changes adds every day to its four periods.
func (f *counterFold) Changes(context.Context, ReadRows) ([]Change, error) {
	var periods inOrder[periodName, sums]
	for _, key := range f.order {
		for _, term := range calendar.Terms {
			partition := PeriodPartition(key.storeID, calendar.Containing(term, key.date, key.settlementDay))
			if err := periods.at(periodName(partition)).merge(f.days[key]); err != nil {
				return nil, err
			}
		}
	}
	size := 0
	for _, p := range periods.values {
		size += p.fields()
	}
	changes, err := make([]Change, 0, size), error(nil)
	for _, partition := range periods.keys {
		if changes, err = periods.values[partition].appendTo(changes, string(partition)); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// merge adds other sums of the same batch. Of two names of a product, the later one stays.
func (s *sums) merge(other *sums) error {
	sum := checkedSum{}
	sum.add(&s.tabs, other.tabs)
	sum.add(&s.gross, other.gross)
	sum.add(&s.items, other.items)
	for _, key := range other.products.keys {
		from, to := other.products.values[key], s.products.at(key)
		if from.named > to.named {
			to.name, to.named = from.name, from.named
		}
		sum.add(&to.quantity, from.quantity)
		sum.add(&to.amount, from.amount)
	}
	for _, key := range other.tenders.keys {
		from, to := other.tenders.values[key], s.tenders.at(key)
		sum.add(&to.amount, from.amount)
		sum.add(&to.fee, from.fee)
	}
	return sum.err
}

// fields is how many the sums have in a period.
func (s *sums) fields() int { return 3 + 3*len(s.products.keys) + 2*len(s.tenders.keys) }

// appendTo appends the changes that the sums make to a period.
func (s *sums) appendTo(changes []Change, partition string) ([]Change, error) {
	add := func(field string, n int64) {
		changes = append(changes, Change{Partition: partition, Field: field, Op: Add, Delta: n})
	}
	add(CountTabs, s.tabs)
	add(CountGross, s.gross)
	add(CountItems, s.items)
	for _, key := range s.products.keys {
		p, of := s.products.values[key], key.id+"|"+key.category
		name, err := json.Marshal(p.name)
		if err != nil {
			return nil, err
		}
		changes = append(changes, Change{Partition: partition, Field: countName + of, Op: Put, Row: name})
		add(countQuantity+of, p.quantity)
		add(countAmount+of, p.amount)
	}
	for _, key := range s.tenders.keys {
		t := s.tenders.values[key]
		add(TenderField(tab.Method(key.method), key.cardCompany), t.amount)
		add(FeeField(tab.Method(key.method), key.cardCompany), t.fee)
	}
	return changes, nil
}
