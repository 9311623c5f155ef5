package redis

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"daybook/projections"
)

//go:embed read.lua
var readSource string

var readScript = redis.NewScript(readSource)

// Checkpoint returns where a target stands. See projections.Sink.
func (s *Sink) Checkpoint(ctx context.Context, target projections.Target) (projections.Checkpoint, error) {
	if err := target.Check(); err != nil {
		return projections.Checkpoint{}, err
	}
	_, at, err := s.read(ctx, target, "state", "")
	return at, err
}

// Get returns fields of a partition. See projections.Sink.
func (s *Sink) Get(ctx context.Context, target projections.Target, partition string, fields ...string) (map[string]projections.Value, projections.Checkpoint, error) {
	if err := projections.CheckGet(target, partition, fields); err != nil {
		return nil, projections.Checkpoint{}, err
	}
	stored, at, err := s.read(ctx, target, "fields", partition, fields...)
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	values := make(map[string]projections.Value, len(stored))
	for i, value := range stored { // none where there is no such partition
		text, exists := value.(string)
		if !exists {
			continue
		}
		if values[fields[i]], err = parseValue(text); err != nil {
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
	stored, at, err := s.read(ctx, target, "all", partition)
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	entries, err := sorted(stored)
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	entries = slices.DeleteFunc(entries, func(e projections.Entry) bool { return e.Field <= after })
	if limit > 0 && len(entries) > limit {
		entries = entries[:limit]
	}
	return entries, at, nil
}

// read runs read.lua. If something is missing, the target is lost.
func (s *Sink) read(ctx context.Context, target projections.Target, what, partition string, fields ...string) ([]any, projections.Checkpoint, error) {
	keys := []string{stateKey(target), partitionsKey(target), partitionKey(target, partition)}
	arguments := make([]any, 0, 2+len(fields))
	arguments = append(arguments, what, partition)
	for _, field := range fields {
		arguments = append(arguments, field)
	}
	answer, err := call(ctx, s, func(ctx context.Context) ([]any, error) {
		return readScript.Run(ctx, s.client, keys, arguments...).Slice()
	})
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	if len(answer) < 2 {
		return nil, projections.Checkpoint{}, fmt.Errorf("redis: a script answered %q", answer)
	}
	stored, _ := answer[1].(string)
	if answer[0] == "damaged" {
		return nil, projections.Checkpoint{}, s.lose(ctx, target, stored)
	}
	values, _ := answer[len(answer)-1].([]any)
	at, err := parseCheckpoint(stored)
	return values, at, err
}
