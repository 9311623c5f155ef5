package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"daybook/domain/calendar"
	"daybook/domain/event"
	"daybook/domain/money"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/projections/closings"
)

// counterFold sums a batch by store and business date first. Weeks and months are made of the days at the end, which
// is a quarter of the work of adding every line to four periods.
type counterFold struct {
	reader   closings.Reader
	days     sumsBy[dayKey, sums]
	products sumsBy[productKey, countedProduct]
	tenders  sumsBy[tenderKey, countedTender]
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

// countedProduct is one that a fold has met, with what the sums of every period have in common.
type countedProduct struct {
	amountField, nameField, quantityField string
	name                                  string // as it was written last,
	text                                  []byte // as JSON
}

type productKey struct{ id, category string }

// countedTender is a kind of payment that a fold has met.
type countedTender struct{ amountField, feeField string }

type tenderKey struct {
	method      tab.Method
	cardCompany string
}

// sums are what some events add to one period.
type sums struct {
	tabs, gross, items int64
	products           sumsBy[*countedProduct, productSums]
	tenders            sumsBy[*countedTender, tenderSums]
	// Some of them again, by the reader's numbers.
	numberedProducts numbered[productSums]
	numberedTenders  numbered[tenderSums]
}

type productSums struct {
	called           soldName
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

// numbered are sums by number, nil for one not met: what has its number need not be looked for by its names.
type numbered[V any] []*V

func (n numbered[V]) at(number int) *V {
	if uint(number) >= uint(len(n)) {
		return nil
	}
	return n[number]
}

// put ignores -1.
func (n *numbered[V]) put(number int, v *V) {
	if number >= 0 {
		*n = append(*n, make([]*V, max(0, number+1-len(*n)))...)
		(*n)[number] = v
	}
}

// line returns the day's sums that a line is added to.
func (f *counterFold) line(day *sums, line *tab.Sold, number int) *productSums {
	if met := day.numberedProducts.at(number); met != nil {
		return met
	}
	key := productKey{line.ProductID, line.Category}
	p := f.products.at(key)
	if p.amountField == "" {
		of := key.id + "|" + key.category
		p.amountField, p.nameField, p.quantityField = countAmount+of, countName+of, countQuantity+of
	}
	found := day.products.at(p)
	day.numberedProducts.put(number, found)
	return found
}

// payment returns the day's sums that a payment is added to.
func (f *counterFold) payment(day *sums, payment *tab.Tender, number int) *tenderSums {
	if met := day.numberedTenders.at(number); met != nil {
		return met
	}
	t := f.tenders.at(tenderKey{payment.Method, payment.CardCompany})
	if t.amountField == "" {
		t.amountField, t.feeField = TenderField(payment.Method, payment.CardCompany), FeeField(payment.Method, payment.CardCompany)
	}
	found := day.tenders.at(t)
	day.numberedTenders.put(number, found)
	return found
}

// checkedSum remembers that a sum overflowed; nothing that was added counts then.
type checkedSum struct{ err error }

func (s *checkedSum) add(to *int64, n int64) {
	sum, err := money.Add(*to, n)
	if *to = sum; err != nil {
		s.err = err
	}
}

func (s *checkedSum) error() error {
	if s.err != nil {
		return fmt.Errorf("%w: %w", ErrOverflow, s.err)
	}
	return nil
}

// countedFacts are the events that the counters are made of, by type, and how each is added. An event that sells, takes
// or gives back anything is a line here.
var countedFacts = map[string]func(*counterFold, eventstore.Event) error{
	tab.ClosedType: (*counterFold).closed,
}

func (f *counterFold) Add(e eventstore.Event) error {
	add, counts := countedFacts[e.Type]
	if !counts {
		return fmt.Errorf("%w: %s is not counted", event.ErrUnknown, e.Type)
	}
	return add(f, e)
}

// closed adds a tab that closed: what it sold, and what was tendered for it.
func (f *counterFold) closed(e eventstore.Event) error {
	closed, err := f.reader.Read(e.Data)
	if err != nil {
		return fmt.Errorf("event %s: %w", e.Type, err)
	}
	if err := countable(closed); err != nil {
		return err
	}
	day := f.day(dayKey{closed.StoreID, closed.BusinessDate, closed.SettlementDay})
	sum := checkedSum{}
	sum.add(&day.tabs, 1)
	sum.add(&day.gross, closed.Amount)
	ofLines, ofPayments := f.reader.Numbers()
	for i := range closed.Lines {
		line := &closed.Lines[i]
		sum.sold(day, f.line(day, line, ofLines[i]), line, soldAt(closed.At, i))
	}
	for i := range closed.Payments {
		payment := &closed.Payments[i]
		sum.tendered(f.payment(day, payment, ofPayments[i]), payment)
	}
	return sum.error()
}

// sold adds a line of what was sold to its product and its day.
func (s *checkedSum) sold(day *sums, p *productSums, line *tab.Sold, at int64) {
	p.called = p.called.orLater(soldName{line.Name, at})
	s.add(&p.quantity, line.Quantity)
	s.add(&p.amount, line.Amount)
	s.add(&day.items, line.Quantity)
}

// tendered adds what was given by one method and card company.
func (s *checkedSum) tendered(t *tenderSums, payment *tab.Tender) {
	s.add(&t.amount, payment.Amount)
	s.add(&t.fee, payment.Fee)
}

// countable returns an error for a tab beyond a tab's limits, as a log from before them may hold. So whether a tab
// counts does not depend on what else its periods hold, and no sum of theirs overflows.
func countable(closed *tab.Closed) error {
	good := inRange(closed.Amount, tab.AmountMax)
	for i := range closed.Lines {
		line := &closed.Lines[i]
		good = good && inRange(line.Amount, tab.AmountMax) && inRange(line.Quantity, tab.TabLinesMax*tab.QuantityMax)
	}
	for i := range closed.Payments {
		payment := &closed.Payments[i]
		good = good && inRange(payment.Amount, tab.AmountMax) && inRange(payment.Fee, tab.AmountMax)
	}
	if !good {
		return fmt.Errorf("%w: a tab of %d minor units, or what it is made of; a tab has 0 to %d", errUncountable, closed.Amount, tab.AmountMax)
	}
	return nil
}

var errUncountable = errors.New("beyond the limits of a tab")

func inRange(n, limit int64) bool { return 0 <= n && n <= limit }

func (f *counterFold) day(key dayKey) *sums {
	if f.lastDay != nil && key == f.last {
		return f.lastDay
	}
	f.last, f.lastDay = key, f.days.at(key)
	return f.lastDay
}

// Changes adds every day to its four periods. The changes are in byte order of partition and field: sinks take a large
// batch several times as fast so.
func (f *counterFold) Changes(ctx context.Context, read ReadRows) ([]Change, error) {
	periods, err := f.periods()
	if err == nil {
		err = keepLater(ctx, read, periods)
	}
	if err != nil {
		return nil, err
	}
	size := 0
	for _, p := range periods {
		size += p.fields()
	}
	changes := make([]Change, 0, size)
	for _, partition := range slices.Sorted(maps.Keys(periods)) {
		if changes, err = periods[partition].appendTo(changes, partition); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// periods are the sums of what was added, by the partitions of its periods.
func (f *counterFold) periods() (sumsBy[string, sums], error) {
	var periods sumsBy[string, sums]
	for _, key := range slices.SortedFunc(maps.Keys(f.days), dayKey.compare) { // so that equal batches overflow alike
		for _, term := range calendar.Terms {
			partition := PeriodPartition(key.storeID, calendar.Containing(term, key.date, key.settlementDay))
			if err := periods.at(partition).merge(f.days[key]); err != nil {
				return nil, err
			}
		}
	}
	return periods, nil
}

// merge adds other sums of the same batch.
func (s *sums) merge(other *sums) error {
	sum := checkedSum{}
	sum.add(&s.tabs, other.tabs)
	sum.add(&s.gross, other.gross)
	sum.add(&s.items, other.items)
	for key, from := range other.products {
		to := s.products.at(key)
		to.called = to.called.orLater(from.called)
		sum.add(&to.quantity, from.quantity)
		sum.add(&to.amount, from.amount)
	}
	for key, from := range other.tenders {
		to := s.tenders.at(key)
		sum.add(&to.amount, from.amount)
		sum.add(&to.fee, from.fee)
	}
	return sum.error()
}

// fields is how many the sums have in a period.
func (s *sums) fields() int { return 3 + 3*len(s.products) + 2*len(s.tenders) }

// appendTo appends the changes that the sums make to a period, in byte order of their fields.
func (s *sums) appendTo(changes []Change, partition string) ([]Change, error) {
	add := func(field string, n int64) {
		changes = append(changes, Change{Partition: partition, Field: field, Op: Add, Delta: n})
	}
	products := slices.SortedFunc(maps.Keys(s.products), func(a, b *countedProduct) int { return strings.Compare(a.amountField, b.amountField) })
	tenders := slices.SortedFunc(maps.Keys(s.tenders), func(a, b *countedTender) int { return strings.Compare(a.amountField, b.amountField) })
	for _, p := range products {
		add(p.amountField, s.products[p].amount)
	}
	for _, t := range tenders {
		add(t.feeField, s.tenders[t].fee)
	}
	add(CountGross, s.gross)
	add(CountItems, s.items)
	for _, p := range products {
		called := s.products[p].called
		if called == (soldName{}) {
			continue // the period has a later one
		}
		row, err := p.named(called)
		if err != nil {
			return nil, err
		}
		changes = append(changes, Change{Partition: partition, Field: p.nameField, Op: Put, Row: row})
	}
	for _, p := range products {
		add(p.quantityField, s.products[p].quantity)
	}
	add(CountTabs, s.tabs)
	for _, t := range tenders {
		add(t.amountField, s.tenders[t].amount)
	}
	return changes, nil
}
