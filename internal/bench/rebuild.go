package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"daybook/projections"
	embeddedsink "daybook/projections/embedded"
	redissink "daybook/projections/redis"
)

// rebuild measures how long it takes to make all counters anew from the log: days, weeks, months and settlement months.
func rebuild(ctx context.Context, r *run, result *Result) error {
	b, conn, err := r.monthAndTables(ctx)
	if err != nil {
		return err
	}
	url, err := r.startRedis(ctx)
	if err != nil {
		return err
	}
	if err := r.comparable(ctx, b, conn, url); err != nil {
		return err
	}
	figures, err := r.inTurn(ctx, result, r.Runs,
		measure{"embedded", "s", func(ctx context.Context) (float64, error) {
			return r.rebuildEmbedded(ctx, b, nil)
		}},
		measure{"Redis", "s", func(ctx context.Context) (float64, error) {
			return r.rebuildRedis(ctx, b, url, nil)
		}},
		measure{"SQL GROUP BY of the month", "s", seconds(func(ctx context.Context) error {
			_, err := fromTables(ctx, conn)
			return err
		})})
	if err != nil {
		return err
	}
	batch, err := r.inTurn(ctx, result, (r.Runs+1)/2, measure{"nightly batch of the month", "s", func(ctx context.Context) (float64, error) {
		return r.nightlyBatch(ctx, conn, url, nil)
	}})
	if err != nil {
		return err
	}
	embedded, inRedis, sql := figures[0].Value, figures[1].Value, figures[2].Value
	result.once("events folded", "events/s", float64(b.month.tabs)/embedded)
	result.atLeast("GROUP BY / embedded", ratio, sql/embedded, 1)
	result.atLeast("nightly batch / embedded", ratio, batch[0].Value/embedded, 10)
	result.atMost("Redis / embedded", ratio, inRedis/embedded, 1.5)
	return nil
}

// comparable makes sure that all four give the same answer.
func (r *run) comparable(ctx context.Context, b *books, conn *pgx.Conn, url string) error {
	want, err := fromTables(ctx, conn)
	if err != nil {
		return err
	}
	check := func(sink projections.Sink) error {
		got, err := b.fromCounters(ctx, sink)
		if err != nil {
			return err
		}
		return got.equal(want, "SQL")
	}
	if _, err := r.rebuildEmbedded(ctx, b, check); err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	if _, err := r.rebuildRedis(ctx, b, url, check); err != nil {
		return fmt.Errorf("Redis: %w", err)
	}
	_, err = r.nightlyBatch(ctx, conn, url, func(batch takings) error { return want.equal(batch, "the nightly batch") })
	return err
}

// rebuildEmbedded rebuilds the counters into a new directory and says how many seconds it took. check may look at them.
func (r *run) rebuildEmbedded(ctx context.Context, b *books, check func(projections.Sink) error) (float64, error) {
	dir := r.newDir("counters")
	sink, err := embeddedsink.Open(embeddedsink.Options{Dir: dir, Logger: quiet})
	if err != nil {
		return 0, err
	}
	took, err := rebuildCounters(ctx, b, sink)
	if err == nil && check != nil {
		err = check(sink)
	}
	return took, errors.Join(err, sink.Close(), os.RemoveAll(dir))
}

// rebuildRedis rebuilds the counters into an empty database of a Redis.
func (r *run) rebuildRedis(ctx context.Context, b *books, url string, check func(projections.Sink) error) (float64, error) {
	if err := empty(ctx, url, 0); err != nil {
		return 0, err
	}
	sink, err := redissink.Open(ctx, url)
	if err != nil {
		return 0, err
	}
	took, err := rebuildCounters(ctx, b, sink)
	if err == nil && check != nil {
		err = check(sink)
	}
	return took, errors.Join(err, sink.Close())
}

func rebuildCounters(ctx context.Context, b *books, sink projections.Sink) (float64, error) {
	begin := time.Now()
	_, err := projections.Rebuild(ctx, b.Store, sink, projections.Counters, quiet, func(uint64, uint64) {})
	return time.Since(begin).Seconds(), err
}

// nightlyDatabase of Redis is the batch's.
const nightlyDatabase = 1

// nightlyBatch runs the reference's batch.
func (r *run) nightlyBatch(ctx context.Context, conn *pgx.Conn, url string, check func(takings) error) (float64, error) {
	if err := empty(ctx, url, nightlyDatabase); err != nil {
		return 0, err
	}
	client, err := redisClient(url, nightlyDatabase)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	n := nightly{conn, client}
	begin := time.Now()
	if err := n.run(ctx); err != nil {
		return 0, err
	}
	took := time.Since(begin).Seconds()
	left, err := n.takings(ctx)
	if err == nil && check != nil {
		err = check(left)
	}
	return took, err
}

func redisClient(url string, database int) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	options.DB = database
	return redis.NewClient(options), nil
}

// empty deletes everything in a database of our own Redis.
func empty(ctx context.Context, url string, database int) error {
	client, err := redisClient(url, database)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.FlushDB(ctx).Err()
}
