package salescsv

import (
	"errors"
	"fmt"
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

const timeForm = "2006-01-02T15:04:05"

// idMax is the length of the longest order id and product code, in bytes.
const idMax = 100

// add adds a row, or notes all that is wrong with it.
func (r *reader) add(row []string, line int) error {
	p := parsing{reader: r, row: row, line: line}
	sale := commands.Sale{OrderID: p.id(orderID), At: p.time(), Line: line}
	sale.Lines = []commands.SaleLine{{
		Code: p.id(productCode), Name: p.name(productName, menu.NameMax), Category: p.name(category, menu.CategoryMax),
		Quantity: p.quantity(), UnitPrice: p.price(),
	}}
	if p.bad {
		return nil
	}
	return r.rows.Add(appendRow(nil, sale))
}

// parsing is a row that is being parsed.
type parsing struct {
	*reader
	row  []string
	line int
	bad  bool
}

func (p *parsing) field(column int) string { return strings.TrimSpace(p.row[p.columns[column]]) }

func (p *parsing) fault(column int, err error) {
	p.bad = true
	p.faults.Add(commands.Fault{Line: p.line, Column: Columns[column], Value: p.field(column), Err: err})
}

func (p *parsing) id(column int) string {
	id := p.field(column)
	if id == "" || len(id) > idMax {
		p.fault(column, errID)
	}
	return id
}

func (p *parsing) name(column, max int) string {
	text := p.field(column)
	if !name.Valid(text, max) {
		p.fault(column, fmt.Errorf("1 to %d characters in UTF-8, none of them a control character", max))
	}
	return text
}

func (p *parsing) quantity() int64 {
	n, err := strconv.ParseInt(p.field(quantity), 10, 64)
	if err != nil || n < 1 || n > tab.QuantityMax {
		p.fault(quantity, errQuantity)
	}
	return n
}

func (p *parsing) price() int64 {
	limit := menu.PriceLimit(p.Currency)
	price, err := money.Parse(p.field(unitPrice), p.Currency)
	if err != nil || price.Minor > limit.Minor {
		p.fault(unitPrice, fmt.Errorf("a plain decimal of %s, 0 to %s", p.Currency, limit))
	}
	return price.Minor
}

var (
	errID       = fmt.Errorf("1 to %d characters", idMax)
	errQuantity = fmt.Errorf("a whole number, 1 to %d", tab.QuantityMax)
	errTime     = errors.New("a local time such as 2015-01-31T18:30:00")
	errYear     = fmt.Errorf("is before %d: no till has sales of then", firstYear)
)

// firstYear is the first of which sales are taken. Earlier ones are the zero of some calendar, or a year of two digits.
const firstYear = 1970

// time reads a local time. One that the clocks skipped is refused; of one that they showed twice it is the first.
func (p *parsing) time() time.Time {
	wall, err := time.Parse(timeForm, strings.Replace(p.field(orderedAt), " ", "T", 1))
	switch {
	case err != nil:
		p.fault(orderedAt, errTime)
		return time.Time{}
	case wall.Year() < firstYear:
		p.fault(orderedAt, errYear)
		return time.Time{}
	}
	date, err := calendar.On(wall.Date())
	midnight := time.Date(wall.Year(), wall.Month(), wall.Day(), 0, 0, 0, 0, time.UTC)
	at := time.Time{}
	if err == nil {
		at, err = p.Hours.At(date, wall.Sub(midnight))
	}
	if err != nil {
		p.fault(orderedAt, err)
	}
	return at
}
