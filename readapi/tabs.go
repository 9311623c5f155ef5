package readapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"daybook/internal/auth"
	"daybook/internal/httpapi"
	"daybook/projections"
)

// What a tab's status says.
const tabOpen, tabClosed = "OPEN", "CLOSED"

// tabsLimitDefault is how many bills a page has at most if nobody says.
const tabsLimitDefault = 100

var errTabStatus = httpapi.NewProblem(http.StatusBadRequest, "invalid_status", "status is OPEN or CLOSED")

// Places of bills in lists, as a page's next says them.
var (
	openedPlace = regexp.MustCompile(`^[0-9]{17}\.[0-9a-z.]{1,40}$`)
	closedPlace = regexp.MustCompile(`^[0-9]{8}\.[0-9]{17}\.[0-9a-z.]{1,40}$`)
)

// tabList is a list of bills in order.
type tabList struct {
	place *regexp.Regexp // how its places look
	read  pieces
	added bool // the version before of the read model has none: its bills are read by tab id
}

// pieces reads up to n bills after a place, by their places.
type pieces func(after string, n int) ([]projections.Entry, error)

// listTabs pages through a store's bills: the closed ones by their business date and time of closing, the open ones and
// all of them by the time of opening.
func (a *API) listTabs(q query) (any, error) {
	list, err := a.tabList(q)
	if err != nil {
		return nil, err
	}
	p, err := pageOf(q, tabsLimitDefault, func(after string) bool {
		return list.place.MatchString(after) || list.added && isTabID(after)
	})
	if err != nil {
		return nil, err
	}
	if list.added {
		unlisted, err := a.unlisted(q, p)
		if err != nil {
			return nil, err
		}
		if unlisted {
			list.read = a.byID(q)
		}
	}
	return answerTabs(q, p, list.read)
}

func (a *API) tabList(q query) (tabList, error) {
	switch q.value("status") {
	case tabOpen:
		return tabList{place: openedPlace, read: a.openTabs(q)}, nil
	case tabClosed:
		return tabList{closedPlace, a.inOrder(q, projections.ClosedTabs(q.store.StoreID)), true}, nil
	case "":
		return tabList{openedPlace, a.inOrder(q, projections.OpenedTabs(q.store.StoreID)), true}, nil
	}
	return tabList{}, errTabStatus
}

// unlisted reports whether the read model that is shown has no lists, because it is of the version before them, or the
// store no bill. Pages that began so go on by tab id.
func (a *API) unlisted(q query, p page) (bool, error) {
	if p.after != "" {
		return isTabID(p.after), nil
	}
	first, err := a.Tabs.List(q.ctx, q.at, projections.OpenedTabs(q.store.StoreID), "", 1)
	return len(first) == 0, err
}

// isTabID tells a tab's id from a place.
func isTabID(after string) bool { return auth.ValidID(after) && (after[0] < '0' || after[0] > '9') }

// byID reads all bills by tab id.
func (a *API) byID(q query) pieces {
	return func(after string, n int) ([]projections.Entry, error) {
		return a.Tabs.List(q.ctx, q.at, q.store.StoreID, after, n)
	}
}

// answerTabs answers with a page of bills of a status. A list is read before its bills: one may be paid in between.
func answerTabs(q query, p page, read pieces) (any, error) {
	tabs, next, err := collect[projections.TabRow](p, read)
	if err != nil {
		return nil, err
	}
	status := q.value("status")
	tabs = slices.DeleteFunc(tabs, func(t projections.TabRow) bool { return status != "" && t.Status != status })
	return answerPage("tabs", tabs, next), nil
}

// bills reads the bills of a list, the tab of each place. One that is not there has no row.
func (a *API) bills(q query, list []projections.Entry, tabIDs []string) ([]projections.Entry, error) {
	if len(list) == 0 {
		return nil, nil
	}
	values, err := a.Tabs.Get(q.ctx, q.at, q.store.StoreID, tabIDs...)
	if err != nil {
		return nil, err
	}
	for i, id := range tabIDs {
		list[i].Value = values[id]
	}
	return list, nil
}

// inOrder reads the list that a partition is.
func (a *API) inOrder(q query, partition string) pieces {
	return func(after string, n int) ([]projections.Entry, error) {
		list, err := a.Tabs.List(q.ctx, q.at, partition, after, n)
		if err != nil {
			return nil, err
		}
		ids := make([]string, len(list))
		for i, e := range list {
			if err := json.Unmarshal(e.Row, &ids[i]); err != nil {
				return nil, fmt.Errorf("%s %s: %w", partition, e.Field, err)
			}
		}
		return a.bills(q, list, ids)
	}
}

// openTabs reads which bill each table has open, as many as a store has tables at most, and puts them in order.
func (a *API) openTabs(q query) pieces {
	return func(after string, n int) ([]projections.Entry, error) {
		tables, err := a.Tabs.List(q.ctx, q.at, projections.OpenTabs(q.store.StoreID), "", 0)
		if err != nil {
			return nil, err
		}
		var list []projections.Entry
		of := map[string]string{}
		for _, e := range tables {
			var open projections.OpenTabRow
			if err := json.Unmarshal(e.Row, &open); err != nil {
				return nil, fmt.Errorf("table %s: %w", e.Field, err)
			}
			if place := projections.OpenedPlace(open.OpenedAt, open.TabID); place > after {
				list, of[place] = append(list, projections.Entry{Field: place}), open.TabID
			}
		}
		slices.SortFunc(list, func(a, b projections.Entry) int { return strings.Compare(a.Field, b.Field) })
		list = list[:min(n, len(list))]
		ids := make([]string, len(list))
		for i, e := range list {
			ids[i] = of[e.Field]
		}
		return a.bills(q, list, ids)
	}
}
