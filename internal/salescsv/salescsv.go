// Package salescsv reads historical sales from CSV: one row per order line.
//
// Not here: what becomes of them (commands).
package salescsv

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"daybook/commands"
	"daybook/domain/calendar"
	"daybook/domain/menu"
	"daybook/domain/money"
	"daybook/domain/name"
	"daybook/domain/tab"
)

// Columns that a file must have, in any order; others are passed over.
var Columns = []string{"order_id", "ordered_at", "product_code", "product_name", "category", "quantity", "unit_price"}

// LineError says which line of a file is wrong, counted from 1, and why.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// ErrTooLarge: a file has more rows than one import takes. Split it.
var ErrTooLarge = errors.New("too many rows for one import")

const rowsMax = 5_000_000

// Read reads a whole file. Times are local times of the store without a zone (2006-01-02T15:04:05 or with a blank for
// the T), prices plain decimals of the currency. Rows of one order may stand anywhere; they become one sale, in the
// order of the file. The first bad row ends it, with a *LineError; nothing is returned then.
func Read(file io.Reader, currency money.Currency, hours calendar.Hours) ([]commands.Sale, error) {
	rows := csv.NewReader(file)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return nil, &LineError{1, fmt.Errorf("no header row: %w", err)}
	}
	columns, err := findColumns(header)
	if err != nil {
		return nil, &LineError{1, err}
	}
	r := reader{currency: currency, hours: hours, columns: columns, orders: map[string]int{}}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return r.sales, nil
		}
		line, _ := rows.FieldPos(0)
		var syntax *csv.ParseError
		switch {
		case errors.As(err, &syntax):
			return nil, &LineError{syntax.Line, syntax.Err}
		case err != nil:
			return nil, err
		}
		if err := r.add(row, line); err != nil {
			return nil, &LineError{line, err}
		}
	}
}

// findColumns returns where each of Columns stands.
func findColumns(header []string) (map[string]int, error) {
	columns := map[string]int{}
	for i, title := range header {
		title = strings.TrimSpace(strings.TrimPrefix(title, "\ufeff"))
		if _, twice := columns[title]; twice {
			return nil, fmt.Errorf("column %.40q is there twice", title)
		}
		columns[title] = i
	}
	for _, title := range Columns {
		if _, is := columns[title]; !is {
			return nil, fmt.Errorf("column %s is missing", title)
		}
	}
	return columns, nil
}

type reader struct {
	currency money.Currency
	hours    calendar.Hours
	columns  map[string]int
	rows     int
	sales    []commands.Sale
	orders   map[string]int // place in sales, by order id
}

func (r *reader) add(row []string, line int) error {
	if r.rows++; r.rows > rowsMax {
		return ErrTooLarge
	}
	field := func(column string) string { return strings.TrimSpace(row[r.columns[column]]) }
	orderID := field("order_id")
	if orderID == "" || len(orderID) > 100 {
		return fmt.Errorf("order_id %.40q: 1 to 100 characters", orderID)
	}
	at, err := r.time(field("ordered_at"))
	if err != nil {
		return err
	}
	sold, err := r.line(field)
	if err != nil {
		return err
	}
	place, known := r.orders[orderID]
	if !known {
		place = len(r.sales)
		r.orders[strings.Clone(orderID)] = place
		r.sales = append(r.sales, commands.Sale{OrderID: strings.Clone(orderID), At: at, Line: line})
	}
	sale := &r.sales[place]
	if !sale.At.Equal(at) {
		return fmt.Errorf("order %s has another time at line %d", orderID, sale.Line)
	}
	if len(sale.Lines) == tab.OrderLinesMax {
		return fmt.Errorf("order %s has more than %d lines", orderID, tab.OrderLinesMax)
	}
	sale.Lines = append(sale.Lines, sold)
	return nil
}

func (r *reader) line(field func(string) string) (commands.SaleLine, error) {
	quantity, err := strconv.ParseInt(field("quantity"), 10, 64)
	if err != nil || quantity < 1 || quantity > tab.QuantityMax {
		return commands.SaleLine{}, fmt.Errorf("quantity %.40q: a whole number, 1 to %d", field("quantity"), tab.QuantityMax)
	}
	price, err := money.Parse(field("unit_price"), r.currency)
	if err != nil || price.Minor > menu.PriceLimit(r.currency).Minor {
		return commands.SaleLine{}, fmt.Errorf("unit_price %.40q: a decimal of %s, 0 to %s", field("unit_price"), r.currency,
			menu.PriceLimit(r.currency))
	}
	l := commands.SaleLine{
		Code: strings.Clone(field("product_code")), Name: strings.Clone(field("product_name")),
		Category: strings.Clone(field("category")), Quantity: quantity, UnitPrice: price.Minor,
	}
	switch {
	case l.Code == "" || len(l.Code) > 100:
		return l, fmt.Errorf("product_code %.40q: 1 to 100 characters", l.Code)
	case !name.Valid(l.Name, menu.NameMax):
		return l, fmt.Errorf("product_name %.40q: 1 to %d characters", l.Name, menu.NameMax)
	case !name.Valid(l.Category, menu.CategoryMax):
		return l, fmt.Errorf("category %.40q: 1 to %d characters", l.Category, menu.CategoryMax)
	}
	return l, nil
}

// time reads a local time. One that the clocks skipped is refused; of one that they showed twice it is the first.
func (r *reader) time(text string) (time.Time, error) {
	wall, err := time.Parse("2006-01-02T15:04:05", strings.Replace(text, " ", "T", 1))
	if err != nil || wall.Year() < 1 {
		return time.Time{}, fmt.Errorf("ordered_at %.40q: a local time such as 2015-01-31T18:30:00", text)
	}
	date, err := calendar.On(wall.Date())
	if err != nil {
		return time.Time{}, err
	}
	midnight := time.Date(wall.Year(), wall.Month(), wall.Day(), 0, 0, 0, 0, time.UTC)
	at, err := r.hours.At(date, wall.Sub(midnight))
	if err != nil {
		return time.Time{}, fmt.Errorf("ordered_at %.40q: %w", text, err)
	}
	return at, nil
}
