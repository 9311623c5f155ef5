package commands

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"daybook/domain/menu"
	"daybook/domain/money"
	"daybook/domain/settlement"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/internal/auth"
)

// Sale is one order of the past, paid at once.
type Sale struct {
	OrderID string // of the system that it comes from; known once in a store
	At      time.Time
	Lines   []SaleLine
	Line    int // where it begins in its file, for messages
}

// SaleLine is one line of a Sale.
type SaleLine struct {
	Code, Name, Category string
	Quantity, UnitPrice  int64
}

// compare puts lines in an order that does not depend on how they came.
func (l SaleLine) compare(m SaleLine) int {
	return cmp.Or(cmp.Compare(l.Code, m.Code), cmp.Compare(l.Name, m.Name), cmp.Compare(l.Category, m.Category),
		cmp.Compare(l.UnitPrice, m.UnitPrice), cmp.Compare(l.Quantity, m.Quantity))
}

// digest of what was sold and when, however the lines are ordered.
func (s Sale) digest() (sum [sha256.Size]byte) {
	var text []byte
	add := func(field string) {
		text = binary.AppendUvarint(text, uint64(len(field)))
		text = append(text, field...)
	}
	add(s.OrderID)
	text = binary.BigEndian.AppendUint64(text, uint64(s.At.Unix()))
	text = binary.BigEndian.AppendUint32(text, uint32(s.At.Nanosecond()))
	for _, l := range slices.SortedFunc(slices.Values(s.Lines), SaleLine.compare) {
		add(l.Code)
		add(l.Name)
		add(l.Category)
		text = binary.AppendVarint(binary.AppendVarint(text, l.Quantity), l.UnitPrice)
	}
	return sha256.Sum256(text)
}

// Tender says how sales of the past were paid.
type Tender struct {
	Method      tab.Method
	CardCompany string
}

// importTable stands for the table of tabs that were imported; it is no table of the store.
const importTable = "import"

// importedTab is a sale as it will stand in the log: a tab with one order, closed.
type importedTab struct {
	stream string
	req    Request
	amount int64
	events []tab.Event
}

func newImportedTab(of auth.Store, sale Sale, tender Tender) (importedTab, error) {
	req, err := newRequest(nil, of.StoreID+" import", sale.OrderID, "import", of.StoreID, "", "import", struct {
		At     time.Time
		Lines  []SaleLine
		Tender Tender
	}{sale.At.UTC(), sale.Lines, tender})
	if err != nil {
		return importedTab{}, err
	}
	t := importedTab{req: req}
	tabID := importTable + "." + req.newID("i")
	t.stream = stream.Tab(of.StoreID, tabID)
	when := tab.When{At: sale.At, BusinessDate: of.Hours.BusinessDate(sale.At)}
	placed, err := tab.Decide(tab.State{}, tab.PlaceOrder{
		StoreID: of.StoreID, TabID: tabID, TableID: importTable, OrderID: req.newID("r"),
		Currency: money.Currency(of.Currency), Items: soldItems(of, sale.Lines), When: when,
	})
	if err != nil {
		return t, err
	}
	state := tab.Decider.Fold(tab.State{}, placed...)
	t.amount = state.Amount
	var end tab.Command = tab.TakePayment{
		StoreID: of.StoreID, PaymentID: req.newID("y"), Method: tender.Method, CardCompany: tender.CardCompany,
		Fees: settlement.FeePolicies().On(when.BusinessDate), SettlementDay: of.SettlementDay, When: when,
	}
	if t.amount == 0 {
		end = tab.Close{StoreID: of.StoreID, SettlementDay: of.SettlementDay, When: when}
	}
	closed, err := tab.Decide(state, end)
	t.events = append(placed, closed...)
	return t, err
}

func soldItems(of auth.Store, lines []SaleLine) []tab.Item {
	items := make([]tab.Item, len(lines))
	for i, l := range lines {
		items[i] = tab.Item{Quantity: l.Quantity, Product: l.product(of)}
	}
	return items
}

func (l SaleLine) product(of auth.Store) menu.Product {
	return menu.Product{ProductID: importedProduct(of.StoreID, l.Code), Name: l.Name, Category: l.Category, Price: l.UnitPrice}
}

// importedProduct is the id of a product that is known by a code of the system it comes from.
func importedProduct(storeID, code string) string {
	sum := sha256.Sum256([]byte("imported product\n" + storeID + "\n" + code))
	return "p" + auth.TextOf(sum[:10])
}

// encode makes the tab ready for the log. Its first event names the import.
func (t importedTab) encode(batchID string) ([]eventstore.NewEvent, error) {
	t.req.Batch = batchID
	return encodeAll(t.req, t.events, 0, nil) // known looks at the first
}

// known says whether the sale is in the log already, however it was paid. Error: ErrImportDiffers.
func (t importedTab) known(ctx context.Context, log eventstore.Store) (bool, error) {
	for e, err := range log.ReadStream(ctx, t.stream, eventstore.StreamRead{Limit: 1, Fresh: true}) {
		if err != nil {
			return false, err
		}
		meta, err := readMetadata(e)
		if err == nil && meta.Fingerprint != t.req.Fingerprint {
			err = t.same(ctx, log)
		}
		return true, err
	}
	return false, nil
}

// same compares the sale with the one that is in the log: the time, and the lines in any order.
func (t importedTab) same(ctx context.Context, log eventstore.Store) error {
	var there []tab.Event
	for e, err := range log.ReadStream(ctx, t.stream, eventstore.StreamRead{Limit: 2, Fresh: true}) {
		if err != nil {
			return err
		}
		decoded, err := tab.Catalog.Decode(e.Type, e.Data)
		if err != nil {
			return err
		}
		there = append(there, decoded)
	}
	is, wanted := orderOf(there), orderOf(t.events)
	if !is.At.Equal(wanted.At) || !slices.Equal(sortedLines(is), sortedLines(wanted)) {
		return ErrImportDiffers
	}
	return nil
}

// orderOf returns the order among a tab's first events, the zero value if there is none.
func orderOf(events []tab.Event) tab.OrderPlaced {
	for _, e := range events {
		if placed, is := e.(tab.OrderPlaced); is {
			return placed
		}
	}
	return tab.OrderPlaced{}
}

func sortedLines(placed tab.OrderPlaced) []tab.Line {
	return slices.SortedFunc(slices.Values(placed.Lines), func(a, b tab.Line) int {
		return cmp.Or(cmp.Compare(a.ProductID, b.ProductID), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Category, b.Category),
			cmp.Compare(a.UnitPrice, b.UnitPrice), cmp.Compare(a.Quantity, b.Quantity))
	})
}
