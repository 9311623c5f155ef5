// Package closings reads tab.Closed events many times as fast as their catalog does: figures are made of millions of them.
//
// Not here: what the events mean (domain/tab), and what is counted of them (projections).
package closings

import (
	"maps"
	"slices"
	"sync"

	"daybook/domain/calendar"
	"daybook/domain/event"
	"daybook/domain/money"
	"daybook/domain/tab"
)

// Reader reads tab.Closed events one after the other. Its zero value is ready. Not for concurrent use.
//
// An event that stands there as event.Encode writes it, which is nearly every one, is read many times as fast as by
// encoding/json, which reads everything else. Most of its text is the same in thousands of events: which store and day,
// which product, which kind of payment. The reader remembers what such phrases say, and reads each once
// (encoded.go).
type Reader struct {
	in        encoded // the event that is being read
	closed    tab.Closed
	heads     phrases[closedHead] // up to the first figure, as the phrases below
	lines     phrases[tab.Sold]
	tenders   phrases[tab.Tender]
	clock     clock
	ofLines   []int // numbers
	ofTenders []int
}

// Catalog is tab.Catalog, but reads closings fast. Safe for concurrent use.
var Catalog = func() event.Catalog[tab.Event] {
	catalog := maps.Clone(tab.Catalog)
	readers := sync.Pool{New: func() any { return new(Reader) }}
	catalog[tab.ClosedType] = func(data []byte) (tab.Event, error) {
		r := readers.Get().(*Reader)
		defer readers.Put(r)
		read, err := r.Read(data)
		if err != nil {
			return nil, err
		}
		closed := *read
		closed.Lines, closed.Payments = slices.Clone(read.Lines), slices.Clone(read.Payments)
		return closed, nil
	}
	return catalog
}()

// closedHead is what tabs of the same store and day have in common.
type closedHead struct {
	storeID       string
	businessDate  calendar.Date
	settlementDay int
	currency      money.Currency
}

// Read reads what tab.Catalog reads of a tab.ClosedType, and the same errors come back. The event, its slices
// included, is good until the next Read; its strings, and the errors, are good for ever. It keeps nothing of data.
func (r *Reader) Read(data []byte) (*tab.Closed, error) {
	r.in = encoded{text: data}
	read := r.readEncoded()
	r.in.text = nil
	if read {
		return &r.closed, nil
	}
	decoded, err := event.As[tab.Closed, tab.Event](data)
	if err != nil {
		return nil, err
	}
	r.closed = decoded.(tab.Closed)
	r.ofLines, r.ofTenders = slices.Repeat([]int{unnumbered}, len(r.closed.Lines)), slices.Repeat([]int{unnumbered}, len(r.closed.Payments))
	return &r.closed, nil
}

// Numbers returns a number for each line and each payment of the event that Read returned last: lines with the same number
// are of the same product, name and category, payments with the same number of the same method and card company. Either
// count from 0, so that they can be an index; -1 says nothing. Good until the next Read.
func (r *Reader) Numbers() (lines, payments []int) { return r.ofLines, r.ofTenders }

// readEncoded reads an event exactly as event.Encode writes it: fields in the order of the type, no spaces, no escapes. For
// anything else it returns false.
func (r *Reader) readEncoded() bool {
	in, c := &r.in, &r.closed
	head := &r.heads.read(in, `{"storeId":"`, readHead).says
	c.StoreID, c.BusinessDate, c.SettlementDay, c.Currency = head.storeID, head.businessDate, head.settlementDay, head.currency
	c.Amount = in.integer()
	in.skip(`,"lines":[`)
	c.Lines, r.ofLines = c.Lines[:0], r.ofLines[:0]
	for more := true; more; more = in.another() {
		line := r.lines.read(in, `{"productId":"`, readLine)
		c.Lines, r.ofLines = append(c.Lines, line.says), append(r.ofLines, line.number)
		sold := &c.Lines[len(c.Lines)-1]
		sold.Quantity = in.integer()
		sold.Amount = in.number(`,"amount":`)
		in.skip(`}`)
	}
	in.skip(`],"payments":[`)
	if c.Payments == nil {
		c.Payments = []tab.Tender{} // as encoding/json reads a list of none
	}
	c.Payments, r.ofTenders = c.Payments[:0], r.ofTenders[:0]
	for more := !in.begins(`]`); more; more = in.another() {
		begin := `{"method":"`
		if in.begins(byCard) {
			begin = byCard
		}
		of := r.tenders.read(in, begin, readTender)
		c.Payments, r.ofTenders = append(c.Payments, of.says), append(r.ofTenders, of.number)
		tender := &c.Payments[len(c.Payments)-1]
		tender.Amount = in.integer()
		tender.Fee = in.number(`,"fee":`)
		in.skip(`}`)
	}
	at := in.quoted(`],"at":"`)
	in.skip(`}`)
	if in.other || in.at != len(in.text) {
		return false
	}
	var ok bool
	c.At, ok = r.clock.read(at)
	return ok
}

func readHead(in *encoded) (head closedHead) {
	head.storeID = in.str(`{"storeId":"`)
	date, err := calendar.Parse(in.str(`,"businessDate":"`))
	in.other = in.other || err != nil
	head.businessDate = date
	head.settlementDay = int(in.number(`,"settlementDay":`))
	head.currency = money.Currency(in.str(`,"currency":"`))
	in.skip(`,"amount":`)
	return head
}

func readLine(in *encoded) (line tab.Sold) {
	line.ProductID = in.str(`{"productId":"`)
	line.Name = in.str(`,"name":"`)
	line.Category = in.str(`,"category":"`)
	in.skip(`,"quantity":`)
	return line
}

// byCard begins a payment whose card company tells it from others.
const byCard = `{"method":"` + string(tab.Card) + `","cardCompany":"`

func readTender(in *encoded) (tender tab.Tender) {
	tender.Method = tab.Method(in.str(`{"method":"`))
	tender.CardCompany = in.optional(`,"cardCompany":"`)
	in.skip(`,"amount":`)
	return tender
}
