package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
)

// The reference system's tables (specification 1.2), as far as its statistics and settlement read them, with the indexes
// that its tuning added, and those on the columns that it joins.
const tablesSQL = `
CREATE TABLE store (id INT PRIMARY KEY, name TEXT NOT NULL, settlement_date INT NOT NULL);
CREATE TABLE product (id INT PRIMARY KEY, store_id INT NOT NULL REFERENCES store, name TEXT NOT NULL, category TEXT NOT NULL, price BIGINT NOT NULL);
CREATE TABLE trade (id BIGINT PRIMARY KEY, store_id INT NOT NULL REFERENCES store, trade_amount BIGINT NOT NULL, created_at TIMESTAMP NOT NULL);
CREATE TABLE order_detail (id BIGINT PRIMARY KEY, order_id BIGINT NOT NULL, product_id INT NOT NULL, count BIGINT NOT NULL, total_amount BIGINT NOT NULL, created_at TIMESTAMP NOT NULL);
CREATE TABLE payment (id BIGINT PRIMARY KEY, trade_id BIGINT NOT NULL, card_fee BIGINT NOT NULL, created_at TIMESTAMP NOT NULL);
CREATE TABLE product_sale_statistic (product_id INT, date_term TEXT, start_date DATE, sale_count BIGINT, sale_amount BIGINT);
CREATE TABLE settlement (store_id INT, date_term TEXT, start_date DATE, revenue BIGINT, fee BIGINT, operating_profit BIGINT)`

const indexesSQL = `
CREATE INDEX ON order_detail (created_at);
CREATE INDEX ON order_detail (product_id, created_at);
CREATE INDEX ON payment (created_at);
CREATE INDEX ON payment (trade_id);
CREATE INDEX ON trade (store_id);
CREATE INDEX ON product (store_id);
CREATE INDEX ON store (settlement_date)`

// fillTables makes the tables of a month in a database of their own. The caller closes the connection.
func (r *run) fillTables(ctx context.Context, m month, name string) (*pgx.Conn, error) {
	url, err := r.database(ctx, name)
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	// By default, PostgreSQL plans a statement that it has seen five times without looking at its dates: these take three
	// times as long then.
	config.RuntimeParams["plan_cache_mode"] = "force_custom_plan"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := r.copyMonth(ctx, conn, m, name); err != nil {
		return nil, errors.Join(fmt.Errorf("filling tables: %w", err), conn.Close(ctx))
	}
	return conn, nil
}

func (r *run) copyMonth(ctx context.Context, conn *pgx.Conn, m month, name string) error {
	if _, err := conn.Exec(ctx, tablesSQL); err != nil {
		return err
	}
	parts := []struct {
		table   string
		columns []string
		rows    iter.Seq[[]any]
	}{
		{"store", []string{"id", "name", "settlement_date"}, m.storeRows},
		{"product", []string{"id", "store_id", "name", "category", "price"}, m.productRows},
		{"trade", []string{"id", "store_id", "trade_amount", "created_at"}, m.tradeRows},
		{"order_detail", []string{"id", "order_id", "product_id", "count", "total_amount", "created_at"}, m.lineRows},
		{"payment", []string{"id", "trade_id", "card_fee", "created_at"}, m.paymentRows},
	}
	for i, part := range parts {
		r.Progress("filling tables "+name, uint64(i), uint64(len(parts)))
		next, stop := iter.Pull(part.rows)
		_, err := conn.CopyFrom(ctx, pgx.Identifier{part.table}, part.columns, pgx.CopyFromFunc(func() ([]any, error) {
			row, more := next()
			if !more {
				return nil, nil
			}
			return row, nil
		}))
		stop()
		if err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, indexesSQL); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, "VACUUM ANALYZE")
	r.Progress("filling tables "+name, uint64(len(parts)), uint64(len(parts)))
	return err
}

func (m month) storeRows(yield func([]any) bool) {
	for store := range m.stores {
		if !yield([]any{store, m.storeName(store), 1}) {
			return
		}
	}
}

func (m month) productRows(yield func([]any) bool) {
	for store := range m.stores {
		for product := range m.products {
			if !yield([]any{m.productID(store, product), store, m.productName(store, product), m.category(product), m.price(product)}) {
				return
			}
		}
	}
}

func (m month) productID(store, product int) int { return store*m.products + product }

// all passes every tab of the month and its store.
func (m month) all(yield func(int, sold) bool) {
	for p := range m.pieces {
		for _, t := range p.tabs {
			if !yield(p.store, t) {
				return
			}
		}
	}
}

func (m month) tradeRows(yield func([]any) bool) {
	for store, t := range m.all {
		if !yield([]any{int64(t.id), store, m.total(t), clock(t.at)}) {
			return
		}
	}
}

func (m month) lineRows(yield func([]any) bool) {
	id := int64(0)
	for store, t := range m.all {
		for _, l := range t.lines {
			if !yield([]any{id, int64(t.id), m.productID(store, l.product), int64(l.quantity), m.amount(l), clock(t.at)}) {
				return
			}
			id++
		}
	}
}

func (m month) paymentRows(yield func([]any) bool) {
	for _, t := range m.all {
		if !yield([]any{int64(t.id), int64(t.id), m.fee(t), clock(t.at)}) {
			return
		}
	}
}

// total of a tab.
func (m month) total(t sold) (amount int64) {
	for _, l := range t.lines {
		amount += m.amount(l)
	}
	return amount
}

// fee of a tab in won: the rates of the contract in parts per thousand, rounded down.
func (m month) fee(t sold) int64 {
	perThousand := map[string]int64{"": 0, "K": 4, "H": 6, "S": 8}[t.tender.CardCompany]
	return m.total(t) * perThousand / 1000
}

// clock is what a store's clock shows: the tables know no zones.
func clock(at time.Time) time.Time {
	return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC)
}
