package projections_test

import (
	"cmp"
	"encoding/json"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"daybook/projections"
)

// TestListsOfTabsAreInOrder: whatever happened, all bills are listed by the time of opening, and the closed ones, and
// no others, by business date and time of closing.
func TestListsOfTabsAreInOrder(t *testing.T) {
	log, sink := newLog(t), newSink(t)
	w := newWorld(t, log, 7)
	for range 400 {
		w.step()
	}
	if err := projections.CatchUp(t.Context(), log, sink, projections.Tabs, quiet, noProgress); err != nil {
		t.Fatal(err)
	}
	closedTabs := 0
	for _, store := range []string{"s0", "s1"} {
		var opened, closed []projections.TabRow
		for _, e := range entriesOf(t, sink, store) {
			var row projections.TabRow
			if err := json.Unmarshal(e.Row, &row); err != nil {
				t.Fatal(err)
			}
			if opened = append(opened, row); row.Status == "CLOSED" {
				closed = append(closed, row)
			}
		}
		slices.SortFunc(opened, func(a, b projections.TabRow) int {
			return cmp.Or(byMilli(a.OpenedAt, b.OpenedAt), cmp.Compare(a.TabID, b.TabID))
		})
		slices.SortFunc(closed, func(a, b projections.TabRow) int {
			byDate := cmp.Compare(a.BusinessDate, b.BusinessDate)
			return cmp.Or(byDate, byMilli(*a.ClosedAt, *b.ClosedAt), cmp.Compare(a.TabID, b.TabID))
		})
		closedTabs += len(closed)
		for partition, want := range map[string][]projections.TabRow{
			projections.OpenedTabs(store): opened, projections.ClosedTabs(store): closed,
		} {
			var ids, got []string
			for _, row := range want {
				ids = append(ids, row.TabID)
			}
			for _, e := range entriesOf(t, sink, partition) {
				var id string
				if err := json.Unmarshal(e.Row, &id); err != nil {
					t.Fatal(err)
				}
				got = append(got, id)
			}
			if diff := gocmp.Diff(ids, got); diff != "" {
				t.Errorf("%s (-want +got)\n%s", partition, diff)
			}
		}
	}
	if closedTabs < 10 {
		t.Errorf("%d tabs were closed", closedTabs)
	}
}

func byMilli(a, b time.Time) int { return cmp.Compare(a.UnixMilli(), b.UnixMilli()) }

func entriesOf(t *testing.T, sink projections.Sink, partition string) []projections.Entry {
	t.Helper()
	entries, _, err := sink.List(t.Context(), projections.Tabs.Target(1), partition, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
