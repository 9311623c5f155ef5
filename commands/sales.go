package commands

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"daybook/domain/menu"
	"daybook/domain/money"
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

// Tender says how sales of the past were paid.
type Tender struct {
	Method      tab.Method
	CardCompany string
}

// Imported is what an import did.
type Imported struct {
	StoreID  string `json:"storeId"`
	Orders   int    `json:"orders"`  // that were added
	Lines    int    `json:"lines"`   // of the added orders
	Amount   int64  `json:"amount"`  // of the added orders, minor units
	Skipped  int    `json:"skipped"` // orders that were there already
	Currency string `json:"currency"`
}

// ErrImportDiffers: an order of that id was imported before, with something else in it.
var ErrImportDiffers = errors.New("was imported before with another time, other lines or another payment")

// importers is how many sales are appended at a time: enough to fill the log's groups.
const importers = 64

// importTable stands for the table of tabs that were imported; it is no table of the store.
const importTable = "import"

// ImportSales adds sales of the past to a store as paid tabs, each at its own time. A sale that is there already is
// skipped. If any sale cannot be imported, none is; an error on the way (a log that fails) leaves whole sales behind,
// and a second run adds the rest. progress is told how many sales are done.
func (s *Service) ImportSales(ctx context.Context, of auth.Store, sales []Sale, tender Tender, progress func(done, total int)) (Imported, error) {
	result := Imported{StoreID: of.StoreID, Currency: of.Currency}
	var fresh []importedTab
	for _, sale := range sales {
		t, err := newImportedTab(of, sale, tender)
		if err != nil {
			return result, fmt.Errorf("line %d: order %s: %w", sale.Line, sale.OrderID, err)
		}
		known, err := t.known(ctx, s.log)
		if err != nil {
			return result, fmt.Errorf("line %d: order %s: %w", sale.Line, sale.OrderID, err)
		}
		if known {
			result.Skipped++
			continue
		}
		fresh = append(fresh, t)
	}
	if err := s.importProducts(ctx, of, sales); err != nil {
		return result, err
	}
	return s.appendTabs(ctx, fresh, result, progress)
}

func (s *Service) appendTabs(ctx context.Context, tabs []importedTab, result Imported, progress func(done, total int)) (Imported, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(importers)
	var done atomic.Int64
	for _, t := range tabs {
		group.Go(func() error {
			if _, err := s.log.Append(ctx, t.stream, eventstore.NoStream, t.events); err != nil {
				return fmt.Errorf("order %s: %w", t.sale.OrderID, err)
			}
			progress(int(done.Add(1)), len(tabs))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return result, err
	}
	for _, t := range tabs {
		result.Orders++
		result.Lines += len(t.sale.Lines)
		amount, err := money.Add(result.Amount, t.amount)
		if err != nil {
			return result, err
		}
		result.Amount = amount
	}
	return result, nil
}

// importedTab is a sale as it will stand in the log.
type importedTab struct {
	sale   Sale
	stream string
	req    Request
	amount int64
	events []eventstore.NewEvent
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
	tabID := importTable + "." + req.newID("i")
	when := tab.When{At: sale.At, BusinessDate: of.Hours.BusinessDate(sale.At)}
	items := make([]tab.Item, len(sale.Lines))
	for i, l := range sale.Lines {
		items[i] = tab.Item{Quantity: l.Quantity, Product: menu.Product{
			ProductID: importedProduct(of.StoreID, l.Code), Name: l.Name, Category: l.Category, Price: l.UnitPrice,
		}}
	}
	var decided []tab.Event
	state := tab.Decider.Initial()
	for _, command := range []tab.Command{
		tab.PlaceOrder{
			StoreID: of.StoreID, TabID: tabID, TableID: importTable, OrderID: req.newID("r"),
			Currency: money.Currency(of.Currency), Items: items, When: when,
		},
		tab.TakePayment{
			StoreID: of.StoreID, PaymentID: req.newID("y"), Method: tender.Method, CardCompany: tender.CardCompany,
			SettlementDay: of.SettlementDay, When: when,
		},
	} {
		events, err := tab.Decide(state, command)
		if err != nil {
			return importedTab{}, err
		}
		state = tab.Decider.Fold(state, events...)
		decided = append(decided, events...)
	}
	events, err := encodeAll(req, decided, 0, nil) // known looks at the first
	return importedTab{sale, stream.Tab(of.StoreID, tabID), req, state.Amount, events}, err
}

// known says whether the sale is in the log already. Error: ErrImportDiffers.
func (t importedTab) known(ctx context.Context, log eventstore.Store) (bool, error) {
	for e, err := range log.ReadStream(ctx, t.stream, eventstore.StreamRead{Limit: 1, Fresh: true}) {
		if err != nil {
			return false, err
		}
		meta, err := readMetadata(e)
		if err == nil && meta.Fingerprint != t.req.Fingerprint {
			err = ErrImportDiffers
		}
		return true, err
	}
	return false, nil
}

// importedProduct is the id of a product that is known by a code of the system it comes from.
func importedProduct(storeID, code string) string {
	sum := sha256.Sum256([]byte("imported product\n" + storeID + "\n" + code))
	return "p" + auth.TextOf(sum[:10])
}

// importProducts puts those products on the menu that it does not have yet, as they were sold last.
func (s *Service) importProducts(ctx context.Context, of auth.Store, sales []Sale) error {
	last := map[string]menu.Product{}
	var order []string
	for _, sale := range sales {
		for _, l := range sale.Lines {
			id := importedProduct(of.StoreID, l.Code)
			if _, met := last[id]; !met {
				order = append(order, id)
			}
			last[id] = menu.Product{ProductID: id, Name: l.Name, Category: l.Category, Price: l.UnitPrice}
		}
	}
	offered, err := s.menus.load(ctx, stream.Menu(of.StoreID))
	if err != nil {
		return err
	}
	for _, id := range order {
		if _, is := offered.Product(id); is {
			continue
		}
		req, err := newRequest(nil, of.StoreID+" import", "product "+id, "import", of.StoreID, "", "import", id)
		if err != nil {
			return err
		}
		_, err = s.menus.execute(ctx, stream.Menu(of.StoreID), req, decision[menu.State, menu.Command, menu.Event]{
			decide: func(menu.State) (menu.Command, error) {
				return menu.AddProduct{Product: last[id], Currency: money.Currency(of.Currency), At: s.moment()}, nil
			},
			answer: func(menu.State, []menu.Event) (any, error) { return nil, nil },
		})
		if err != nil && !errors.Is(err, menu.ErrExists) {
			return fmt.Errorf("product %s: %w", last[id].Name, err)
		}
	}
	return nil
}

// ImportedStore returns the store of an owner that imports of that name go to, opened on first use.
func (s *Service) ImportedStore(ctx context.Context, ownerID string, wanted OpenStore) (auth.Store, error) {
	actor := "owner:" + ownerID
	req, err := newRequest(s.secret, actor+" import", wanted.Name, actor, "", "", "import", wanted)
	if err != nil {
		return auth.Store{}, err
	}
	if _, err := s.OpenStore(ctx, ownerID, req, wanted); err != nil {
		return auth.Store{}, err
	}
	return s.Owned(ctx, ownerID, req.newID("s"))
}
