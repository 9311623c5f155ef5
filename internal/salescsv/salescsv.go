// Package salescsv reads historical sales from CSV: one row per order line, in any order.
//
// Not here: what becomes of them (commands).
package salescsv

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"daybook/commands"
	"daybook/domain/calendar"
	"daybook/domain/money"
	"daybook/domain/tab"
	"daybook/internal/extsort"
)

// Columns that a file must have, in any order; others are passed over.
var Columns = []string{"order_id", "ordered_at", "product_code", "product_name", "category", "quantity", "unit_price"}

// Places in Columns.
const (
	orderID = iota
	orderedAt
	productCode
	productName
	category
	quantity
	unitPrice
	columnCount
)

const (
	// sortMemory is how many bytes of rows, and then of sales, are in memory at a time.
	sortMemory = 8 << 20
	// RowMax is the length of the longest row, in bytes. A quote that nobody closes makes the rest of the file one row.
	RowMax = 1 << 20
)

// Options say what the texts of a file mean, and where there is room for it.
type Options struct {
	Dir      string // for temporary files, which nobody else can read and which are gone with the process
	Currency money.Currency
	Hours    calendar.Hours // of the store, where the clock stands that told the times
}

// File is what was read of a file. Close it.
type File struct {
	sales  *extsort.Sorter
	orders int
	hours  calendar.Hours
}

// Read reads a whole file, of whatever length. Times are local times of the store without a zone (2006-01-02T15:04:05 or with
// a blank for the T), prices plain decimals of the currency. Rows of one order may stand anywhere; they become one sale, its
// lines in the order of the file. What is wrong is added to the faults; an error comes from the file or the disk. progress is
// told now and then how many rows were read, and then how many of them were put in order.
func Read(file io.Reader, o Options, faults *commands.Faults, progress func(read, sorted int)) (_ *File, err error) {
	r := reader{Options: o, faults: faults, rows: extsort.New(o.Dir, sortMemory), progress: progress}
	f := &File{sales: extsort.New(o.Dir, sortMemory), hours: o.Hours}
	defer func() {
		if err = errors.Join(err, r.rows.Close()); err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := r.read(file); err != nil {
		return nil, err
	}
	return f, r.gather(f)
}

// Orders is how many orders the file has, faults apart.
func (f *File) Orders() int { return f.orders }

// Sales are the sales of the file in the order of time, and at one time in that of their order ids. They can be gone through
// again and again.
func (f *File) Sales() iter.Seq2[commands.Sale, error] {
	return func(yield func(commands.Sale, error) bool) {
		for record, err := range f.sales.All() {
			var sale commands.Sale
			if err == nil {
				sale, err = decodeSale(record, f.hours.Zone)
			}
			if !yield(sale, err) || err != nil {
				return
			}
		}
	}
}

// Close gives memory and disk back.
func (f *File) Close() error { return f.sales.Close() }

type reader struct {
	Options
	faults   *commands.Faults
	columns  [columnCount]int // where each of Columns stands in a row
	rows     *extsort.Sorter  // by order and line
	count    int
	progress func(read, sorted int)
}

// progressRows is how many rows pass before progress is told again.
const progressRows = 1000

// errNoRows: whoever exported the file chose days without a sale, or the export broke off.
var errNoRows = errors.New("there is no row below the header")

func (r *reader) read(file io.Reader) error {
	limited := &rowLimit{in: withoutMark(file)}
	rows := csv.NewReader(limited)
	rows.ReuseRecord = true
	header, err := rows.Read()
	switch {
	case errors.Is(err, io.EOF):
		r.faults.Add(commands.Fault{Line: 1, Err: errors.New("no header row")})
		return nil
	case r.syntax(err, header):
		return nil
	case err != nil:
		return err
	}
	if !r.findColumns(header) {
		return nil
	}
	for line := 1; ; {
		limited.begin()
		row, err := rows.Read()
		switch {
		case errors.Is(err, io.EOF):
			if r.count == 0 {
				r.faults.Add(commands.Fault{Line: 2, Err: errNoRows})
			}
			r.progress(r.count, 0)
			return nil
		case r.syntax(err, row):
		case errors.Is(err, errRowLength):
			r.faults.Add(commands.Fault{Line: line + 1, Err: err})
			return nil
		case err != nil:
			return err
		default:
			line, _ = rows.FieldPos(0)
			if err := r.add(row, line); err != nil {
				return err
			}
		}
		if r.count++; r.count%progressRows == 0 {
			r.progress(r.count, 0)
		}
	}
}

// syntax notes a row that is not as CSV should be. The next row may be read all the same.
func (r *reader) syntax(err error, row []string) bool {
	var bad *csv.ParseError
	if !errors.As(err, &bad) {
		return false
	}
	fault := commands.Fault{Line: bad.StartLine, Err: fmt.Errorf("%w, at character %d of line %d", bad.Err, bad.Column, bad.Line)}
	if errors.Is(bad.Err, csv.ErrFieldCount) {
		fault.Err = fmt.Errorf("%d fields, unlike the header", len(row))
	}
	r.faults.Add(fault)
	return true
}

// findColumns notes where the columns stand, and says whether all do.
func (r *reader) findColumns(header []string) bool {
	titles, ok := make([]string, len(header)), true
	fault := func(format string, args ...any) {
		r.faults.Add(commands.Fault{Line: 1, Err: fmt.Errorf(format, args...)})
		ok = false
	}
	for i, title := range header {
		title = strings.TrimSpace(title)
		if slices.Contains(titles[:i], title) && slices.Contains(Columns, title) {
			fault("column %s is there twice", title)
		}
		titles[i] = title
	}
	for place, title := range Columns {
		if r.columns[place] = slices.Index(titles, title); r.columns[place] < 0 {
			fault("column %s is missing", title)
		}
	}
	return ok
}

// gather makes sales of the rows.
func (r *reader) gather(f *File) error {
	var sale commands.Sale
	var buffer []byte
	sorted := 0
	end := func() error {
		if sale.OrderID == "" {
			return nil
		}
		buffer = appendSale(buffer[:0], sale)
		f.orders++
		return f.sales.Add(buffer)
	}
	for record, err := range r.rows.All() {
		if err != nil {
			return err
		}
		row, err := decodeRow(record, r.Hours.Zone)
		if err != nil {
			return err
		}
		if sorted++; sorted%progressRows == 0 {
			r.progress(r.count, sorted)
		}
		if row.OrderID != sale.OrderID {
			if err := end(); err != nil {
				return err
			}
			sale = row
			continue
		}
		r.join(&sale, row)
	}
	r.progress(r.count, r.count)
	return end()
}

// join adds another row of the same order to a sale.
func (r *reader) join(sale *commands.Sale, row commands.Sale) {
	if !sale.At.Equal(row.At) {
		r.faults.Add(commands.Fault{
			Line: row.Line, Column: Columns[orderedAt], Value: row.At.Format(timeForm),
			Err: fmt.Errorf("order %.40q has another time at line %d", sale.OrderID, sale.Line),
		})
		return
	}
	if len(sale.Lines) > tab.OrderLinesMax {
		return // that was said
	}
	if sale.Lines = append(sale.Lines, row.Lines...); len(sale.Lines) > tab.OrderLinesMax {
		r.faults.Add(commands.Fault{
			Line: row.Line, Column: Columns[orderID], Value: sale.OrderID, Err: fmt.Errorf("an order has at most %d lines", tab.OrderLinesMax),
		})
	}
}

// withoutMark passes over a byte order mark. It would hide the quote of a quoted title.
func withoutMark(file io.Reader) io.Reader {
	const mark = "\ufeff"
	in := bufio.NewReader(file)
	if first, err := in.Peek(len(mark)); err == nil && string(first) == mark {
		_, _ = in.Discard(len(mark)) // it was peeked
	}
	return in
}

// rowLimit ends a row that is too long.
type rowLimit struct {
	in   io.Reader
	read int // bytes since the row began
}

var errRowLength = fmt.Errorf("a row is longer than %d bytes: is a quote not closed?", RowMax)

func (l *rowLimit) begin() { l.read = 0 }

func (l *rowLimit) Read(p []byte) (int, error) {
	if l.read > RowMax {
		return 0, errRowLength
	}
	n, err := l.in.Read(p)
	l.read += n
	return n, err
}
