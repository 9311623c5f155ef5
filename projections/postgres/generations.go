package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"daybook/projections"
)

// sweepFields is how many fields of dropped targets are deleted at a time.
const sweepFields = 20_000

const (
	selectGenerations = `
SELECT coalesce((SELECT active FROM read_model WHERE model = $1), 1),
	coalesce((SELECT array_agg(generation ORDER BY generation) FROM read_target WHERE model = $1 AND NOT dropped), '{}')`
	insertModel  = `INSERT INTO read_model (model, active) VALUES ($1, 1) ON CONFLICT (model) DO NOTHING`
	lockModel    = `SELECT active FROM read_model WHERE model = $1 FOR UPDATE`
	updateModel  = `UPDATE read_model SET active = $2 WHERE model = $1`
	markDropped  = `UPDATE read_target SET dropped = true WHERE model = $1 AND generation = $2 AND NOT dropped`
	deleteFields = `
DELETE FROM read_field WHERE ctid = ANY (ARRAY(
	SELECT f.ctid FROM read_target t JOIN read_field f ON f.target = t.id WHERE t.dropped LIMIT $1))`
	deleteTargets = `
DELETE FROM read_target t WHERE t.dropped AND NOT EXISTS (SELECT FROM read_field f WHERE f.target = t.id)`
)

// Generations of a read model. See projections.Sink.
func (s *Sink) Generations(ctx context.Context, model string) (found projections.Generations, err error) {
	if err := projections.CheckModel(model); err != nil {
		return found, err
	}
	err = s.call(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, selectGenerations, model).Scan(&found.Active, &found.All)
	})
	return found, err
}

// Activate serves another generation. See projections.Sink.
func (s *Sink) Activate(ctx context.Context, model string, generation int) error {
	target := projections.Target{Model: model, Generation: generation}
	return s.change(ctx, target, func(ctx context.Context, tx pgx.Tx, _ int) error {
		_, at, err := checkpoint(ctx, tx, target)
		if err != nil {
			return err
		}
		if at == (projections.Checkpoint{}) && generation != 1 {
			return fmt.Errorf("%w: %v", projections.ErrNotBuilt, target)
		}
		_, err = tx.Exec(ctx, updateModel, model, generation)
		return err
	})
}

// Drop deletes a target. See projections.Sink. The target is gone at once; Drop returns when its space is free, too.
func (s *Sink) Drop(ctx context.Context, target projections.Target) error {
	err := s.change(ctx, target, func(ctx context.Context, tx pgx.Tx, active int) error {
		if active == target.Generation {
			return fmt.Errorf("%w: %v", projections.ErrActive, target)
		}
		_, err := tx.Exec(ctx, markDropped, target.Model, target.Generation)
		return err
	})
	if err != nil {
		return err
	}
	return s.within(ctx, s.sweep)
}

// change runs fn in a transaction in which nobody else changes the model's active generation.
func (s *Sink) change(ctx context.Context, target projections.Target, fn func(context.Context, pgx.Tx, int) error) error {
	if err := target.Check(); err != nil {
		return err
	}
	return s.call(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, insertModel, target.Model); err != nil {
				return err
			}
			var active int
			if err := tx.QueryRow(ctx, lockModel, target.Model).Scan(&active); err != nil {
				return err
			}
			return fn(ctx, tx, active)
		})
	})
}

// sweep deletes the fields of dropped targets, those of interrupted calls included.
func (s *Sink) sweep(ctx context.Context) error {
	for {
		done, err := s.pool.Exec(ctx, deleteFields, sweepFields)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			_, err = s.pool.Exec(ctx, deleteTargets)
			return err
		}
	}
}
