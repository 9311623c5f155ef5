package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

// What is asked, and how often.
const (
	queriesPerSecond = 500
	queryProducts    = 1000 // of one store
	queryScale       = 0.1  // of the month's tabs, all in that store
	sqlQueries       = 40
	best             = 5
)

const topSQL = `
SELECT p.name, sum(od.count)::bigint, sum(od.total_amount)::bigint
FROM product p JOIN order_detail od ON od.product_id = p.id
WHERE p.store_id = 0 AND $1 <= od.created_at AND od.created_at < $2
GROUP BY p.id ORDER BY sum(od.total_amount) DESC, p.name LIMIT $3`

// query measures how long it takes to ask for the five best of a month's 1,000 products: the query API at a fixed rate,
// beside SQL over the same month's detail rows, which is asked by one connection, one question after the other.
func query(ctx context.Context, r *run, result *Result) (err error) {
	m := newMonth(1, queryProducts, r.Scale*queryScale)
	b, err := r.keepBooks(ctx, m, "large store")
	if err != nil {
		return err
	}
	config, storeID := b.config, b.stores[0].StoreID
	if err := b.close(); err != nil {
		return err
	}
	conn, err := r.fillTables(ctx, m, "large")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	s, err := r.serve(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, s.stop()); err == nil {
			err = r.verify(ctx, config)
		}
	}()
	if err := settle(ctx); err != nil {
		return err
	}
	q := &questions{run: r, server: s, path: fmt.Sprintf("/v1/stores/%s/statistics/products?term=MONTH&start=%s&limit=%d", storeID, monthStart, best), conn: conn}
	if err := q.same(ctx); err != nil {
		return err
	}
	figures, err := r.inTurn(ctx, result, r.Runs,
		measure{"query API, p99", "ms", q.api},
		measure{"SQL, p99", "ms", q.sql})
	if err != nil {
		return err
	}
	result.once("query API, p50", "ms", milliseconds(percentile(q.took, 50)))
	result.once("sent later than due, p99", "ms", milliseconds(percentile(q.late, 99)))
	result.once("asked", "queries/s", q.perSecond)
	result.once("detail rows", "", float64(m.lines))
	result.atLeast("SQL / query API, p99", ratio, figures[1].Value/figures[0].Value, 20)
	return nil
}

// questions ask both sides the same.
type questions struct {
	*run
	server    *server
	path      string
	conn      *pgx.Conn
	took      []time.Duration // by the query API
	late      []time.Duration // how much later than due questions were sent
	perSecond float64
}

// same makes sure that both answer the same.
func (q *questions) same(ctx context.Context) error {
	var answer struct {
		Items []struct {
			Name       string `json:"name"`
			SaleCount  int64  `json:"saleCount"`
			SaleAmount int64  `json:"saleAmount"`
		} `json:"items"`
	}
	if _, err := q.server.send(ctx, call{method: http.MethodGet, path: q.path, token: q.server.owner}, &answer); err != nil {
		return err
	}
	rows, err := q.top(ctx)
	if err != nil {
		return err
	}
	for i, row := range rows {
		if i >= len(answer.Items) || row != (productTakings{answer.Items[i].Name, answer.Items[i].SaleCount, answer.Items[i].SaleAmount}) {
			return fmt.Errorf("the query API answers %+v, SQL %+v", answer.Items, rows)
		}
	}
	return nil
}

func (q *questions) top(ctx context.Context) ([]productTakings, error) {
	from, to := monthRange()
	return selectRows(ctx, q.conn, (*productTakings).columns, topSQL, from, to, best)
}

// api asks the query API at its rate for a while, whether earlier questions are answered or not. A question's time counts
// from when it is sent, as SQL's does: Go's timers are late by up to a millisecond, which is not the server's.
func (q *questions) api(ctx context.Context) (float64, error) {
	total := int(q.loadTime()/time.Second) * queriesPerSecond
	took, late := make([]time.Duration, total), make([]time.Duration, total)
	begin := time.Now()
	err := atRate(ctx, queriesPerSecond, total, func(ctx context.Context, n int) error {
		sent := time.Now()
		_, err := q.server.send(ctx, call{method: http.MethodGet, path: q.path, token: q.server.owner}, nil)
		took[n], late[n] = time.Since(sent), sent.Sub(begin)-time.Duration(n)*time.Second/queriesPerSecond
		return err
	})
	q.perSecond = float64(total) / time.Since(begin).Seconds()
	q.took, q.late = append(q.took, took...), append(q.late, late...)
	return milliseconds(percentile(took, 99)), err
}

func (q *questions) sql(ctx context.Context) (float64, error) {
	took := make([]time.Duration, sqlQueries)
	for i := range took {
		begin := time.Now()
		if _, err := q.top(ctx); err != nil {
			return 0, err
		}
		took[i] = time.Since(begin)
	}
	return milliseconds(percentile(took, 99)), nil
}
