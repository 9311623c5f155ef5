package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"daybook/eventstore"
	"daybook/projections"
)

// shelf is a read model of rows of given sizes, which notes how much of it was read at once.
type shelf struct {
	rows     []projections.Entry
	rowsRead int // by one call, at most
}

type book struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

func newShelf(t *testing.T, sizes []int) *shelf {
	s := &shelf{}
	for n, size := range sizes {
		row, err := json.Marshal(book{n, strings.Repeat("x", size)})
		if err != nil {
			t.Fatal(err)
		}
		s.rows = append(s.rows, projections.Entry{Field: fmt.Sprintf("b%04d", n), Value: projections.Value{Row: row}})
	}
	return s
}

func (s *shelf) LeftOut(context.Context, eventstore.Position, string) (projections.LeftOut, error) {
	return projections.LeftOut{}, nil
}

func (s *shelf) List(_ context.Context, _ eventstore.Position, _, after string, limit int) ([]projections.Entry, error) {
	from := slices.IndexFunc(s.rows, func(e projections.Entry) bool { return e.Field > after })
	if from < 0 {
		return nil, nil
	}
	entries := s.rows[from:min(from+limit, len(s.rows))]
	s.rowsRead = max(s.rowsRead, len(entries))
	return entries, nil
}

func (s *shelf) Get(context.Context, eventstore.Position, string, ...string) (map[string]projections.Value, error) {
	panic("not asked")
}

// Pages hold every row once, in order, so many rows and so many bytes at most, whatever rows hold.
func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	shelves := map[string][]int{"none": {}, "one": {10}, "one that is too large": {3 << 20}}
	for n := range 100 {
		shelves["small"] = append(shelves["small"], 10)
		shelves["large"] = append(shelves["large"], 200<<10)
		shelves["small ones first"] = append(shelves["small ones first"], 10+n/70*(200<<10))
		shelves["some too large"] = append(shelves["some too large"], 10+n%50/49*(2<<20))
	}
	for name, sizes := range shelves {
		s := newShelf(t, sizes)
		for _, limit := range []string{"", "1", "31", "32", "33", "100", "1000"} {
			seen := 0
			for after, pages := "", 0; ; pages++ {
				asked := url.Values{"limit": {limit}, "after": {after}}
				body, err := listed[book](query{ctx: t.Context(), value: asked.Get}, s, "p", "books")
				if err != nil {
					t.Fatal(err)
				}
				bytes := 0
				books := body["books"].([]book)
				for _, b := range books {
					if b.N != seen {
						t.Fatalf("%s, limit %s: row %d comes after %d", name, limit, b.N, seen-1)
					}
					seen, bytes = seen+1, bytes+len(b.Text)
				}
				if bytes > pageBytesMax && len(books) > 1 {
					t.Fatalf("%s, limit %s: a page has %d bytes", name, limit, bytes)
				}
				next, more := body["next"].(string)
				if !more {
					break
				}
				if after = next; len(books) == 0 || pages > len(sizes) {
					t.Fatalf("%s, limit %s: no progress after %s", name, limit, next)
				}
			}
			if seen != len(sizes) || s.rowsRead > pieceRows {
				t.Errorf("%s, limit %s: %d of %d rows came, %d were read at once", name, limit, seen, len(sizes), s.rowsRead)
			}
		}
	}
}
