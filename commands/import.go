package commands

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"daybook/domain/imports"
	"daybook/domain/menu"
	"daybook/domain/money"
	"daybook/domain/refusal"
	"daybook/domain/settlement"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/internal/auth"
)

// Imported is what an import did.
type Imported struct {
	StoreID  string `json:"storeId"`
	Orders   int    `json:"orders"`  // that were added
	Lines    int    `json:"lines"`   // of the added orders
	Amount   int64  `json:"amount"`  // of the added orders, minor units
	Skipped  int    `json:"skipped"` // orders that were there already
	Currency string `json:"currency"`
}

const (
	// importers is how many sales are looked for, or appended, at a time: enough to fill the log's groups.
	importers = 64
	// checkedAtOnce is how many sales are in memory while they are checked.
	checkedAtOnce = 512
	// offeredAtOnce is how many products are put on a menu in one append: with the longest names they fit.
	offeredAtOnce = 500
)

// Import is an import that was checked and can be carried out.
type Import struct {
	service *Service
	of      auth.Store
	sales   iter.Seq2[Sale, error]
	tender  Tender
	batchID string
	state   imports.State
	added   Imported // once it is carried out
	known   bits     // of the sales, in their order
	sold    lastSold
	noMenu  bool // the store has none
}

// CheckSales checks an import of past sales to a store, which need not be open yet, and writes nothing. The sales come in
// the order of time, and are gone through twice, here and in Run. What is wrong with them is added to the faults, and the
// import must not be carried out then. A tender without a method is that of the import's first, unfinished run, or else cash.
// Other errors are the log's. progress is told how many sales were checked.
func (s *Service) CheckSales(ctx context.Context, of auth.Store, sales iter.Seq2[Sale, error], tender Tender, faults *Faults, progress func(done int)) (*Import, error) {
	c := &check{Import: Import{
		service: s, of: of, sales: sales, tender: tender, added: Imported{StoreID: of.StoreID, Currency: of.Currency},
	}, faults: faults, now: s.now(), batch: sha256.New()}
	if c.tender.Method == "" {
		c.tender = Tender{Method: tab.Cash}
	}
	if err := tab.CheckTender(settlement.FeePolicies(), c.tender.Method, c.tender.CardCompany); err != nil {
		return nil, err
	}
	c.batch.Write([]byte(of.StoreID))
	store, err := s.stores.load(ctx, stream.Store(of.StoreID))
	if err != nil {
		return nil, err
	}
	c.compare = store.StoreID != "" && !faults.Any() // an order that lacks a bad row would differ from what is there
	if err := c.all(ctx, progress); err != nil || faults.Any() {
		return nil, err
	}
	c.batchID = "b" + auth.TextOf(c.batch.Sum(nil)[:10])
	return &c.Import, c.look(ctx, tender)
}

// look sees how far the import came in an earlier run, and whether the store has a menu.
func (i *Import) look(ctx context.Context, tender Tender) (err error) {
	if i.state, err = i.service.imports.load(ctx, i.stream()); err != nil {
		return err
	}
	if began := i.state.Began; i.state.Running() && tender.Method == "" {
		i.tender = Tender{began.Method, began.CardCompany}
	}
	offered, err := i.service.menus.load(ctx, stream.Menu(i.of.StoreID))
	i.noMenu = len(offered.Products) == 0
	return err
}

func (i *Import) stream() string { return stream.Import(i.of.StoreID, i.batchID) }

// Run carries the import out: the sales that are not in the log yet are added as closed tabs, each at its own time. An
// import that breaks off has added some of them, is unfinished until the same sales are imported again, and adds the others
// then. If nothing is missing, nothing is written. The store must be open now. progress is told how many sales of how many
// were added, from several goroutines.
func (i *Import) Run(ctx context.Context, progress func(done, total int)) (Imported, error) {
	if i.added.Orders > 0 {
		if err := i.begin(ctx); err != nil {
			return Imported{}, err
		}
		if err := i.fillMenu(ctx); err != nil {
			return Imported{}, err
		}
		if err := i.append(ctx, progress); err != nil {
			return Imported{}, err
		}
	}
	if i.state.Running() {
		if err := i.put(ctx, imports.End{At: i.service.moment()}); err != nil {
			return Imported{}, err
		}
	}
	return i.added, nil
}

func (i *Import) begin(ctx context.Context) error {
	return i.put(ctx, imports.Begin{Import: imports.Began{
		StoreID: i.of.StoreID, BatchID: i.batchID, Orders: i.added.Orders, Lines: i.added.Lines, Amount: i.added.Amount,
		Currency: money.Currency(i.of.Currency), Method: i.tender.Method, CardCompany: i.tender.CardCompany,
		FillsMenu: i.noMenu, At: i.service.moment(),
	}})
}

// put puts a command to the import.
func (i *Import) put(ctx context.Context, c imports.Command) error {
	req, err := newRequest(nil, "", "", "import", i.of.StoreID, "", "import", nil)
	if err != nil {
		return err
	}
	_, err = i.service.imports.execute(ctx, i.stream(), req, decision[imports.State, imports.Command, imports.Event]{
		decide: func(imports.State) (imports.Command, error) { return c, nil },
		answer: func(state imports.State, _ []imports.Event) (any, error) {
			i.state = state
			return nil, nil
		},
	})
	return err
}

// fillMenu gives a store that has no menu yet what was sold.
func (i *Import) fillMenu(ctx context.Context) error {
	if !i.state.Running() || !i.state.Began.FillsMenu {
		return nil
	}
	return i.service.offer(ctx, i.of, i.sold.menu(i.of))
}

// FillMenu puts products on the menu of a store that has none.
func (s *Service) FillMenu(ctx context.Context, of auth.Store, lines []SaleLine) error {
	offered, err := s.menus.load(ctx, stream.Menu(of.StoreID))
	if err != nil || len(offered.Products) > 0 {
		return err
	}
	products := make([]menu.Product, len(lines))
	for i, l := range lines {
		products[i] = l.product(of)
	}
	return s.offer(ctx, of, products)
}

// offer puts those products on a store's menu that it does not have, as far as there is room.
func (s *Service) offer(ctx context.Context, of auth.Store, products []menu.Product) error {
	for len(products) > 0 {
		some := products[:min(len(products), offeredAtOnce)]
		products = products[len(some):]
		req, err := newRequest(nil, "", "", "import", of.StoreID, "", "import", nil)
		if err != nil {
			return err
		}
		_, err = s.menus.execute(ctx, stream.Menu(of.StoreID), req, decision[menu.State, menu.Command, menu.Event]{
			decide: func(menu.State) (menu.Command, error) {
				return menu.Offer{Products: some, Currency: money.Currency(of.Currency), At: s.moment()}, nil
			},
			answer: func(menu.State, []menu.Event) (any, error) { return nil, nil },
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// append adds the sales that are missing.
func (i *Import) append(ctx context.Context, progress func(done, total int)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(importers)
	var done atomic.Int64
	n := 0
	for sale, err := range i.sales {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, group.Wait())
		}
		if n++; i.known.at(n - 1) {
			continue
		}
		group.Go(func() error {
			if err := i.appendSale(ctx, sale); err != nil {
				return fmt.Errorf("order %s: %w", sale.OrderID, err)
			}
			progress(int(done.Add(1)), i.added.Orders)
			return nil
		})
	}
	return group.Wait()
}

func (i *Import) appendSale(ctx context.Context, sale Sale) error {
	t, err := newImportedTab(i.of, sale, i.tender)
	if err != nil {
		return err
	}
	events, err := t.encode(i.batchID)
	if err != nil {
		return err
	}
	_, err = i.service.log.Append(ctx, t.stream, eventstore.NoStream, events)
	return err
}

// ImportSales checks and carries out an import to a store that is open. A *FileError says what is wrong with the sales.
func (s *Service) ImportSales(ctx context.Context, of auth.Store, sales iter.Seq2[Sale, error], tender Tender, progress func(done, total int)) (Imported, error) {
	var faults Faults
	i, err := s.CheckSales(ctx, of, sales, tender, &faults, func(int) {})
	if err := errors.Join(err, faults.Err()); err != nil {
		return Imported{}, err
	}
	return i.Run(ctx, progress)
}

// asFault says whether an error is about a sale, not about the log.
func asFault(err error) bool {
	var refused *refusal.Refusal
	return errors.As(err, &refused) || errors.Is(err, ErrImportDiffers)
}

// bits are a list of yes and no.
type bits struct {
	words []uint64
	n     int
}

func (b *bits) add(yes bool) {
	if b.n%64 == 0 {
		b.words = append(b.words, 0)
	}
	if yes {
		b.words[b.n/64] |= 1 << (b.n % 64)
	}
	b.n++
}

// at is false beyond the end.
func (b *bits) at(i int) bool { return i < b.n && b.words[i/64]>>(i%64)&1 == 1 }
