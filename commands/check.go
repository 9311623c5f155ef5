package commands

import (
	"context"
	"hash"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"daybook/domain/money"
)

// check is an import that is being checked.
type check struct {
	Import
	faults  *Faults
	now     time.Time
	compare bool      // the store may have some of the sales
	batch   hash.Hash // of all sales
	checked int
}

// all checks every sale.
func (c *check) all(ctx context.Context, progress func(done int)) error {
	some := make([]Sale, 0, checkedAtOnce)
	for sale, err := range c.sales {
		if err != nil {
			return err
		}
		if some = append(some, sale); len(some) < checkedAtOnce {
			continue
		}
		if err := c.some(ctx, some); err != nil {
			return err
		}
		some = some[:0]
		progress(c.checked)
	}
	err := c.some(ctx, some)
	progress(c.checked)
	return err
}

// checkedSale is what was found out about a sale.
type checkedSale struct {
	amount int64
	known  bool
	digest [32]byte
	fault  error
}

// some checks sales side by side, and then notes them one by one.
func (c *check) some(ctx context.Context, sales []Sale) error {
	found := make([]checkedSale, len(sales))
	group, ctx := errgroup.WithContext(ctx)
	size := (len(sales) + importers - 1) / importers
	for from := 0; from < len(sales); from += size {
		group.Go(func() (err error) {
			for i := from; i < min(from+size, len(sales)) && err == nil; i++ {
				found[i], err = c.sale(ctx, sales[i])
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, sale := range sales {
		c.note(sale, found[i])
	}
	return nil
}

func (c *check) sale(ctx context.Context, sale Sale) (checkedSale, error) {
	is := checkedSale{digest: sale.digest()}
	t, err := newImportedTab(c.of, sale, c.tender)
	if err == nil && c.compare {
		is.known, err = t.known(ctx, c.service.log)
	}
	is.amount = t.amount
	if asFault(err) {
		is.fault, err = err, nil
	}
	return is, err
}

func (c *check) note(sale Sale, is checkedSale) {
	c.checked++
	c.batch.Write(is.digest[:])
	c.known.add(is.known)
	c.sold.add(sale.Lines)
	if sale.At.After(c.now) {
		c.faults.Add(Fault{Line: sale.Line, Column: "ordered_at", Value: sale.At.Format("2006-01-02T15:04:05"), Err: errFuture})
	}
	if is.fault != nil {
		c.faults.Add(Fault{Line: sale.Line, Column: "order_id", Value: sale.OrderID, Err: is.fault})
		return
	}
	if is.known {
		c.added.Skipped++
		return
	}
	c.added.Orders++
	c.added.Lines += len(sale.Lines)
	sum, err := money.Add(c.added.Amount, is.amount)
	if err != nil {
		c.faults.Add(Fault{Line: sale.Line, Column: "order_id", Value: sale.OrderID, Err: err})
		return
	}
	c.added.Amount = sum
}

// Sales are sales that are in memory, in the order of time, as an import wants them.
func Sales(sales []Sale) func(yield func(Sale, error) bool) {
	sorted := slices.SortedStableFunc(slices.Values(sales), func(a, b Sale) int { return a.At.Compare(b.At) })
	return func(yield func(Sale, error) bool) {
		for _, sale := range sorted {
			if !yield(sale, nil) {
				return
			}
		}
	}
}
