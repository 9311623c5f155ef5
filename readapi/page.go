package readapi

import (
	"encoding/json"
	"net/http"
	"strconv"

	"daybook/internal/auth"
	"daybook/internal/httpapi"
	"daybook/projections"
)

// Bounds of one page of a list. Whatever rows hold, a page ends with the one that fills its bytes; and only so many rows
// are read from a read model at a time, so that no question costs much more memory than that.
const (
	pageLimitMax = 1000
	pageBytesMax = 1 << 20 // of rows, as the read model keeps them
	pieceRows    = 32
)

// pageParams are the parameters of every list.
var pageParams = []string{"after", "limit"}

var errAfter = httpapi.NewProblem(http.StatusBadRequest, "invalid_after", "after is the next of the page before")

// page is which part of a list is asked for.
type page struct {
	after string // the field of the last row before; "": from the beginning
	limit int
}

// pageOf reads a list's parameters; valid tells which texts can be the next of a page.
func pageOf(q query, absent int, valid func(after string) bool) (p page, err error) {
	if p.limit, err = limitOf(q, absent, pageLimitMax); err != nil {
		return p, err
	}
	p.after = q.value("after")
	if p.after != "" && !valid(p.after) {
		return p, errAfter
	}
	return p, nil
}

// limitOf reads the limit parameter.
func limitOf(q query, absent, max int) (int, error) {
	text := q.value("limit")
	if text == "" {
		return absent, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > max {
		return 0, httpapi.NewProblem(http.StatusBadRequest, "invalid_limit", "limit is 1 to "+strconv.Itoa(max))
	}
	return limit, nil
}

// collect reads one page. read returns up to n rows' fields and content after a field, in order; it may leave out the
// content of a row that is gone. next is the field to read after, "" at the end.
func collect[T any](p page, read func(after string, n int) ([]projections.Entry, error)) (rows []T, next string, err error) {
	rows = []T{}
	bytes, taken, last := 0, 0, p.after
	for {
		ask := min(pieceRows, p.limit-taken+1) // one more tells whether there is more
		entries, err := read(last, ask)
		if err != nil {
			return nil, "", err
		}
		for _, e := range entries {
			if taken == p.limit || taken > 0 && bytes+len(e.Row) > pageBytesMax {
				return rows, last, nil
			}
			bytes, taken, last = bytes+len(e.Row), taken+1, e.Field
			if e.Row == nil {
				continue
			}
			var row T
			if err := json.Unmarshal(e.Row, &row); err != nil {
				return nil, "", err
			}
			rows = append(rows, row)
		}
		if len(entries) < ask {
			return rows, "", nil
		}
	}
}

// list reads one page of a partition.
func list[T any](q query, r Reader, partition string, p page) (rows []T, next string, err error) {
	return collect[T](p, func(after string, n int) ([]projections.Entry, error) {
		return r.List(q.ctx, q.at, partition, after, n)
	})
}

// answerPage makes the body of a page.
func answerPage[T any](name string, rows []T, next string) map[string]any {
	body := map[string]any{name: rows}
	if next != "" {
		body["next"] = next // ask with after=next for the rest
	}
	return body
}

// listed answers with one page of a partition, under a name.
func listed[T any](q query, r Reader, partition, name string) (map[string]any, error) {
	p, err := pageOf(q, pageLimitMax, auth.ValidID)
	if err != nil {
		return nil, err
	}
	rows, next, err := list[T](q, r, partition, p)
	if err != nil {
		return nil, err
	}
	return answerPage(name, rows, next), nil
}
