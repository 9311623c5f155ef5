package projections

import (
	"context"
	"sync"
)

// rowsBytes bounds the names and rows that a writer remembers.
const rowsBytes = 8 << 20

// knownRows remembers rows as a writer's target has them, so that those which events change again and again, such as the
// bills of open tabs, are not read before each change. They are true as long as the writer's batches are taken: batches
// are fenced, so once anybody else wrote to the target, the writer is of no use any more.
//
// Rows that were not used for long are forgotten: the older half at a time.
type knownRows struct {
	mu         sync.Mutex
	used, aged map[fieldName]knownRow
	size       int  // of what is in used
	asked      bool // somebody reads rows; a model whose rows are never read needs none remembered
}

type knownRow struct {
	Value
	exists bool
}

// read returns the named fields of a partition, those that exist. get fetches those that are not known.
func (k *knownRows) read(ctx context.Context, partition string, fields []string, get ReadRows) (map[string]Value, error) {
	values := make(map[string]Value, len(fields))
	var unknown []string
	k.mu.Lock()
	k.asked = true
	for _, field := range fields {
		row, known := k.known(fieldName{partition, field})
		switch {
		case !known:
			unknown = append(unknown, field)
		case row.exists:
			values[field] = row.Value
		}
	}
	k.mu.Unlock()
	if len(unknown) == 0 {
		return values, nil
	}
	fetched, err := get(ctx, partition, unknown)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
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
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.asked {
		return
	}
	for _, c := range changes {
		switch name := c.name(); c.Op {
		case Put:
			k.remember(name, knownRow{Value{Row: c.Row}, true})
		case Delete:
			k.remember(name, knownRow{})
		default:
			delete(k.used, name)
			delete(k.aged, name)
		}
	}
}

func (k *knownRows) known(name fieldName) (knownRow, bool) {
	row, known := k.used[name]
	if !known {
		if row, known = k.aged[name]; known {
			k.remember(name, row)
		}
	}
	return row, known
}

func (k *knownRows) remember(name fieldName, row knownRow) {
	size := len(name.partition) + len(name.field) + len(row.Row)
	if k.used == nil || k.size+size > rowsBytes/2 {
		k.used, k.aged, k.size = map[fieldName]knownRow{}, k.used, 0
	}
	k.used[name] = row
	k.size += size
}
