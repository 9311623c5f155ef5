package app

import (
	"context"

	"daybook/migrations"
	"daybook/projections"
	"daybook/projections/postgres"
	"daybook/projections/redis"
)

// openPostgres brings the database to the current schema and opens it.
func openPostgres(ctx context.Context, url string) (projections.Sink, error) {
	if err := migrations.Up(ctx, url); err != nil {
		return nil, err
	}
	sink, err := postgres.Open(ctx, url)
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
