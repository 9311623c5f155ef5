package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"daybook/domain/calendar"
	"daybook/domain/settlement"
	"daybook/internal/auth"
	"daybook/projections"
)

// takings are what a month's close tells: what was sold of each product, and each store's settlement.
type takings struct {
	products []productTakings
	stores   []storeTakings
}

type productTakings struct {
	name          string
	count, amount int64
}

type storeTakings struct {
	store        int
	revenue, fee int64
}

// fromCounters reads the month's takings out of the running counters, some stores at a time.
func (b *books) fromCounters(ctx context.Context, sink projections.Sink) (t takings, err error) {
	generations, err := sink.Generations(ctx, projections.Counters.Target(1).Model)
	if err != nil {
		return t, err
	}
	target := projections.Counters.Target(generations.Active)
	products := make([][]productTakings, len(b.stores))
	t.stores = make([]storeTakings, len(b.stores))
	group, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		group.Go(func() (err error) {
			for i := worker; i < len(b.stores); i += workers {
				if products[i], err = monthOf(ctx, sink, target, b.stores[i]); err != nil {
					return err
				}
				if t.stores[i], err = settlementOf(ctx, sink, target, b.stores[i]); err != nil {
					return err
				}
				t.stores[i].store = i
			}
			return nil
		})
	}
	err = group.Wait()
	t.products = slices.Concat(products...)
	return t, err
}

func monthOf(ctx context.Context, sink projections.Sink, target projections.Target, store auth.Store) ([]productTakings, error) {
	partition := projections.PeriodPartition(store.StoreID, calendar.Containing(calendar.Month, monthStart, store.SettlementDay))
	entries, _, err := sink.List(ctx, target, partition, "", 0)
	if err != nil {
		return nil, err
	}
	figures, err := projections.ReadPeriod(entries)
	products := make([]productTakings, len(figures.Products))
	for i, p := range figures.Products {
		products[i] = productTakings{p.Name, p.Quantity, p.Amount}
	}
	return products, err
}

func settlementOf(ctx context.Context, sink projections.Sink, target projections.Target, store auth.Store) (total storeTakings, err error) {
	partition := projections.PeriodPartition(store.StoreID, calendar.Containing(calendar.SettlementMonth, monthStart, store.SettlementDay))
	values, _, err := sink.Get(ctx, target, partition, projections.TenderFields(settlement.FeePolicies())...)
	for _, tender := range projections.ReadTenders(values) {
		total.revenue += tender.Amount
		total.fee += tender.Fee
	}
	return total, err
}

// The reference's queries before it moved to Redis (specification 7.5, "Ver 1"), over half-open ranges of its indexed
// columns, as its tuning left them. The filter for the five best is left out: all 1,000 products are wanted.
const (
	statisticsSQL = `
SELECT name, sale_count, sale_amount FROM (
  SELECT p.name, sum(od.count)::bigint AS sale_count, sum(od.total_amount)::bigint AS sale_amount,
    row_number() OVER (PARTITION BY p.store_id ORDER BY sum(od.count) DESC, p.name) AS count_ranking,
    row_number() OVER (PARTITION BY p.store_id ORDER BY sum(od.total_amount) DESC, p.name) AS amount_ranking
  FROM product p JOIN order_detail od ON od.product_id = p.id
  WHERE $1 <= od.created_at AND od.created_at < $2
  GROUP BY p.store_id, p.id) ranked`
	settlementSQL = `
SELECT s.id, sum(t.trade_amount)::bigint, sum(p.card_fee)::bigint
FROM store s JOIN trade t ON t.store_id = s.id JOIN payment p ON p.trade_id = t.id
WHERE $1 <= p.created_at AND p.created_at < $2 AND s.settlement_date = $3
GROUP BY s.id`
)

// monthRange is the month as the tables' clocks show it.
func monthRange() (from, to string) { return monthStart.String(), monthEnd.String() }

// fromTables computes the month's takings as the reference did every night.
func fromTables(ctx context.Context, conn *pgx.Conn) (t takings, err error) {
	from, to := monthRange()
	if t.products, err = selectRows(ctx, conn, (*productTakings).columns, statisticsSQL, from, to); err != nil {
		return t, err
	}
	t.stores, err = selectRows(ctx, conn, (*storeTakings).columns, settlementSQL, from, to, 1)
	return t, err
}

// selectRows carries out a query. into says where the columns of a row go.
func selectRows[T any](ctx context.Context, conn *pgx.Conn, into func(*T) []any, sql string, arguments ...any) ([]T, error) {
	rows, err := conn.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (t T, err error) {
		err = row.Scan(into(&t)...)
		return t, err
	})
}

func (p *productTakings) columns() []any { return []any{&p.name, &p.count, &p.amount} }
func (s *storeTakings) columns() []any   { return []any{&s.store, &s.revenue, &s.fee} }

// equal returns an error that names the first difference, if there is one. It sorts both.
func (t takings) equal(other takings, who string) error {
	for _, one := range []takings{t, other} {
		slices.SortFunc(one.products, func(a, b productTakings) int { return strings.Compare(a.name, b.name) })
		slices.SortFunc(one.stores, func(a, b storeTakings) int { return a.store - b.store })
	}
	if len(t.products) != len(other.products) || len(t.stores) != len(other.stores) {
		return fmt.Errorf("Daybook has %d products and %d stores, %s %d and %d", len(t.products), len(t.stores), who, len(other.products), len(other.stores))
	}
	for i, p := range t.products {
		if p != other.products[i] {
			return fmt.Errorf("Daybook says %+v, %s says %+v", p, who, other.products[i])
		}
	}
	for i, s := range t.stores {
		if s != other.stores[i] {
			return fmt.Errorf("Daybook says %+v, %s says %+v", s, who, other.stores[i])
		}
	}
	return nil
}
