package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"daybook/domain/stream"
	"daybook/eventstore"
)

// LeftOut tells what the figures of a store lack. The zero value: nothing.
type LeftOut struct {
	Parked  int // streams that the read model stopped following
	Skipped int // events that the operator had it skip
}

// Fields of leftOutPartition; the store's id follows.
const (
	leftOutParked  = "parked|"  // a row
	leftOutSkipped = "skipped|" // a counter
)

// storeOf is the store of a stream, as the fields of leftOutPartition name it. Too long a name is no store's.
func storeOf(streamName string) string {
	_, storeID, _ := stream.Parse(streamName)
	if len(storeID) > NameBytesMax/2 {
		return ""
	}
	return storeID
}

// leftOut counts by store the events of a batch that are skipped.
type leftOut map[string]int64

func (l leftOut) add(other leftOut) {
	for storeID, n := range other {
		l[storeID] += n
	}
}

// before puts what was left out before changes: in byte order, that is its place.
func (l leftOut) before(changes []Change) []Change {
	if len(l) == 0 {
		return changes
	}
	all := make([]Change, 0, len(l)+len(changes))
	for _, storeID := range slices.Sorted(maps.Keys(l)) {
		all = append(all, Change{Partition: leftOutPartition, Field: leftOutSkipped + storeID, Op: Add, Delta: l[storeID]})
	}
	return append(all, changes...)
}

// LeftOut returns what the figures of a store lack, once the read model includes a position. Asked before and after
// figures are read, it tells of all that they lack. Error: ErrNotCurrent.
func (r *Reader) LeftOut(ctx context.Context, at eventstore.Position, storeID string) (LeftOut, error) {
	parked, skipped := leftOutParked+storeID, leftOutSkipped+storeID
	values, err := r.Get(ctx, at, leftOutPartition, parked, skipped)
	if err != nil {
		return LeftOut{}, err
	}
	left := LeftOut{Skipped: int(values[skipped].Counter)}
	if row := values[parked].Row; row != nil {
		var count struct{ Streams int }
		if err := json.Unmarshal(row, &count); err != nil {
			return LeftOut{}, fmt.Errorf("parked streams of store %s: %w", storeID, err)
		}
		left.Parked = count.Streams
	}
	return left, nil
}
