package projections

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"daybook/domain/calendar"
	"daybook/domain/command"
	"daybook/domain/money"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/projections/closings"
)

// AuditReport is what an audit found.
type AuditReport struct {
	Position    eventstore.Position // that the counters stood at
	Tabs        int                 // closed ones that were summed up
	LeftOut     int                 // closed ones that were not, because the counters leave them out: see Parked
	Differences []string            // the first one of each store that has any, for people
}

// Audit is a second opinion on the counters. It does not use the fold that made them, nor the sums that a tab's
// closing event repeats, but adds up the orders and payments themselves, store by store, and compares every counter of
// every period. It also finds a command, an order or a payment that stands in two streams. Whatever is wrong in one
// store, the others are audited too. storeID "" audits all stores.
func Audit(ctx context.Context, log eventstore.Store, sink Sink, storeID string, progress Progress) (AuditReport, error) {
	target, err := active(ctx, sink, Counters)
	if err != nil {
		return AuditReport{}, err
	}
	have, closed := newDigests(maphash.MakeSeed()), map[string]int64{}
	at, err := sink.Scan(ctx, target, func(partition string, e Entry) error {
		if e.Row != nil || isLeftOut(partition) || storeID != "" && !strings.HasPrefix(partition, storeID+"|") {
			return nil
		}
		if of, _, _ := strings.Cut(partition, "|"); e.Field == CountTabs {
			closed[of] += e.Counter / int64(len(calendar.Terms)) // each of them counts all
		}
		return have.add(partition, e)
	})
	if err != nil {
		return AuditReport{}, err
	}
	report := AuditReport{Position: at.Position}
	parked, err := listParked(ctx, sink, target)
	if err != nil {
		return report, err
	}
	skips, err := readSkipped(ctx, log, Counters.Name)
	if err != nil {
		return report, err
	}
	stores, strange, err := auditedStores(ctx, log, storeID)
	if err != nil {
		return report, err
	}
	report.Differences = append(report.Differences, strange...)
	audited := 0
	for _, group := range auditGroups(log, stores, closed) {
		sums := map[string]*auditSums{}
		for _, s := range group {
			sums[s.StoreID] = newAuditSums(s, parked, skips)
		}
		if err := readSums(ctx, log, sums, at.Position); err != nil {
			return report, err
		}
		for _, s := range group {
			if err := report.add(ctx, sums[s.StoreID], sink, target, have); err != nil {
				return report, err
			}
		}
		audited += len(group)
		progress(uint64(audited), uint64(len(stores)))
	}
	report.Differences = append(report.Differences, have.strays(sink.Name())...)
	return report, nil
}

// add adds what an audit of one store found.
func (r *AuditReport) add(ctx context.Context, sums *auditSums, sink Sink, target Target, have digests) error {
	difference, err := sums.audit(ctx, sink, target, have)
	if difference != "" {
		r.Differences = append(r.Differences, difference)
	}
	r.Tabs += sums.closed
	r.LeftOut += sums.leftOut
	return err
}

// strays names the first period of each store that is left.
func (d digests) strays(sink string) (differences []string) {
	named := ""
	for _, partition := range slices.Sorted(maps.Keys(d.partitions)) {
		if storeID, _, _ := strings.Cut(partition, "|"); storeID != named {
			named = storeID
			differences = append(differences, "counters in "+sink+": "+partition+" should not be there")
		}
	}
	return differences
}

// audit names the first difference between one store's counters and its orders and payments. It takes the store's
// partitions out of have.
func (s *auditSums) audit(ctx context.Context, sink Sink, target Target, have digests) (string, error) {
	if s.wrong != nil {
		have.forget(s.storeID)
		return "store " + s.storeID + ": " + s.wrong.Error(), nil
	}
	should := newDigests(have.seed)
	for key, n := range s.counters {
		if err := should.add(key.partition, Entry{key.field, Value{Counter: n}}); err != nil {
			return "", err
		}
	}
	difference, err := s.difference(ctx, sink, target, have, should)
	for partition := range should.partitions {
		delete(have.partitions, partition)
	}
	if difference != "" {
		have.forget(s.storeID)
	}
	return difference, err
}

// forget takes a store's periods out.
func (d digests) forget(storeID string) {
	maps.DeleteFunc(d.partitions, func(partition string, _ uint64) bool { return strings.HasPrefix(partition, storeID+"|") })
}

// auditedStores lists the stores from the log itself, in the order of their opening. What is said to open a store and does
// not is named.
func auditedStores(ctx context.Context, log eventstore.Store, storeID string) (stores []store.Opened, strange []string, err error) {
	for e, err := range log.ReadAll(ctx, eventstore.LogRead{Filter: eventstore.Filter{Types: []string{"store.opened.v1"}}}) {
		if err != nil {
			return nil, nil, err
		}
		opened, err := openedBy(e)
		switch {
		case err != nil && storeID == "":
			strange = append(strange, fmt.Sprintf("stream %s revision %d: %v", e.Stream, e.Revision, err))
		case err == nil && (storeID == "" || opened.StoreID == storeID):
			stores = append(stores, opened)
		}
	}
	if storeID != "" && len(stores) == 0 {
		return nil, nil, fmt.Errorf("there is no store %s", storeID)
	}
	return stores, strange, nil
}

func openedBy(e eventstore.Event) (opened store.Opened, err error) {
	decoded, err := store.Catalog.Decode(e.Type, e.Data)
	if err != nil {
		return opened, err
	}
	opened = decoded.(store.Opened)
	if e.Stream != stream.Store(opened.StoreID) || e.Revision != 0 {
		err = fmt.Errorf("an event of type %s, and not the opening of that store", e.Type)
	}
	return opened, err
}

// auditSums are one store's counters as its orders and payments make them.
type auditSums struct {
	storeID       string
	own           eventstore.Filter // of the store's streams
	settlementDay int
	tabs          map[string]*auditedTab // open ones, by stream
	counters      map[rowKey]int64
	closed        int
	parked        map[string]Parked // streams that the counters stopped following
	skipped       skipped           // events that they leave out
	leftOut       int
	places        *places
	wrong         error // its log does not agree with itself, or holds what cannot be read or added up
}

func newAuditSums(s store.Opened, parked map[string]Parked, skips skipped) *auditSums {
	return &auditSums{
		storeID: s.StoreID, own: eventstore.Filter{Prefixes: stream.Own(s.StoreID)}, settlementDay: s.SettlementDay,
		tabs: map[string]*auditedTab{}, counters: map[rowKey]int64{}, parked: parked, skipped: skips, places: newPlaces(),
	}
}

type auditedTab struct {
	amount, paid int64
	lines        []tab.Line
	payments     []tab.PaymentCompleted
}

// auditTabsMax is how many closed tabs are summed up in one pass through the log, unless one store has more. Which commands,
// orders and payments they had is remembered until its end: some 50 MB for a million.
const auditTabsMax = 1_000_000

// auditGroups divides stores into groups that are audited in one pass each. A log that can read stores apart has a way to
// each of them; through another one, each pass goes through all events. closed says how many tabs the stores had.
func auditGroups(log eventstore.Store, stores []store.Opened, closed map[string]int64) (groups [][]store.Opened) {
	_, apart := log.(eventstore.Partitioned)
	tabs := int64(0)
	for _, s := range stores {
		if n := closed[s.StoreID]; apart || len(groups) == 0 || tabs+n > auditTabsMax {
			groups, tabs = append(groups, nil), 0
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], s)
		tabs += closed[s.StoreID]
	}
	return groups
}

// readSums goes once through the streams of some stores, and adds up their tabs up to a position. Errors are those of the
// log; what is wrong with one store is noted in its sums.
func readSums(ctx context.Context, log eventstore.Store, sums map[string]*auditSums, to eventstore.Position) error {
	read := eventstore.LogRead{}
	var alone *auditSums
	if len(sums) == 1 {
		for _, alone = range sums {
			read.Filter = alone.own
		}
	}
	for e, err := range log.ReadAll(ctx, read) {
		var damage *eventstore.Corruption
		if alone != nil && errors.As(err, &damage) {
			alone.wrong = err
			return nil
		}
		if err != nil {
			return err
		}
		_, storeID, _ := stream.Parse(e.Stream)
		of := sums[storeID]
		if of == nil || of.wrong != nil || !of.own.Matches(e.Stream, e.Type) {
			continue
		}
		if err := of.event(e, !to.Before(e.Position)); err != nil {
			of.wrong = fmt.Errorf("stream %s revision %d: %w", e.Stream, e.Revision, err)
		}
	}
	return nil
}

// event notes where an event's command, order or payment stands, and adds it up if it counts: the counters stand at or
// after it.
func (s *auditSums) event(e eventstore.Event, counts bool) error {
	category, _, _ := stream.Parse(e.Stream)
	if err := s.places.command(e); err != nil {
		return err
	}
	if category != stream.TabCategory || e.Type == command.UnchangedType ||
		counts && e.Type == tab.ClosedType && s.leaveOut(e) {
		return nil
	}
	decoded, err := closings.Catalog.Decode(e.Type, e.Data)
	if err != nil {
		return err
	}
	if err := s.places.fact(e.Stream, decoded); err != nil || !counts {
		return err
	}
	return s.add(e.Stream, decoded)
}

// leaveOut reports whether the counters leave a closing out, and forgets its tab then.
func (s *auditSums) leaveOut(e eventstore.Event) bool {
	parked, is := s.parked[e.Stream]
	if is = is && e.Revision >= parked.Revision; !is && !s.skipped.events[eventPlace{e.Stream, e.Revision}] {
		return false
	}
	delete(s.tabs, e.Stream)
	s.leftOut++
	return true
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
			if t.amount, err = money.Add(t.amount, amount); err != nil {
				return err
			}
		}
		t.lines = append(t.lines, e.Lines...)
	case tab.PaymentCompleted:
		var err error
		if t.paid, err = money.Add(t.paid, e.Amount); err != nil {
			return err
		}
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
