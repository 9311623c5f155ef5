package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"daybook/domain/event"
	"daybook/eventstore"
)

// Model declares a read model: what it is called, which events change it, and how. Running live, rebuilding and
// verifying all use the same declaration.
type Model struct {
	Name string
	// Version of what NewFold makes; from 1. It grows when old contents are no longer what a fold would give. Each version is
	// kept by itself. Readers must understand what the version before wrote: it is shown while this one is built.
	Version int
	Types   []string // event types that change it; the subscription's filter
	// Category, if not "", is the one that all its events are of, and says that events of two stores never change the
	// same field: so each store's events may be folded apart from the others'.
	Category string
	// NewFold begins the fold of one batch.
	NewFold func() Fold
}

// Fold folds the events of one batch in memory, so that a thousand lines of one product become one change.
type Fold interface {
	// Add folds one event, whose data is good until it returns. An error means that this very event cannot be folded, now
	// or later; the fold is then thrown away.
	Add(e eventstore.Event) error
	// Changes returns the net effect of what was added. It may read the rows as they were before the batch.
	Changes(ctx context.Context, read ReadRows) ([]Change, error)
}

// ReadRows returns the named fields of a partition, those that exist.
type ReadRows func(ctx context.Context, partition string, fields []string) (map[string]Value, error)

// Models are all read models, in the order in which they are listed to people.
var Models = []Model{Stores, Menus, Tables, Devices, Tabs, Counters}

// ByName returns the model of a name, and whether there is one.
func ByName(name string) (Model, bool) {
	i := slices.IndexFunc(Models, func(m Model) bool { return m.Name == name })
	if i < 0 {
		return Model{}, false
	}
	return Models[i], true
}

// rowModel makes a Model whose fields are rows of type R, each folded on its own.
func rowModel[R any](name string, version int, routes map[string]route[R]) Model {
	return Model{
		Name: name, Version: version, Types: slices.Sorted(maps.Keys(routes)),
		NewFold: func() Fold {
			return &rowFold[R]{routes: routes, steps: map[rowKey][]step[R]{}, anew: map[rowKey]bool{}}
		},
	}
}

// route reads an event and tells which rows it changes, and how.
type route[R any] func(e eventstore.Event) ([]rowStep[R], error)

type rowKey struct{ partition, field string }

// step makes the next row of the present one, nil if there is none; returning nil deletes the row.
type step[R any] func(row *R) *R

type rowStep[R any] struct {
	key  rowKey
	step step[R]
	anew bool // the step does not look at the row as it was, which need not be read then
}

// on routes events of type T, read through their aggregate's catalog.
func on[T event.Stored, E event.Stored, R any](catalog event.Catalog[E], to func(e T, stored eventstore.Event) []rowStep[R]) route[R] {
	return func(stored eventstore.Event) ([]rowStep[R], error) {
		decoded, err := catalog.Decode(stored.Type, stored.Data)
		if err != nil {
			return nil, err
		}
		e, ok := any(decoded).(T)
		if !ok {
			return nil, fmt.Errorf("event %s is a %T", stored.Type, decoded)
		}
		return to(e, stored), nil
	}
}

// rowFold collects steps row by row, and takes them once all present rows have been read, together.
type rowFold[R any] struct {
	routes map[string]route[R]
	order  []rowKey
	steps  map[rowKey][]step[R]
	anew   map[rowKey]bool // by the row's first step
}

func (f *rowFold[R]) Add(e eventstore.Event) error {
	route, known := f.routes[e.Type]
	if !known {
		return fmt.Errorf("%w: %s changes no row", event.ErrUnknown, e.Type)
	}
	steps, err := route(e)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if _, met := f.steps[s.key]; !met {
			f.order = append(f.order, s.key)
			f.anew[s.key] = s.anew
		}
		f.steps[s.key] = append(f.steps[s.key], s.step)
	}
	return nil
}

func (f *rowFold[R]) Changes(ctx context.Context, read ReadRows) ([]Change, error) {
	before, err := f.readRows(ctx, read)
	if err != nil {
		return nil, err
	}
	changes := make([]Change, 0, len(f.order))
	for _, key := range f.order {
		row := before[key]
		for _, step := range f.steps[key] {
			row = step(row)
		}
		change := Change{Partition: key.partition, Field: key.field, Op: Delete}
		if row != nil {
			change.Op = Put
			if change.Row, err = json.Marshal(row); err != nil {
				return nil, err
			}
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// readRows reads the rows that steps look at, several partitions at a time: each may be a round trip.
func (f *rowFold[R]) readRows(ctx context.Context, read ReadRows) (map[rowKey]*R, error) {
	wanted := map[string][]string{}
	for _, key := range f.order {
		if !f.anew[key] {
			wanted[key.partition] = append(wanted[key.partition], key.field)
		}
	}
	rows, mu := map[rowKey]*R{}, sync.Mutex{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for partition, fields := range wanted {
		group.Go(func() error {
			values, err := read(ctx, partition, fields)
			if err != nil {
				return err
			}
			for field, value := range values {
				row := new(R)
				if err := json.Unmarshal(value.Row, row); err != nil {
					return fmt.Errorf("row %s %s: %w", partition, field, err)
				}
				mu.Lock()
				rows[rowKey{partition, field}] = row
				mu.Unlock()
			}
			return nil
		})
	}
	return rows, group.Wait()
}

// readsAtOnce is how many partitions a fold reads at the same time.
const readsAtOnce = 4

// joinedModel makes one Model of several, so that the rows of all are of one position.
func joinedModel(name string, version int, parts ...Model) Model {
	joined := Model{Name: name, Version: version}
	for _, part := range parts {
		joined.Types = append(joined.Types, part.Types...)
	}
	slices.Sort(joined.Types)
	joined.Types = slices.Compact(joined.Types)
	joined.NewFold = func() Fold {
		folds := joinedFold{parts: parts}
		for _, part := range parts {
			folds.folds = append(folds.folds, part.NewFold())
		}
		return folds
	}
	return joined
}

type joinedFold struct {
	parts []Model
	folds []Fold
}

func (j joinedFold) Add(e eventstore.Event) error {
	known := false
	for i, part := range j.parts {
		if !slices.Contains(part.Types, e.Type) {
			continue
		}
		known = true
		if err := j.folds[i].Add(e); err != nil {
			return err
		}
	}
	if !known {
		return fmt.Errorf("%w: %s changes no row", event.ErrUnknown, e.Type)
	}
	return nil
}

func (j joinedFold) Changes(ctx context.Context, read ReadRows) (all []Change, err error) {
	for _, fold := range j.folds {
		changes, err := fold.Changes(ctx, read)
		if err != nil {
			return nil, err
		}
		all = append(all, changes...)
	}
	return all, nil
}
