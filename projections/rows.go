package projections

import (
	"context"
	"sync/atomic"
	"unsafe"

	"daybook/internal/cache"
)

// RowsBytes bounds the names and rows that a runner remembers of its target, if nothing else is asked for.
const RowsBytes = 8 << 20

// knownRows remembers rows as a writer's target has them, so that those which events change again and again, such as the
// bills of open tabs, are not read before each change. They are true as long as the writer's batches are taken: batches
// are fenced, so once anybody else wrote to the target, the writer is of no use any more.
type knownRows struct {
	kept  *cache.Cache[fieldName, knownRow]
	asked atomic.Bool // somebody reads rows; a model whose rows are never read needs none remembered
}

func newKnownRows(bytesMax int64) *knownRows {
	return &knownRows{kept: cache.New[fieldName, knownRow](bytesMax)}
}

type knownRow struct {
	Value
	exists bool
}

// read returns the named fields of a partition, those that exist. get fetches those that are not known.
func (k *knownRows) read(ctx context.Context, partition string, fields []string, get ReadRows) (map[string]Value, error) {
	values := make(map[string]Value, len(fields))
	var unknown []string
	k.asked.Store(true)
	for _, field := range fields {
		row, known := k.kept.Get(fieldName{partition, field})
		switch {
		case !known:
			unknown = append(unknown, field)
		case row.exists:
			values[field] = row.Value
		}
	}
	if len(unknown) == 0 {
		return values, nil
	}
	fetched, err := get(ctx, partition, unknown)
	if err != nil {
		return nil, err
	}
	for _, field := range unknown {
		value, exists := fetched[field]
		if exists {
			values[field] = value
		}
		k.remember(fieldName{partition, field}, knownRow{value, exists})
	}
	return values, nil
}

// applied notes changes that the target has taken.
func (k *knownRows) applied(changes []Change) {
	if !k.asked.Load() {
		return
	}
	for _, c := range changes {
		switch name := c.name(); c.Op {
		case Put:
			k.remember(name, knownRow{Value{Row: c.Row}, true})
		case Delete:
			k.remember(name, knownRow{})
		default:
			k.kept.Remove(name)
		}
	}
}

func (k *knownRows) remember(name fieldName, row knownRow) {
	k.kept.Put(name, row, len(name.partition)+len(name.field)+len(row.Row)+int(unsafe.Sizeof(name)+unsafe.Sizeof(row)))
}
