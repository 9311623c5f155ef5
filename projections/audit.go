package projections

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"daybook/domain/calendar"
	"daybook/domain/money"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
)

// AuditReport is what an audit found.
type AuditReport struct {
	Position   eventstore.Position // that the counters stood at
	Tabs       int                 // closed ones that were summed up
	Difference string              // the first one, for people; "" if there is none
}

// Audit is a second opinion on the counters. It does not use the fold that made them, nor the sums that a tab's
// closing event repeats, but adds up the orders and payments themselves, store by store, and compares every counter of
// every period. storeID "" audits all stores.
func Audit(ctx context.Context, log eventstore.Store, sink Sink, storeID string, progress Progress) (AuditReport, error) {
	target, err := active(ctx, sink, Counters.Name)
	if err != nil {
		return AuditReport{}, err
	}
	have := newDigests(maphash.MakeSeed())
	at, err := sink.Scan(ctx, target, func(partition string, e Entry) error {
		if e.Row != nil || storeID != "" && !strings.HasPrefix(partition, storeID+"|") {
			return nil
		}
		return have.add(partition, e)
	})
	if err != nil {
		return AuditReport{}, err
	}
	report := AuditReport{Position: at.Position}
	stores, err := auditedStores(ctx, log, storeID)
	if err != nil {
		return report, err
	}
	should := newDigests(have.seed)
	for i, s := range stores {
		sums := &auditSums{settlementDay: s.SettlementDay, storeID: s.StoreID, tabs: map[string]*auditedTab{}, counters: map[rowKey]int64{}}
		if err := sums.read(ctx, log, at.Position); err != nil {
			report.Difference = err.Error()
			return report, nil
		}
		report.Tabs += sums.closed
		for key, n := range sums.counters {
			if err := should.add(key.partition, Entry{key.field, Value{Counter: n}}); err != nil {
				return report, err
			}
		}
		if report.Difference, err = sums.difference(ctx, sink, target, have, should); err != nil || report.Difference != "" {
			return report, err
		}
		progress(uint64(i+1), uint64(len(stores)))
	}
	if partition, differ := have.firstDifference(should); differ {
		report.Difference = "counters in " + sink.Name() + ": " + partition + " should not be there"
	}
	return report, nil
}

// auditedStores lists the stores from the log itself, in the order of their opening.
func auditedStores(ctx context.Context, log eventstore.Store, storeID string) ([]store.Opened, error) {
	var stores []store.Opened
	for e, err := range log.ReadAll(ctx, eventstore.LogRead{Filter: eventstore.Filter{Types: []string{"store.opened.v1"}}}) {
		if err != nil {
			return nil, err
		}
		decoded, err := store.Catalog.Decode(e.Type, e.Data)
		if err != nil {
			return nil, err
		}
		if opened := decoded.(store.Opened); storeID == "" || opened.StoreID == storeID {
			stores = append(stores, opened)
		}
	}
	if storeID != "" && len(stores) == 0 {
		return nil, fmt.Errorf("there is no store %s", storeID)
	}
	return stores, nil
}

// auditSums are one store's counters as its orders and payments make them.
type auditSums struct {
	storeID       string
	settlementDay int
	tabs          map[string]*auditedTab // open ones, by stream
	counters      map[rowKey]int64
	closed        int
}

type auditedTab struct {
	amount, paid int64
	lines        []tab.Line
	payments     []tab.PaymentCompleted
}

// read adds up the store's tabs up to a position. An error is a contradiction within the log, or damage.
func (s *auditSums) read(ctx context.Context, log eventstore.Store, to eventstore.Position) error {
	read := eventstore.LogRead{Filter: eventstore.Filter{Prefixes: []string{stream.TabCategory + "-" + s.storeID + "-"}}}
	for e, err := range log.ReadAll(ctx, read) {
		if err != nil {
			return err
		}
		if to.Before(e.Position) {
			return nil
		}
		decoded, err := tab.Catalog.Decode(e.Type, e.Data)
		if err == nil {
			err = s.add(e.Stream, decoded)
		}
		if err != nil {
			return fmt.Errorf("stream %s revision %d: %w", e.Stream, e.Revision, err)
		}
	}
	return nil
}

func (s *auditSums) add(streamName string, e tab.Event) error {
	t := s.tabs[streamName]
	if t == nil {
		t = &auditedTab{}
		s.tabs[streamName] = t
	}
	switch e := e.(type) {
	case tab.Opened:
	case tab.OrderPlaced:
		for _, l := range e.Lines {
			amount, err := money.Multiply(l.UnitPrice, l.Quantity)
			if err != nil || amount != l.Amount {
				return fmt.Errorf("a line of order %s amounts to %d, not %d", e.OrderID, amount, l.Amount)
			}
			t.amount += amount
		}
		t.lines = append(t.lines, e.Lines...)
	case tab.PaymentCompleted:
		t.paid += e.Amount
		t.payments = append(t.payments, e)
	case tab.Closed:
		if t.amount != t.paid || t.amount != e.Amount {
			return fmt.Errorf("closed with %d; its orders are %d, its payments %d", e.Amount, t.amount, t.paid)
		}
		delete(s.tabs, streamName)
		s.closed++
		return s.count(t, e.BusinessDate)
	}
	return nil
}

// count adds a closed tab to its four periods.
func (s *auditSums) count(t *auditedTab, date calendar.Date) error {
	var err error
	for _, term := range calendar.Terms {
		partition := PeriodPartition(s.storeID, calendar.Containing(term, date, s.settlementDay))
		add := func(field string, n int64) {
			key := rowKey{partition, field}
			sum, overflow := money.Add(s.counters[key], n)
			if s.counters[key] = sum; overflow != nil {
				err = overflow
			}
		}
		add(CountTabs, 1)
		add(CountGross, t.amount)
		for _, l := range t.lines {
			of := l.ProductID + "|" + l.Category
			add(countQuantity+of, l.Quantity)
			add(countAmount+of, l.Amount)
			add(CountItems, l.Quantity)
		}
		for _, p := range t.payments {
			add(TenderField(p.Method, p.CardCompany), p.Amount)
			add(FeeField(p.Method, p.CardCompany), p.Fee)
		}
	}
	return err
}

// difference names the first counter of this store that is not what it should be.
func (s *auditSums) difference(ctx context.Context, sink Sink, target Target, have, should digests) (string, error) {
	partitions := map[string]bool{}
	for key := range s.counters {
		partitions[key.partition] = true
	}
	for _, partition := range slices.Sorted(maps.Keys(partitions)) {
		if have.partitions[partition] == should.partitions[partition] {
			continue
		}
		entries, _, err := sink.List(ctx, target, partition, "", 0)
		if err != nil {
			return "", err
		}
		values := map[string]int64{}
		for _, e := range entries {
			values[e.Field] = e.Counter
		}
		for _, key := range slices.SortedFunc(maps.Keys(s.counters), func(a, b rowKey) int { return strings.Compare(a.field, b.field) }) {
			if key.partition == partition && values[key.field] != s.counters[key] {
				return fmt.Sprintf("counters in %s: %s: %s is %d, the orders and payments of the log make %d",
					sink.Name(), partition, key.field, values[key.field], s.counters[key]), nil
			}
		}
		return fmt.Sprintf("counters in %s: %s has counters that no order made", sink.Name(), partition), nil
	}
	return "", nil
}
