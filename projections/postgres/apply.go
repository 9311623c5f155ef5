package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"daybook/projections"
)

// The two beginnings of a batch's statement. Both yield the target's id, or nothing: the target stands elsewhere.
const (
	begin = `
WITH fence AS (
	INSERT INTO read_target (model, generation, log, version, commit_position, prepare_position, resumed, event)
	VALUES ($1, $2, $3, $4, $5::text::numeric, $6::text::numeric, $7, $8)
	ON CONFLICT (model, generation) WHERE NOT dropped DO NOTHING
	RETURNING id
)`
	move = `
WITH fence AS (
	UPDATE read_target
	SET log = $3, version = $4, commit_position = $5::text::numeric, prepare_position = $6::text::numeric, resumed = $7, event = $8
	WHERE model = $1 AND generation = $2 AND NOT dropped
	AND log = $9 AND version = $10 AND commit_position = $11::text::numeric AND prepare_position = $12::text::numeric AND resumed = $13
	AND ` + namedEvent + ` = $14
	RETURNING id
)`
)

// Its parts for the changes, each with the number of its first parameter. Every field is in one of them at most, so
// their order does not matter; PostgreSQL would not keep one.
const (
	deletes = `,
deletes AS (
	DELETE FROM read_field f USING fence, unnest($%[1]d::text[], $%[2]d::text[]) AS c (partition, field)
	WHERE f.target = fence.id AND f.partition = c.partition AND f.field = c.field
)`
	puts = `,
puts AS (
	INSERT INTO read_field (target, partition, field, document)
	SELECT fence.id, c.partition, c.field, c.document::jsonb
	FROM fence, unnest($%[1]d::text[], $%[2]d::text[], $%[3]d::text[]) AS c (partition, field, document)
	ON CONFLICT (target, partition, field) DO UPDATE SET counter = NULL, document = excluded.document
)`
	sets = `,
sets AS (
	INSERT INTO read_field (target, partition, field, counter)
	SELECT fence.id, c.partition, c.field, c.counter
	FROM fence, unnest($%[1]d::text[], $%[2]d::text[], $%[3]d::bigint[]) AS c (partition, field, counter)
	ON CONFLICT (target, partition, field) DO UPDATE SET counter = excluded.counter, document = NULL
)`
	// Where there is a row, the sum beside it breaks the constraint that a field holds one of the two.
	adds = `,
adds AS (
	INSERT INTO read_field AS f (target, partition, field, counter)
	SELECT fence.id, c.partition, c.field, c.delta
	FROM fence, unnest($%[1]d::text[], $%[2]d::text[], $%[3]d::bigint[]) AS c (partition, field, delta)
	ON CONFLICT (target, partition, field) DO UPDATE SET counter = coalesce(f.counter, 0) + excluded.counter
)`
	finish = `
SELECT count(*) FROM fence`
	// finishAtOnce lets the statement's transaction end before it is on the disk. It is no setting of the connection,
	// which a pooler may share with others, whose data are worth more.
	finishAtOnce = `
SELECT count(*) FROM fence, set_config('synchronous_commit', 'off', true)`
)

// Apply stores a batch. See projections.Sink.
func (s *Sink) Apply(ctx context.Context, target projections.Target, batch projections.Batch) error {
	if err := target.Check(); err != nil {
		return err
	}
	net, err := batch.Net(ctx)
	if err != nil {
		return err
	}
	statement, arguments := compose(target, batch, net)
	if s.patient {
		statement += finish
	} else {
		statement += finishAtOnce
	}
	return s.call(ctx, func(ctx context.Context) error {
		var moved int
		if err := s.pool.QueryRow(ctx, statement, arguments...).Scan(&moved); err != nil {
			return err
		}
		if moved == 0 {
			return fmt.Errorf("%w: %v does not stand at %+v", projections.ErrFenced, target, batch.From)
		}
		return nil
	})
}

// compose writes a batch's statement but for its finish. There are 32 different ones, which pgx prepares on first use.
func compose(target projections.Target, batch projections.Batch, net []projections.Change) (string, []any) {
	statement := begin
	arguments := append([]any{target.Model, target.Generation}, place(batch.To)...)
	if batch.From != (projections.Checkpoint{}) {
		statement = move
		arguments = append(arguments, place(batch.From)...)
	}
	for op, columns := range columnsOf(net) {
		if len(columns.partitions) == 0 {
			continue
		}
		n := len(arguments) + 1
		arguments = append(arguments, columns.partitions, columns.fields)
		switch projections.Op(op) {
		case projections.Delete:
			statement += fmt.Sprintf(deletes, n, n+1)
		case projections.Put:
			statement += fmt.Sprintf(puts, n, n+1, n+2)
			arguments = append(arguments, columns.rows)
		case projections.Set:
			statement += fmt.Sprintf(sets, n, n+1, n+2)
			arguments = append(arguments, columns.numbers)
		case projections.Add:
			statement += fmt.Sprintf(adds, n, n+1, n+2)
			arguments = append(arguments, columns.numbers)
		}
	}
	return statement, arguments
}

// columns are changes of one kind as PostgreSQL takes many rows at once.
type columns struct {
	partitions, fields, rows []string
	numbers                  []int64
}

// columnsOf sorts changes by what they do: the index is the Op.
func columnsOf(net []projections.Change) (all [projections.Set + 1]columns) {
	// Neighbours in the table one after another: that is up to twice as fast.
	slices.SortFunc(net, projections.Change.Compare)
	for _, change := range net {
		c := &all[change.Op]
		c.partitions = append(c.partitions, change.Partition)
		c.fields = append(c.fields, change.Field)
		switch change.Op {
		case projections.Put:
			c.rows = append(c.rows, string(change.Row))
		case projections.Set, projections.Add:
			c.numbers = append(c.numbers, change.Delta)
		}
	}
	return all
}

// place is a checkpoint as parameters. Positions go as text: they may be above the int64 range.
func place(at projections.Checkpoint) []any {
	commit, prepare := strconv.FormatUint(at.Position.Commit, 10), strconv.FormatUint(at.Position.Prepare, 10)
	event := ""
	if at.Event != uuid.Nil {
		event = commit + " " + prepare + " " + at.Event.String()
	}
	return []any{at.Log, at.Version, commit, prepare, at.Resumed, event}
}

// namedEvent is the event of a target's checkpoint, with the position that it is of; empty if none is named. A process of
// an earlier release moves the position without it, and the event that is left behind then counts as none.
const namedEvent = `CASE WHEN starts_with(event, commit_position || ' ' || prepare_position || ' ') THEN event ELSE '' END`
