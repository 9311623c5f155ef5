package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"daybook/eventstore"
	"daybook/projections"
)

// pageEntries is how many entries Scan fetches at a time.
const pageEntries = 2000

const (
	ofTarget = `
WHERE t.model = $1 AND t.generation = $2 AND NOT t.dropped`
	selectCheckpoint = `
SELECT t.id, ` + checkpointColumns + ` FROM read_target t` + ofTarget
	// The checkpoint comes with each entry: so both are of one moment without a transaction.
	selectPartition = `
SELECT ` + checkpointColumns + `, f.field, f.counter, f.document
FROM read_target t
LEFT JOIN LATERAL (
	SELECT * FROM read_field WHERE target = t.id AND partition = $3 AND field > $4 ORDER BY field LIMIT $5
) f ON true` + ofTarget + `
ORDER BY f.field`
	selectPage = `
SELECT partition, field, counter, document FROM read_field
WHERE target = $1 AND (partition, field) > ($2, $3)
ORDER BY partition, field LIMIT $4`
)

// Checkpoint returns where a target stands. See projections.Sink.
func (s *Sink) Checkpoint(ctx context.Context, target projections.Target) (at projections.Checkpoint, err error) {
	if err := target.Check(); err != nil {
		return at, err
	}
	err = s.call(ctx, func(ctx context.Context) error {
		_, at, err = checkpoint(ctx, s.pool, target)
		return err
	})
	return at, err
}

// checkpointColumns are what a scannedCheckpoint takes.
const checkpointColumns = `t.log, t.version, t.commit_position::text, t.prepare_position::text, t.resumed, ` + namedEvent

type scannedCheckpoint struct {
	log, commit, prepare, event string // "" where there is no target
	version, resumed            int
}

func (c *scannedCheckpoint) into() []any {
	return []any{&c.log, &c.version, &c.commit, &c.prepare, &c.resumed, &c.event}
}

func (c *scannedCheckpoint) checkpoint() (projections.Checkpoint, error) {
	if c.log == "" {
		return projections.Checkpoint{}, nil
	}
	commit, err := strconv.ParseUint(c.commit, 10, 64)
	if err != nil {
		return projections.Checkpoint{}, fmt.Errorf("commit position: %w", err)
	}
	prepare, err := strconv.ParseUint(c.prepare, 10, 64)
	if err != nil {
		return projections.Checkpoint{}, fmt.Errorf("prepare position: %w", err)
	}
	at := projections.Checkpoint{Log: c.log, Version: c.version, Position: eventstore.Position{Commit: commit, Prepare: prepare}, Resumed: c.resumed}
	if c.event != "" {
		if at.Event, err = uuid.Parse(c.event[strings.LastIndexByte(c.event, ' ')+1:]); err != nil {
			return projections.Checkpoint{}, fmt.Errorf("event of the checkpoint: %w", err)
		}
	}
	return at, nil
}

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func checkpoint(ctx context.Context, db querier, target projections.Target) (id int64, at projections.Checkpoint, err error) {
	var c scannedCheckpoint
	err = db.QueryRow(ctx, selectCheckpoint, target.Model, target.Generation).Scan(append([]any{&id}, c.into()...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, projections.Checkpoint{}, nil
	}
	if err != nil {
		return 0, projections.Checkpoint{}, err
	}
	at, err = c.checkpoint()
	return id, at, err
}

// Get returns fields of a partition. See projections.Sink.
func (s *Sink) Get(ctx context.Context, target projections.Target, partition string, fields ...string) (map[string]projections.Value, projections.Checkpoint, error) {
	values, at, err := s.GetEach(ctx, target, []string{partition}, fields...)
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	return values[0], at, nil
}

// GetEach returns fields of partitions. See projections.Sink.
func (s *Sink) GetEach(ctx context.Context, target projections.Target, partitions []string, fields ...string) ([]map[string]projections.Value, projections.Checkpoint, error) {
	if err := projections.CheckGetEach(target, partitions, fields); err != nil {
		return nil, projections.Checkpoint{}, err
	}
	if err := projections.CallEnded(ctx, s.life); err != nil { // a lookup that is quick enough would win against an ended context
		return nil, projections.Checkpoint{}, err
	}
	l := newLookup(target, partitions, fields)
	s.lookups.add(l, s)
	select {
	case <-l.done:
	case <-ctx.Done():
		return nil, projections.Checkpoint{}, ctx.Err()
	}
	if l.err != nil {
		return nil, projections.Checkpoint{}, l.err
	}
	return l.values, l.at, nil
}

// List returns entries of a partition. See projections.Sink.
func (s *Sink) List(ctx context.Context, target projections.Target, partition, after string, limit int) ([]projections.Entry, projections.Checkpoint, error) {
	if err := projections.CheckList(target, partition, after, limit); err != nil {
		return nil, projections.Checkpoint{}, err
	}
	var most *int // NULL is no limit
	if limit > 0 {
		most = &limit
	}
	return s.entries(ctx, selectPartition, target.Model, target.Generation, partition, after, most)
}

// entries returns what a query of checkpoint columns, field, counter and document yields.
func (s *Sink) entries(ctx context.Context, query string, arguments ...any) (entries []projections.Entry, at projections.Checkpoint, err error) {
	err = s.call(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, query, arguments...)
		if err != nil {
			return err
		}
		defer rows.Close()
		var c scannedCheckpoint
		for rows.Next() {
			var field *string
			var v scannedValue
			if err := rows.Scan(append(c.into(), &field, &v.counter, &v.document)...); err != nil {
				return err
			}
			if field == nil { // the target, without entries
				continue
			}
			entries = append(entries, projections.Entry{Field: *field, Value: v.value()})
		}
		if err := rows.Err(); err != nil {
			return err
		}
		at, err = c.checkpoint()
		return err
	})
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	return entries, at, nil
}

type scannedValue struct {
	counter  *int64
	document []byte
}

func (v scannedValue) value() projections.Value {
	if v.counter != nil {
		return projections.Value{Counter: *v.counter}
	}
	return projections.Value{Row: json.RawMessage(v.document)}
}

// errOfCaller marks an error of the function that Scan was given.
var errOfCaller = errors.New("")

// Scan passes all entries of a target. See projections.Sink. Batches go on being applied meanwhile.
func (s *Sink) Scan(ctx context.Context, target projections.Target, fn func(string, projections.Entry) error) (at projections.Checkpoint, err error) {
	if err := target.Check(); err != nil {
		return projections.Checkpoint{}, err
	}
	var ended error // what fn returned
	err = s.within(ctx, func(ctx context.Context) error {
		snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		return pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) (err error) {
			var id int64
			if id, at, err = checkpoint(ctx, tx, target); err != nil {
				return err
			}
			partition, field := "", ""
			for more := true; more; {
				page, err := fetchPage(ctx, tx, id, partition, field)
				if err != nil {
					return err
				}
				for _, line := range page {
					if err := ctx.Err(); err != nil {
						return err
					}
					if ended = fn(line.partition, line.Entry); ended != nil {
						return errOfCaller
					}
					partition, field = line.partition, line.Field
				}
				more = len(page) == pageEntries
			}
			return ctx.Err()
		})
	})
	switch {
	case ended != nil:
		return projections.Checkpoint{}, ended
	case err != nil:
		return projections.Checkpoint{}, err
	}
	return at, nil
}

// line is one entry of a scan.
type line struct {
	partition string
	projections.Entry
}

// fetchPage returns a target's next entries after a place.
func fetchPage(ctx context.Context, tx pgx.Tx, id int64, partition, field string) ([]line, error) {
	rows, err := tx.Query(ctx, selectPage, id, partition, field, pageEntries)
	if err != nil {
		return nil, err
	}
	page, err := pgx.AppendRows(make([]line, 0, pageEntries), rows, func(row pgx.CollectableRow) (l line, err error) {
		var v scannedValue
		err = row.Scan(&l.partition, &l.Field, &v.counter, &v.document)
		l.Value = v.value()
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("read a page: %w", err)
	}
	return page, nil
}
