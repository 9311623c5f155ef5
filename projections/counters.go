package projections

import (
	"bytes"
	"cmp"
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
type counterFold struct {
	reader tab.ClosedReader
	events int
	days   sumsBy[dayKey, sums]
	// Tabs come store by store or day by day, so the next one mostly is of the same day.
	last    dayKey
	lastDay *sums
}

type dayKey struct {
	storeID       string
	date          calendar.Date
	settlementDay int
}

func (k dayKey) compare(l dayKey) int {
	return cmp.Or(strings.Compare(k.storeID, l.storeID), cmp.Compare(k.date, l.date), cmp.Compare(k.settlementDay, l.settlementDay))
}

// sums are what some events add to one period.
type sums struct {
	tabs, gross, items int64
	products           sumsBy[productKey, productSums]
	worded             []*productSums // those of products, by the reader's wordings of lines; nil for one not met
	tenders            sumsBy[tenderKey, tenderSums]
}

type productKey struct{ id, category string }

type tenderKey struct{ method, cardCompany string }

type productSums struct {
	name             string
	named            int // by which event of the batch, counted from 1
	quantity, amount int64
}

type tenderSums struct{ amount, fee int64 }

// sumsBy are sums by their keys, made as they are asked for.
type sumsBy[K comparable, V any] map[K]*V

func (m *sumsBy[K, V]) at(key K) *V {
	v, met := (*m)[key]
	if !met {
		if *m == nil {
			*m = sumsBy[K, V]{}
		}
		v = new(V)
		(*m)[key] = v
	}
	return v
}

// product is the sums that a line is added to. A wording that was met before need not be looked for.
func (s *sums) product(line *tab.Sold, wording int) *productSums {
	if wording >= 0 && wording < len(s.worded) && s.worded[wording] != nil {
		return s.worded[wording]
	}
	p := s.products.at(productKey{line.ProductID, line.Category})
	if wording >= 0 {
		s.worded = append(s.worded, make([]*productSums, max(0, wording+1-len(s.worded)))...)
		s.worded[wording] = p
	}
	return p
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
	wordings := f.reader.Wordings()
	for i := range closed.Lines {
		line := &closed.Lines[i]
		p := day.product(line, wordings[i])
		p.name, p.named = line.Name, f.events
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
	f.last, f.lastDay = key, f.days.at(key)
	return f.lastDay
}

// Changes adds every day to its four periods. The changes are in byte order of partition and field: sinks take a large
// batch several times as fast so.
func (f *counterFold) Changes(context.Context, ReadRows) ([]Change, error) {
	var periods sumsBy[string, sums]
	for _, key := range slices.SortedFunc(maps.Keys(f.days), dayKey.compare) { // so that equal batches overflow alike
		for _, term := range calendar.Terms {
			partition := PeriodPartition(key.storeID, calendar.Containing(term, key.date, key.settlementDay))
			if err := periods.at(partition).merge(f.days[key]); err != nil {
				return nil, err
			}
		}
	}
	size := 0
	for _, p := range periods {
		size += p.fields()
	}
	changes, err := make([]Change, 0, size), error(nil)
	for _, partition := range slices.Sorted(maps.Keys(periods)) {
		from := len(changes)
		if changes, err = periods[partition].appendTo(changes, partition); err != nil {
			return nil, err
		}
		slices.SortFunc(changes[from:], Change.Compare)
	}
	return changes, nil
}

// merge adds other sums of the same batch. Of two names of a product, the later one stays.
func (s *sums) merge(other *sums) error {
	sum := checkedSum{}
	sum.add(&s.tabs, other.tabs)
	sum.add(&s.gross, other.gross)
	sum.add(&s.items, other.items)
	for key, from := range other.products {
		to := s.products.at(key)
		if from.named > to.named {
			to.name, to.named = from.name, from.named
		}
		sum.add(&to.quantity, from.quantity)
		sum.add(&to.amount, from.amount)
	}
	for key, from := range other.tenders {
		to := s.tenders.at(key)
		sum.add(&to.amount, from.amount)
		sum.add(&to.fee, from.fee)
	}
	return sum.err
}

// fields is how many the sums have in a period.
func (s *sums) fields() int { return 3 + 3*len(s.products) + 2*len(s.tenders) }

// appendTo appends the changes that the sums make to a period.
func (s *sums) appendTo(changes []Change, partition string) ([]Change, error) {
	add := func(field string, n int64) {
		changes = append(changes, Change{Partition: partition, Field: field, Op: Add, Delta: n})
	}
	add(CountTabs, s.tabs)
	add(CountGross, s.gross)
	add(CountItems, s.items)
	for key, p := range s.products {
		of := key.id + "|" + key.category
		name, err := json.Marshal(p.name)
		if err != nil {
			return nil, err
		}
		changes = append(changes, Change{Partition: partition, Field: countName + of, Op: Put, Row: name})
		add(countQuantity+of, p.quantity)
		add(countAmount+of, p.amount)
	}
	for key, t := range s.tenders {
		add(TenderField(tab.Method(key.method), key.cardCompany), t.amount)
		add(FeeField(tab.Method(key.method), key.cardCompany), t.fee)
	}
	return changes, nil
}
