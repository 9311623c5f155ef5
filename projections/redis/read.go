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
	_, at, err := s.read(ctx, target, "state", nil)
	return at, err
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
	stored, at, err := s.read(ctx, target, "fields", partitions, fields...)
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	all := make([]map[string]projections.Value, len(partitions))
	for i := range all {
		all[i] = make(map[string]projections.Value, len(fields))
		if i >= len(stored) { // there is no such target
			continue
		}
		if err := parseFields(all[i], fields, stored[i]); err != nil {
			return nil, projections.Checkpoint{}, err
		}
	}
	return all, at, nil
}

// parseFields takes what is stored of a partition's fields, in their order: none where there is no such partition.
func parseFields(into map[string]projections.Value, fields []string, stored any) (err error) {
	values, _ := stored.([]any)
	for i, value := range values {
		text, exists := value.(string)
		if !exists {
			continue
		}
		if into[fields[i]], err = parseValue(text); err != nil {
			return err
		}
	}
	return nil
}

// List returns entries of a partition. See projections.Sink.
func (s *Sink) List(ctx context.Context, target projections.Target, partition, after string, limit int) ([]projections.Entry, projections.Checkpoint, error) {
	if err := projections.CheckList(target, partition, after, limit); err != nil {
		return nil, projections.Checkpoint{}, err
	}
	stored, at, err := s.read(ctx, target, "all", []string{partition})
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	var all []any
	if len(stored) > 0 {
		all, _ = stored[0].([]any)
	}
	entries, err := sorted(all)
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	entries = slices.DeleteFunc(entries, func(e projections.Entry) bool { return e.Field <= after })
	if limit > 0 && len(entries) > limit {
		entries = entries[:limit]
	}
	return entries, at, nil
}

// read runs read.lua, which answers with what is stored of each partition. If something is missing, the target is lost.
func (s *Sink) read(ctx context.Context, target projections.Target, what string, partitions []string, fields ...string) ([]any, projections.Checkpoint, error) {
	keys := make([]string, 0, 2+len(partitions))
	keys = append(keys, stateKey(target), partitionsKey(target))
	arguments := make([]any, 0, 1+len(partitions)+len(fields))
	arguments = append(arguments, what)
	for _, partition := range partitions {
		keys = append(keys, partitionKey(target, partition))
		arguments = append(arguments, partition)
	}
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
