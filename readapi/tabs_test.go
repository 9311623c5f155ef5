package readapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"daybook/eventstore"
	"daybook/internal/auth"
	"daybook/projections"
)

// cabinet is the read model of tabs in memory.
type cabinet map[string]map[string]any // rows by partition and field

func (c cabinet) LeftOut(context.Context, eventstore.Position, string) (projections.LeftOut, error) {
	return projections.LeftOut{}, nil
}

func (c cabinet) List(
	_ context.Context, _ eventstore.Position, partition, after string, limit int,
) (entries []projections.Entry, err error) {
	for field, row := range c[partition] {
		text, err := json.Marshal(row)
		if err != nil {
			return nil, err
		}
		if field > after {
			entries = append(entries, projections.Entry{Field: field, Value: projections.Value{Row: text}})
		}
	}
	slices.SortFunc(entries, func(a, b projections.Entry) int { return cmp.Compare(a.Field, b.Field) })
	if limit > 0 {
		entries = entries[:min(limit, len(entries))]
	}
	return entries, nil
}

func (c cabinet) Get(
	_ context.Context, _ eventstore.Position, partition string, fields ...string,
) (map[string]projections.Value, error) {
	values := map[string]projections.Value{}
	for _, field := range fields {
		row, is := c[partition][field]
		if !is {
			continue
		}
		text, err := json.Marshal(row)
		if err != nil {
			return nil, err
		}
		values[field] = projections.Value{Row: text}
	}
	return values, nil
}

// open opens a bill at a minute of the day; close closes it. Bills of version 2 of the read model are in no list.
func (c cabinet) open(tabID string, minute int, listed bool) {
	at := time.Date(2024, 12, 1, 3, minute, 0, 0, time.UTC)
	c.put("s1", tabID, projections.TabRow{TabID: tabID, Status: "OPEN", OpenedAt: at})
	table, _, _ := strings.Cut(tabID, ".")
	open := projections.OpenTabRow{TabID: tabID}
	if listed {
		open.OpenedAt = at
		c.put(projections.OpenedTabs("s1"), projections.OpenedPlace(at, tabID), tabID)
	}
	c.put(projections.OpenTabs("s1"), table, open)
}

func (c cabinet) close(tabID string, minute int, listed bool) {
	at := time.Date(2024, 12, 1, 4, minute, 0, 0, time.UTC)
	c.put("s1", tabID, projections.TabRow{TabID: tabID, Status: "CLOSED", ClosedAt: &at, BusinessDate: "2024-12-01"})
	table, _, _ := strings.Cut(tabID, ".")
	delete(c[projections.OpenTabs("s1")], table)
	if listed {
		c.put(projections.ClosedTabs("s1"), "20241201."+projections.OpenedPlace(at, tabID), tabID)
	}
}

func (c cabinet) put(partition, field string, row any) {
	if c[partition] == nil {
		c[partition] = map[string]any{}
	}
	c[partition][field] = row
}

// ask returns the ids of a page, and its next.
func (c cabinet) ask(t *testing.T, status, after string, limit int) (ids []string, next string) {
	t.Helper()
	asked := url.Values{"status": {status}, "after": {after}, "limit": {fmt.Sprint(limit)}}
	body, err := (&API{Tabs: c}).listTabs(query{ctx: t.Context(), value: asked.Get, store: auth.Store{StoreID: "s1"}})
	if err != nil {
		t.Fatalf("status %q after %q: %v", status, after, err)
	}
	page := body.(map[string]any)
	for _, tab := range page["tabs"].([]projections.TabRow) {
		ids = append(ids, tab.TabID)
	}
	next, _ = page["next"].(string)
	return ids, next
}

// all pages through a list, doing something between the pages.
func (c cabinet) all(t *testing.T, status string, limit int, between func()) (ids []string) {
	t.Helper()
	for after, pages := "", 0; pages < 100; pages++ {
		page, next := c.ask(t, status, after, limit)
		ids = append(ids, page...)
		if next == "" {
			return ids
		}
		if after = next; len(page) != limit {
			t.Errorf("status %q: a page has %d of %d bills", status, len(page), limit)
		}
		between()
	}
	t.Fatalf("status %q: no end", status)
	return nil
}

// twelve are bills whose ids are in another order than their times; every other one was closed, in the opposite order.
func twelve(listed bool) (c cabinet, opened, closed, open []string) {
	c = cabinet{}
	for n := range 12 {
		id := fmt.Sprintf("t%02d.1", (n*5)%12)
		c.open(id, n, listed)
		opened = append(opened, id)
	}
	for n := 10; n >= 0; n -= 2 {
		c.close(opened[n], 30-n, listed)
		closed = append(closed, opened[n])
	}
	for n := 1; n < 12; n += 2 {
		open = append(open, opened[n])
	}
	return c, opened, closed, open
}

// Every list of bills is in order, and each of its pages but the last is full.
func TestListsOfTabs(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 5, 100} {
		c, opened, closed, open := twelve(true)
		for status, want := range map[string][]string{"": opened, "CLOSED": closed, "OPEN": open} {
			if got := c.all(t, status, limit, func() {}); !slices.Equal(got, want) {
				t.Errorf("status %q by %d: %q, want %q", status, limit, got, want)
			}
		}
	}
}

// What is opened and closed between two pages moves no other bill.
func TestPagesOfTabsAreStable(t *testing.T) {
	for _, status := range []string{"", "CLOSED"} {
		c, opened, closed, open := twelve(true)
		n := 0
		got := c.all(t, status, 2, func() {
			if n < len(open) {
				c.close(open[n], 40+n, true)
				c.open(fmt.Sprintf("t%02d.2", n), 20+n, true)
				opened, closed = append(opened, fmt.Sprintf("t%02d.2", n)), append(closed, open[n])
				n++
			}
		})
		want := map[string][]string{"": opened, "CLOSED": closed}[status]
		if !slices.Equal(got, want) {
			t.Errorf("status %q: %q, want %q", status, got, want)
		}
	}
}

// While the version before is shown, which has no lists, nothing is missing; and pages that began then go on when there
// are lists.
func TestTabsOfTheVersionBeforeTheLists(t *testing.T) {
	before, opened, closed, open := twelve(false)
	after, _, _, _ := twelve(true)
	for status, want := range map[string][]string{"": opened, "CLOSED": closed, "OPEN": open} {
		first, next := before.ask(t, status, "", 100)
		if slices.Sort(first); next != "" || !slices.Equal(first, sortedCopy(want)) {
			t.Errorf("status %q: %q, %q, want %q", status, first, next, want)
		}
	}
	page, next := before.ask(t, "", "", 5)
	rest, end := after.ask(t, "", next, 100)
	if got := append(page, rest...); end != "" || !slices.Equal(got, sortedCopy(opened)) {
		t.Errorf("pages on both versions: %q, %q", got, end)
	}
}

func sortedCopy(ids []string) []string { return slices.Sorted(slices.Values(ids)) }

// A page's next is good for the list that it is of.
func TestNextOfAnotherListIsRefused(t *testing.T) {
	c, _, _, _ := twelve(true)
	_, ofAll := c.ask(t, "", "", 1)
	_, ofClosed := c.ask(t, "CLOSED", "", 1)
	for _, asked := range []url.Values{
		{"status": {"CLOSED"}, "after": {ofAll}}, {"after": {ofClosed}}, {"status": {"OPEN"}, "after": {ofClosed}},
		{"status": {"OPEN"}, "after": {"t1.1"}}, {"after": {"2024"}}, {"after": {ofAll + "/"}}, {"after": {"20241201033000000."}},
	} {
		_, err := (&API{Tabs: c}).listTabs(query{ctx: t.Context(), value: asked.Get, store: auth.Store{StoreID: "s1"}})
		if !errors.Is(err, errAfter) {
			t.Errorf("%v: %v", asked, err)
		}
	}
}
