package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"daybook/commands"
	"daybook/internal/app"
	"daybook/internal/auth"
)

// books are a Daybook installation that holds a month.
type books struct {
	*app.App
	config app.Config
	month  month
	stores []auth.Store
}

// quiet takes the log lines of what is measured; what goes wrong comes back as an error.
var quiet = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError}))

const owner = "bench"

// storesAtOnce is how many stores' days are imported at the same time. Each appends 64 tabs at a time.
const storesAtOnce = 4

// keepBooks imports a month into a new installation, as 'daybook import sales' would.
func (r *run) keepBooks(ctx context.Context, m month, name string) (_ *books, err error) {
	b := &books{month: m, config: app.Config{Data: r.newDir(name), LocalSignIn: true, Log: quiet}}
	if b.App, err = app.Open(b.config); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if err := b.openStores(ctx); err != nil {
		return nil, err
	}
	done := 0
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(storesAtOnce)
	for p := range m.pieces {
		if groupCtx.Err() != nil {
			break
		}
		group.Go(func() error { return b.sell(groupCtx, p) })
		done += len(p.tabs)
		r.Progress("importing "+name, uint64(done), uint64(m.tabs))
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return b, settle(ctx)
}

func (b *books) openStores(ctx context.Context) error {
	ownerID, err := b.Dir.Profiles().OwnerID(owner)
	if err != nil {
		return err
	}
	for store := range b.month.stores {
		of, err := b.Commands.ImportedStore(ctx, ownerID, b.month.storeName(store), commands.StoreWishes{})
		if err != nil {
			return err
		}
		b.stores = append(b.stores, of)
	}
	return nil
}

func (b *books) sell(ctx context.Context, p piece) error {
	for tender, sales := range b.month.sales(p) {
		imported, err := b.Commands.ImportSales(ctx, b.stores[p.store], commands.Sales(sales), tender, func(int, int) {})
		if err != nil {
			return err
		}
		if imported.Orders != len(sales) {
			return fmt.Errorf("%d of %d tabs were imported", imported.Orders, len(sales))
		}
	}
	return nil
}

func (b *books) close() error { return b.Close() }
