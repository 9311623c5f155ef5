package projections

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"daybook/eventstore"
)

// Generation is one generation of a read model.
type Generation struct {
	Model      string              `json:"model"`
	Sink       string              `json:"sink"`
	Generation int                 `json:"generation"`
	Served     bool                `json:"served"`
	Position   eventstore.Position `json:"position"`
	// Problem says why it is not of this log, or that it knows more than the log does and is kept; "" if it is well.
	Problem string `json:"problem"`
}

// ListGenerations returns the generations of a read model, ascending.
func ListGenerations(ctx context.Context, store eventstore.Store, sink Sink, model Model) ([]Generation, error) {
	exist, err := sink.Generations(ctx, model.Name)
	if err != nil {
		return nil, err
	}
	all := make([]Generation, 0, len(exist.All))
	for _, g := range exist.All {
		at, err := standing(ctx, store, sink, Target{model.Name, g})
		if ignoring(err, ErrForeign, ErrOlder) != nil {
			return nil, err
		}
		of := Generation{Model: model.Name, Sink: sink.Name(), Generation: g, Served: g == exist.Active, Position: at.Position}
		if err != nil {
			of.Problem = err.Error()
		}
		all = append(all, of)
	}
	return all, nil
}

// DropGeneration deletes a generation that is not served, one that is kept, too. Error: ErrActive.
func DropGeneration(ctx context.Context, sink Sink, model Model, generation int) error {
	return sink.Drop(ctx, Target{model.Name, generation})
}

// CompareGeneration tells line by line in what a generation differs from the served one: what is in one only, or not
// the same in both. It goes on until tell returns an error, which it returns.
func CompareGeneration(ctx context.Context, sink Sink, model Model, generation int, tell func(line string) error) error {
	served, err := active(ctx, sink, model.Name)
	if err != nil {
		return err
	}
	target := Target{model.Name, generation}
	partitions := map[string]bool{}
	for _, of := range []Target{served, target} {
		if _, err := sink.Scan(ctx, of, func(partition string, _ Entry) error {
			partitions[partition] = true
			return nil
		}); err != nil {
			return err
		}
	}
	delete(partitions, keptPartition)
	for _, partition := range slices.Sorted(maps.Keys(partitions)) {
		if err := comparePartition(ctx, sink, served, target, partition, tell); err != nil {
			return err
		}
	}
	return nil
}

func comparePartition(ctx context.Context, sink Sink, served, target Target, partition string, tell func(line string) error) error {
	var texts [2]map[string]string
	for i, of := range []Target{served, target} {
		entries, _, err := sink.List(ctx, of, partition, "", 0)
		if err != nil {
			return err
		}
		texts[i] = make(map[string]string, len(entries))
		for _, e := range entries {
			text, err := canonical(e.Value)
			if err != nil {
				return err
			}
			texts[i][e.Field] = string(text)
		}
	}
	fields := maps.Clone(texts[0])
	maps.Copy(fields, texts[1])
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		is, inServed := texts[0][field]
		was, inTarget := texts[1][field]
		if is == was {
			continue
		}
		line := fmt.Sprintf("%s %s: served %s, generation %d %s", partition, field, orNothing(is, inServed), target.Generation, orNothing(was, inTarget))
		if err := tell(line); err != nil {
			return err
		}
	}
	return nil
}

func orNothing(text string, is bool) string {
	if !is {
		return "nothing"
	}
	return text
}
