package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The tables of a relational point of sale, after the reference's (specification 1.2): with its foreign keys and
// indexes, with the price and name of each line kept as Daybook keeps them.
const relationalSQL = `
CREATE TABLE store (id INT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE product (id INT PRIMARY KEY, store_id INT NOT NULL REFERENCES store, name TEXT NOT NULL, category TEXT NOT NULL, price BIGINT NOT NULL);
CREATE TABLE trade (id UUID PRIMARY KEY, store_id INT NOT NULL REFERENCES store, trade_device_id INT NOT NULL, trade_amount BIGINT NOT NULL, created_at TIMESTAMPTZ NOT NULL, is_completed BOOLEAN NOT NULL);
CREATE UNIQUE INDEX ON trade (trade_device_id) WHERE NOT is_completed;
CREATE TABLE order_table (id UUID PRIMARY KEY, trade_id UUID NOT NULL REFERENCES trade, order_amount BIGINT NOT NULL, created_at TIMESTAMPTZ NOT NULL);
CREATE INDEX ON order_table (trade_id);
CREATE TABLE order_detail (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id UUID NOT NULL REFERENCES order_table, product_id INT NOT NULL REFERENCES product,
  name TEXT NOT NULL, category TEXT NOT NULL, unit_price BIGINT NOT NULL, count BIGINT NOT NULL, total_amount BIGINT NOT NULL, created_at TIMESTAMPTZ NOT NULL);
CREATE INDEX ON order_detail (order_id);
CREATE INDEX ON order_detail (created_at);
CREATE TABLE payment (id UUID PRIMARY KEY, trade_id UUID NOT NULL UNIQUE REFERENCES trade, amount BIGINT NOT NULL, card_fee BIGINT NOT NULL, created_at TIMESTAMPTZ NOT NULL);
INSERT INTO store SELECT n, 'Restaurant ' || n FROM generate_series(0, 7) n;
INSERT INTO product SELECT n, n / 3, 'Dish ' || n % 3, 'MAIN_MENU', 4500 FROM generate_series(0, 23) n`

// relationalTill puts an order down as one transaction, as a program over a relational database does: statement by
// statement or, pipelined, all in one round trip, which is the best that can be had without writing procedures.
// Connections are kept, statements are prepared, and the price is looked up by the statement that inserts a line.
type relationalTill struct {
	pool      *pgxpool.Pool
	pipelined bool
	tabs      [writers]uuid.UUID // zero: none is open
}

func (r *run) newRelationalTill(ctx context.Context, database string, pipelined bool) (*relationalTill, error) {
	url, err := r.database(ctx, database)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = writers, writers
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, relationalSQL); err != nil {
		pool.Close()
		return nil, err
	}
	return &relationalTill{pool: pool, pipelined: pipelined}, nil
}

const (
	insertTradeSQL = "INSERT INTO trade VALUES ($1, $2, $3, 0, now(), false)"
	insertOrderSQL = "INSERT INTO order_table VALUES ($1, $2, $3, now())"
	insertLineSQL  = `INSERT INTO order_detail (order_id, product_id, name, category, unit_price, count, total_amount, created_at)
SELECT $1, id, name, category, price, $3, price * $3, now() FROM product WHERE id = $2`
	updateTradeSQL   = "UPDATE trade SET trade_amount = trade_amount + $2 WHERE id = $1 AND NOT is_completed"
	insertPaymentSQL = "INSERT INTO payment SELECT $1, id, trade_amount, 0, now() FROM trade WHERE id = $2"
	closeTradeSQL    = "UPDATE trade SET is_completed = true WHERE id = $1 AND NOT is_completed"
)

func (t *relationalTill) order(ctx context.Context, writer int) error {
	const amount = orderLines * orderQuantity * menuPrice
	store, order := writer%restaurants, uuid.New()
	var does statements
	if t.tabs[writer] == uuid.Nil {
		t.tabs[writer] = uuid.New()
		does.add(insertTradeSQL, t.tabs[writer], store, writer)
	}
	does.add(insertOrderSQL, order, t.tabs[writer], amount)
	for line := range orderLines {
		does.add(insertLineSQL, order, store*orderLines+line, orderQuantity)
	}
	does.add(updateTradeSQL, t.tabs[writer], amount)
	return t.transact(ctx, does)
}

func (t *relationalTill) pay(ctx context.Context, writer int) error {
	tab := t.tabs[writer]
	t.tabs[writer] = uuid.Nil
	var does statements
	does.add(insertPaymentSQL, uuid.New(), tab)
	does.add(closeTradeSQL, tab)
	return t.transact(ctx, does)
}

// statements are a transaction's. Each changes exactly one row.
type statements []statement

type statement struct {
	sql       string
	arguments []any
}

func (s *statements) add(sql string, arguments ...any) { *s = append(*s, statement{sql, arguments}) }

func (t *relationalTill) transact(ctx context.Context, does statements) error {
	if t.pipelined {
		return t.pipeline(ctx, does)
	}
	return pgx.BeginFunc(ctx, t.pool, func(tx pgx.Tx) error {
		for _, s := range does {
			if err := one(tx.Exec(ctx, s.sql, s.arguments...)); err != nil {
				return err
			}
		}
		return nil
	})
}

// pipeline sends all statements at once, which makes them one transaction.
func (t *relationalTill) pipeline(ctx context.Context, does statements) (err error) {
	batch := &pgx.Batch{}
	for _, s := range does {
		batch.Queue(s.sql, s.arguments...)
	}
	results := t.pool.SendBatch(ctx, batch)
	defer func() { err = errors.Join(err, results.Close()) }()
	for range does {
		if err := one(results.Exec()); err != nil {
			return err
		}
	}
	return nil
}

// one makes sure that a statement changed one row.
func one(tag pgconn.CommandTag, err error) error {
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("%d rows were changed, not one", tag.RowsAffected())
	}
	return err
}

func (t *relationalTill) close() error {
	t.pool.Close()
	return nil
}
