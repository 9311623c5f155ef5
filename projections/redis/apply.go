package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"daybook/projections"
)

//go:embed apply.lua
var applySource string

var applyScript = redis.NewScript(applySource)

// Apply stores a batch. See projections.Sink.
func (s *Sink) Apply(ctx context.Context, target projections.Target, batch projections.Batch) error {
	if err := target.Check(); err != nil {
		return err
	}
	net, err := batch.Net(ctx)
	if err != nil {
		return err
	}
	keys, arguments := compose(target, batch, net)
	err = s.step(ctx, applyScript, target, keys, arguments)
	if errors.Is(err, errDamaged) {
		return s.lose(ctx, target, writeCheckpoint(batch.From))
	}
	return err
}

// step runs a script whose answer is a word.
func (s *Sink) step(ctx context.Context, script *redis.Script, target projections.Target, keys []string, arguments []any) error {
	answer, err := call(ctx, s, func(ctx context.Context) (string, error) {
		return script.Run(ctx, s.client, keys, arguments...).Text()
	})
	if err != nil {
		return err
	}
	refusal, known := map[string]error{
		"ok":            nil,
		"fenced":        projections.ErrFenced,
		"held":          projections.ErrHeld,
		"damaged":       errDamaged,
		"overflow":      projections.ErrOverflow,
		"not a counter": projections.ErrNotCounter,
		"active":        projections.ErrActive,
		"not built":     projections.ErrNotBuilt,
	}[answer]
	switch {
	case !known:
		return fmt.Errorf("redis: a script answered %q", answer)
	case refusal != nil:
		return fmt.Errorf("%w: %v", refusal, target)
	}
	return nil
}

// ofPartition are the arguments that apply.lua takes for one partition.
type ofPartition struct {
	fields, deltas, puts, deletes []any
}

// compose writes the keys and arguments of apply.lua: flat, so that the script hands them on without taking them apart.
func compose(target projections.Target, batch projections.Batch, net []projections.Change) (keys []string, arguments []any) {
	keys = []string{stateKey(target), generationsKey(target.Model), partitionsKey(target), holdsKey(target), scratchKey(target)}
	arguments = make([]any, 0, 4+2*len(net))
	arguments = append(arguments, writeCheckpoint(batch.From), writeCheckpoint(batch.To), target.Generation, partitionKey(target, ""))
	var names []string
	byName := map[string]*ofPartition{}
	for _, change := range net {
		p := byName[change.Partition]
		if p == nil {
			p = &ofPartition{}
			byName[change.Partition] = p
			names = append(names, change.Partition)
		}
		switch change.Op {
		case projections.Add:
			p.fields, p.deltas = append(p.fields, change.Field), append(p.deltas, strconv.FormatInt(change.Delta, 10))
		case projections.Set:
			p.puts = append(p.puts, change.Field, strconv.FormatInt(change.Delta, 10))
		case projections.Put:
			p.puts = append(p.puts, change.Field, []byte(change.Row))
		case projections.Delete:
			p.deletes = append(p.deletes, change.Field)
		}
	}
	for _, name := range names {
		p := byName[name]
		keys = append(keys, partitionKey(target, name))
		arguments = append(arguments, name, len(p.fields), len(p.puts)/2, len(p.deletes))
		arguments = append(arguments, p.fields...)
		arguments = append(arguments, p.deltas...)
		arguments = append(arguments, p.puts...)
		arguments = append(arguments, p.deletes...)
	}
	return keys, arguments
}
