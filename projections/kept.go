package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"daybook/eventstore"
)

// Generation is one generation of a read model.
type Generation struct {
	Model      string              `json:"model"`
	Version    int                 `json:"version"`
	Sink       string              `json:"sink"`
	Generation int                 `json:"generation"`
	Served     bool                `json:"served"` // by programs of this version
	Position   eventstore.Position `json:"position"`
	// Problem says why it is not of this log, or that it knows more than the log does and is kept; "" if it is well.
	Problem string `json:"problem"`
	// Kept says that it knows more than the log does: no rebuild drops it.
	Kept bool `json:"kept"`
}

// ListGenerations returns the generations of a read model and of its earlier versions, each version's ascending.
func ListGenerations(ctx context.Context, store eventstore.Store, sink Sink, model Model) (all []Generation, err error) {
	for is := true; is; model, is = model.before() {
		of, err := listGenerations(ctx, store, sink, model)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	return all, nil
}

func listGenerations(ctx context.Context, store eventstore.Store, sink Sink, model Model) (all []Generation, err error) {
	exist, err := sink.Generations(ctx, model.keptAs())
	if err != nil {
		return nil, err
	}
	for _, g := range exist.All {
		at, err := standing(ctx, store, sink, model.Target(g))
		if ignoring(err, ErrForeign, ErrOlder) != nil {
			return nil, err
		}
		of := Generation{
			Model: model.Name, Version: model.Version, Sink: sink.Name(), Generation: g, Served: g == exist.Active, Position: at.Position,
		}
		if err != nil {
			of.Problem, of.Kept = err.Error(), errors.Is(err, ErrOlder)
		}
		all = append(all, of)
	}
	return all, nil
}

// DropGeneration deletes a generation that is not served, one that is kept, too. Error: ErrActive, unless the model is of
// a version that is superseded, of which nothing is left then but what is kept.
func DropGeneration(ctx context.Context, store eventstore.Store, sink Sink, model Model, generation int) error {
	err := sink.Drop(ctx, model.Target(generation))
	if !errors.Is(err, ErrActive) {
		return err
	}
	noted, _, notedErr := readNotes(ctx, sink, model.Target(generation))
	switch {
	case notedErr != nil:
		return notedErr
	case noted.superseded.Version == 0:
		return err
	}
	return dropVersion(ctx, store, sink, model)
}

// CompareGeneration tells line by line in what a generation differs from the served one: what is in one only, or not
// the same in both. It goes on until tell returns an error, which it returns.
func CompareGeneration(ctx context.Context, sink Sink, model Model, generation int, tell func(line string) error) error {
	served, err := active(ctx, sink, model)
	if err != nil {
		return err
	}
	target := model.Target(generation)
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
