package app

import (
	"context"
	"errors"

	"daybook/projections"
)

func openPostgres(ctx context.Context, url string) (projections.Sink, error) {
	return nil, errors.New("x")
}
func openRedis(ctx context.Context, url string) (projections.Sink, error) {
	return nil, errors.New("x")
}
