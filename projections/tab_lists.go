package projections

import (
	"strings"
	"time"

	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/projections/closings"
)

// A list of bills is a partition whose fields are their places, in order. A place never changes, so that pages hold
// each bill once, whatever happens between them; what is new comes at the end, unless it is of the past. The row is the
// tab's id.

// OpenedTabs is the partition that lists all bills of a store in the order in which they were opened. Field:
// OpenedPlace.
func OpenedTabs(storeID string) string { return storeID + "/opened" }

// ClosedTabs is the partition that lists the closed bills of a store by the business date that they count for, and the
// time of their closing. Field: closedPlace.
func ClosedTabs(storeID string) string { return storeID + "/closed" }

var openedTabs = rowModel("", 0, map[string]route[string]{
	"tab.opened.v1": on(closings.Catalog, func(e tab.Opened, stored eventstore.Event) []rowStep[string] {
		_, storeID, tabID := stream.Parse(stored.Stream)
		return listed(OpenedTabs(storeID), OpenedPlace(e.At, tabID), tabID)
	}),
})

var closedTabs = rowModel("", 0, map[string]route[string]{
	tab.ClosedType: on(closings.Catalog, func(e tab.Closed, stored eventstore.Event) []rowStep[string] {
		_, storeID, tabID := stream.Parse(stored.Stream)
		return listed(ClosedTabs(storeID), closedPlace(e, tabID), tabID)
	}),
})

func listed(partition, place, tabID string) []rowStep[string] {
	return []rowStep[string]{{key: rowKey{partition, place}, step: func(*string) *string { return &tabID }, anew: true}}
}

// OpenedPlace is a bill's place among those of its store, by the time of its opening, to the millisecond:
// "20241201033000000.t1.42".
func OpenedPlace(at time.Time, tabID string) string { return placeOfTime(at) + "." + tabID }

// closedPlace is "20241201." and the place by the time of closing.
func closedPlace(e tab.Closed, tabID string) string {
	return strings.ReplaceAll(e.BusinessDate.String(), "-", "") + "." + placeOfTime(e.At) + "." + tabID
}

// placeOfTime is a time in 17 digits, in UTC, which are in the order of times.
func placeOfTime(at time.Time) string {
	return strings.Replace(at.UTC().Format("20060102150405.000"), ".", "", 1)
}
