package commands

import (
	"context"

	"daybook/domain/imports"
	"daybook/domain/stream"
	"daybook/eventstore"
)

// Imports returns the imports of a store, or, for "", of all stores, in the order in which they were begun. What was imported
// before imports were noted is not among them.
func Imports(ctx context.Context, log eventstore.Store, storeID string) ([]imports.State, error) {
	filter := eventstore.Filter{Types: []string{imports.BeganType, imports.EndedType}}
	if storeID != "" {
		filter.Prefixes = []string{stream.ImportCategory + "-" + storeID + "-"}
	}
	var all []imports.State
	places := map[string]int{}
	for e, err := range log.ReadAll(ctx, eventstore.LogRead{Filter: filter}) {
		if err != nil {
			return nil, err
		}
		decoded, err := imports.Catalog.Decode(e.Type, e.Data)
		if err != nil {
			return nil, err
		}
		place, met := places[e.Stream]
		if !met {
			place = len(all)
			places[e.Stream] = place
			all = append(all, imports.State{})
		}
		all[place] = imports.Evolve(all[place], decoded)
	}
	return all, nil
}
