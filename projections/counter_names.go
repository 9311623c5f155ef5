package projections

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"daybook/domain/tab"
)

// soldName is what a product was called by a sale. Of two, a period keeps the later one, whichever came first: a name does
// not depend on the order of arrival. The zero soldName is none.
type soldName struct {
	name string
	at   int64 // see soldAt; 0: none
}

// linesPerMilli is as many lines as a tab may have.
const linesPerMilli = tab.TabLinesMax

// soldAt puts the lines of all sales in order: by the time of their closing, to the millisecond, counted from the year 1,
// and then as they stand in it, from 1. It is never 0.
func soldAt(closing time.Time, line int) int64 {
	return (closing.UnixMilli()-time.Time{}.UnixMilli())*linesPerMilli + int64(min(line+1, linesPerMilli-1))
}

// orLater returns the later of two names; of two of the same moment, the greater.
func (n soldName) orLater(other soldName) soldName {
	switch {
	case other.at == 0, n.at != 0 && cmp.Or(cmp.Compare(n.at, other.at), cmp.Compare(n.name, other.name)) >= 0:
		return n
	}
	return other
}

// keepLater takes those names out of the sums that are not later than what their periods have.
func keepLater(ctx context.Context, read ReadRows, periods sumsBy[string, sums]) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for partition, of := range periods {
		group.Go(func() error { return of.keepLater(ctx, read, partition) })
	}
	return group.Wait()
}

func (s *sums) keepLater(ctx context.Context, read ReadRows, partition string) error {
	fields := make([]string, 0, len(s.products))
	for p := range s.products {
		fields = append(fields, p.nameField)
	}
	if len(fields) == 0 {
		return nil
	}
	rows, err := read(ctx, partition, fields)
	if err != nil || len(rows) == 0 {
		return err
	}
	for p, sold := range s.products {
		row, has := rows[p.nameField]
		if !has {
			continue
		}
		before, err := readSoldName(row.Row)
		if err != nil {
			return fmt.Errorf("%s %s: %w", partition, p.nameField, err)
		}
		if before.orLater(sold.called) == before {
			sold.called = soldName{}
		}
	}
	return nil
}

// named is the row of a name. Most periods have the same.
func (p *countedProduct) named(called soldName) (row []byte, err error) {
	if p.text == nil || p.name != called.name {
		p.name = called.name
		if p.text, err = json.Marshal(called.name); err != nil {
			return nil, err
		}
	}
	row = make([]byte, 0, len(p.text)+len("[,]")+20)
	row = append(append(append(row, '['), p.text...), ',')
	return append(strconv.AppendInt(row, called.at, 10), ']'), nil
}

// readSoldName reads the row of a name, a JSON array of name and time. Most names need no decoding.
func readSoldName(row json.RawMessage) (n soldName, err error) {
	inner, isArray := bytes.CutPrefix(row, []byte(`["`))
	comma := bytes.LastIndexByte(inner, ',')
	if !isArray || comma < 1 || inner[comma-1] != '"' || bytes.ContainsAny(inner[:comma-1], `"\`) {
		var parts [2]json.RawMessage
		err := json.Unmarshal(row, &parts)
		if err == nil {
			err = errors.Join(json.Unmarshal(parts[0], &n.name), json.Unmarshal(parts[1], &n.at))
		}
		return n, err
	}
	at := bytes.TrimSpace(bytes.TrimSuffix(inner[comma+1:], []byte("]")))
	n.name = string(inner[:comma-1])
	n.at, err = strconv.ParseInt(string(at), 10, 64)
	return n, err
}
