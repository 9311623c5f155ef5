package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"daybook/projections"
)

var (
	//go:embed activate.lua
	activateSource string
	//go:embed drop.lua
	dropSource string

	activateScript = redis.NewScript(activateSource)
	dropScript     = redis.NewScript(dropSource)
)

// Generations of a read model. See projections.Sink.
func (s *Sink) Generations(ctx context.Context, model string) (projections.Generations, error) {
	if err := projections.CheckModel(model); err != nil {
		return projections.Generations{}, err
	}
	type answer struct {
		active string
		all    []string
	}
	stored, err := call(ctx, s, func(ctx context.Context) (answer, error) {
		var active *redis.StringCmd
		var all *redis.StringSliceCmd
		_, err := s.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			active, all = pipe.Get(ctx, activeKey(model)), pipe.SMembers(ctx, generationsKey(model))
			return nil
		})
		return answer{active.Val(), all.Val()}, err
	})
	if err != nil {
		return projections.Generations{}, err
	}
	found := projections.Generations{Active: 1}
	if stored.active != "" {
		if found.Active, err = parseGeneration(stored.active); err != nil {
			return projections.Generations{}, err
		}
	}
	for _, text := range stored.all {
		generation, err := parseGeneration(text)
		if err != nil {
			return projections.Generations{}, err
		}
		found.All = append(found.All, generation)
	}
	slices.Sort(found.All)
	return found, nil
}

func parseGeneration(stored string) (int, error) {
	generation, err := strconv.Atoi(stored)
	if err != nil {
		return 0, fmt.Errorf("redis: generation %.64q is %w: %w", stored, errForeign, err)
	}
	return generation, nil
}

// Activate serves another generation. See projections.Sink.
func (s *Sink) Activate(ctx context.Context, model string, generation int) error {
	target := projections.Target{Model: model, Generation: generation}
	if err := target.Check(); err != nil {
		return err
	}
	keys := []string{activeKey(model), stateKey(target)}
	return s.step(ctx, activateScript, target, keys, []any{generation})
}

// Drop deletes a target. See projections.Sink.
func (s *Sink) Drop(ctx context.Context, target projections.Target) error {
	if err := target.Check(); err != nil {
		return err
	}
	return s.drop(ctx, target, "")
}

// drop deletes a target that is not served, or, given a checkpoint, one that stands there and is damaged.
func (s *Sink) drop(ctx context.Context, target projections.Target, damagedAt string) error {
	keys := []string{activeKey(target.Model), generationsKey(target.Model), stateKey(target), partitionsKey(target), holdsKey(target)}
	return s.step(ctx, dropScript, target, keys, []any{target.Generation, partitionKey(target, ""), damagedAt})
}

// errDamaged: Redis has not all of a target any more.
var errDamaged = errors.New("redis lost a part of a read model, perhaps because it evicts keys")

// lose deletes a target of which a part is missing, as of a checkpoint, so that it is made again from the log. It always
// returns an error.
func (s *Sink) lose(ctx context.Context, target projections.Target, at string) error {
	err := s.drop(ctx, target, at)
	switch {
	case errors.Is(err, projections.ErrFenced): // somebody else has done it, or it has moved: the next call will see
	case err != nil:
		return err
	default:
		slog.Error(errDamaged.Error()+": it is made again from the log", "model", target.Model, "generation", target.Generation, "checkpoint", at)
	}
	return fmt.Errorf("%w: %w: %v", projections.ErrSinkUnavailable, errDamaged, target)
}
