package redis

import (
	"context"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"daybook/projections"
)

// Checkpoint returns where a target stands. See projections.Sink.
func (s *Sink) Checkpoint(ctx context.Context, target projections.Target) (projections.Checkpoint, error) {
	if err := target.Check(); err != nil {
		return projections.Checkpoint{}, err
	}
	stored, err := call(ctx, s, func(ctx context.Context) (string, error) {
		return s.client.Get(ctx, checkpointKey(target)).Result()
	})
	if err != nil {
		return projections.Checkpoint{}, err
	}
	return parseCheckpoint(stored)
}

// Get returns fields of a partition. See projections.Sink.
func (s *Sink) Get(ctx context.Context, target projections.Target, partition string, fields ...string) (map[string]projections.Value, projections.Checkpoint, error) {
	if err := projections.CheckGet(target, partition, fields); err != nil {
		return nil, projections.Checkpoint{}, err
	}
	values := make(map[string]projections.Value, len(fields))
	if len(fields) == 0 {
		at, err := s.Checkpoint(ctx, target)
		return values, at, err
	}
	stored, at, err := withCheckpoint(ctx, s, target, func(ctx context.Context, pipe redis.Pipeliner) *redis.SliceCmd {
		return pipe.HMGet(ctx, partitionKey(target, partition), fields...)
	})
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	for i, field := range fields {
		text, exists := stored[i].(string)
		if !exists {
			continue
		}
		if values[field], err = parseValue(text); err != nil {
			return nil, projections.Checkpoint{}, err
		}
	}
	return values, at, nil
}

// List returns entries of a partition. See projections.Sink.
func (s *Sink) List(ctx context.Context, target projections.Target, partition, after string, limit int) ([]projections.Entry, projections.Checkpoint, error) {
	if err := projections.CheckList(target, partition, after, limit); err != nil {
		return nil, projections.Checkpoint{}, err
	}
	stored, at, err := withCheckpoint(ctx, s, target, func(ctx context.Context, pipe redis.Pipeliner) *redis.MapStringStringCmd {
		return pipe.HGetAll(ctx, partitionKey(target, partition))
	})
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	fields := slices.DeleteFunc(slices.Collect(maps.Keys(stored)), func(field string) bool { return field <= after })
	slices.Sort(fields)
	if limit > 0 && len(fields) > limit {
		fields = fields[:limit]
	}
	entries := make([]projections.Entry, len(fields))
	for i, field := range fields {
		entries[i].Field = field
		if entries[i].Value, err = parseValue(stored[field]); err != nil {
			return nil, projections.Checkpoint{}, err
		}
	}
	return entries, at, nil
}

// withCheckpoint runs a command and reads the target's checkpoint in one transaction.
func withCheckpoint[Answer any, Command interface{ Result() (Answer, error) }](
	ctx context.Context, s *Sink, target projections.Target, command func(context.Context, redis.Pipeliner) Command,
) (answer Answer, at projections.Checkpoint, err error) {
	type both struct {
		answer Answer
		at     string
	}
	read, err := call(ctx, s, func(ctx context.Context) (both, error) {
		var checkpoint *redis.StringCmd
		var queued Command
		_, err := s.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			checkpoint = pipe.Get(ctx, checkpointKey(target))
			queued = command(ctx, pipe)
			return nil
		})
		if meaning(err) != nil {
			return both{}, err
		}
		answer, err := queued.Result()
		return both{answer, checkpoint.Val()}, err
	})
	if err != nil {
		return answer, at, err
	}
	at, err = parseCheckpoint(read.at)
	return read.answer, at, err
}
