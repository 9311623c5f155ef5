package bench

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// nightly is the reference's batch as it was last (specification 7.2 to 7.4, "Ver 2"): rows are read page by page along
// their key, each row is three commands in a pipeline to Redis, and what Redis has summed up is moved to a table.
type nightly struct {
	conn  *pgx.Conn
	redis *redis.Client
}

// pageRows is its chunk, page and fetch size.
const pageRows = 1000

const (
	linesPageSQL = `
SELECT od.id, p.id, od.count, od.total_amount FROM product p JOIN order_detail od ON od.product_id = p.id
WHERE $1 <= od.created_at AND od.created_at < $2 AND od.id > $3 ORDER BY od.id LIMIT $4`
	paymentsPageSQL = `
SELECT p.id, s.id, t.trade_amount, p.card_fee FROM store s JOIN trade t ON t.store_id = s.id JOIN payment p ON p.trade_id = t.id
WHERE $1 <= p.created_at AND p.created_at < $2 AND s.settlement_date = 1 AND p.id > $3 ORDER BY p.id LIMIT $4`
)

// job is one of its two jobs.
type job struct {
	page   string // SQL of a page: key, group, and two amounts
	prefix string // of keys in Redis
	fields [3]string
	insert string
}

var (
	statisticsJob = job{
		linesPageSQL, "product_sale_statistic-MONTH-", [3]string{"product_id", "sale_count", "sale_amount"},
		"INSERT INTO product_sale_statistic VALUES ($1, 'MONTH', $2, $3, $4)",
	}
	settlementJob = job{
		paymentsPageSQL, "settlement-MONTH-", [3]string{"store_id", "revenue", "fee"},
		"INSERT INTO settlement VALUES ($1, 'MONTH', $2, $3, $4, $3::bigint - $4::bigint)",
	}
)

// run does both jobs.
func (n nightly) run(ctx context.Context) error {
	for _, j := range []job{statisticsJob, settlementJob} {
		if err := n.aggregate(ctx, j); err != nil {
			return err
		}
		if err := n.transfer(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

type pageRow struct{ id, group, first, second int64 }

func (r *pageRow) columns() []any { return []any{&r.id, &r.group, &r.first, &r.second} }

func (n nightly) aggregate(ctx context.Context, j job) error {
	from, to := monthRange()
	for last := int64(-1); ; {
		page, err := selectRows(ctx, n.conn, (*pageRow).columns, j.page, from, to, last, pageRows)
		if err != nil || len(page) == 0 {
			return err
		}
		last = page[len(page)-1].id
		if _, err := n.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, r := range page {
				key := j.prefix + strconv.FormatInt(r.group, 10)
				pipe.HSet(ctx, key, j.fields[0], r.group)
				pipe.HIncrBy(ctx, key, j.fields[1], r.first)
				pipe.HIncrBy(ctx, key, j.fields[2], r.second)
			}
			return nil
		}); err != nil {
			return err
		}
	}
}

func (n nightly) transfer(ctx context.Context, j job) error {
	keys, err := n.redis.Keys(ctx, j.prefix+"*").Result()
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for _, key := range keys {
		sums, err := n.redis.HGetAll(ctx, key).Result()
		if err != nil {
			return err
		}
		var numbers [3]int64
		for i, field := range j.fields {
			if numbers[i], err = strconv.ParseInt(sums[field], 10, 64); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		batch.Queue(j.insert, numbers[0], monthStart.String(), numbers[1], numbers[2])
	}
	if err := n.redis.Del(ctx, keys...).Err(); err != nil {
		return err
	}
	return n.conn.SendBatch(ctx, batch).Close()
}

// takings are what the batch has left in the tables, which are emptied.
func (n nightly) takings(ctx context.Context) (t takings, err error) {
	t.products, err = selectRows(ctx, n.conn, (*productTakings).columns, "SELECT p.name, s.sale_count, s.sale_amount FROM product_sale_statistic s JOIN product p ON p.id = s.product_id")
	if err != nil {
		return t, err
	}
	if t.stores, err = selectRows(ctx, n.conn, (*storeTakings).columns, "SELECT store_id, revenue, fee FROM settlement"); err != nil {
		return t, err
	}
	_, err = n.conn.Exec(ctx, "TRUNCATE product_sale_statistic, settlement")
	return t, err
}
