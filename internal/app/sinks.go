package app

import (
	"context"
	"errors"
	"fmt"

	"daybook/migrations"
	"daybook/projections"
	"daybook/projections/postgres"
	"daybook/projections/redis"
)

// openPostgres opens the database, and brings it to the current schema first if it is older.
func openPostgres(ctx context.Context, url string) (projections.Sink, error) {
	sink, err := postgres.Open(ctx, url)
	if errors.Is(err, migrations.ErrOld) {
		if err = migrations.Up(ctx, url); err == nil {
			sink, err = postgres.Open(ctx, url)
		} else if !errors.Is(err, migrations.ErrNew) {
			// Whatever kept it from being migrated, somebody may mend it while we try again.
			err = fmt.Errorf("%w: %w", projections.ErrSinkUnavailable, err)
		}
	}
	if err != nil {
		return nil, err
	}
	return sink, nil
}

func openRedis(ctx context.Context, url string) (projections.Sink, error) {
	sink, err := redis.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	return sink, nil
}
