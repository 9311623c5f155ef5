package tab

import (
	"daybook/domain/menu"
	"daybook/domain/money"
	"daybook/domain/refusal"
	"daybook/domain/settlement"
)

// Command is one of this file's commands.
//
//sumtype:decl
type Command interface{ tabCommand() }

// PlaceOrder puts an order on the tab, opening it if it is the first.
type PlaceOrder struct {
	StoreID, TabID, TableID, OrderID string
	Currency                         money.Currency // of the prices
	Items                            []Item
	When                             When
}

// Item is a product as the menu offers it now, and how many of it are wanted.
type Item struct {
	Product  menu.Product
	Quantity int64
}

// TakePayment takes money against the tab, and closes it when all is paid.
type TakePayment struct {
	StoreID     string
	PaymentID   string
	Method      Method
	CardCompany string // one of Fees with Card, "" with Cash
	Amount      *int64 // minor units; nil: all that is due
	// Fees is the policy that holds for the business date.
	Fees settlement.Policy
	// SettlementDay of the store, for the Closed event.
	SettlementDay int
	When          When
}

// Close ends a tab on which nothing is due: all that was ordered is free. A tab that is paid has closed by itself.
type Close struct {
	StoreID string
	// SettlementDay of the store, for the Closed event.
	SettlementDay int
	When          When
}

func (PlaceOrder) tabCommand()  {}
func (TakePayment) tabCommand() {}
func (Close) tabCommand()       {}

// What a tab refuses.
var (
	ErrNoLines     = refusal.New(refusal.Invalid, "lines_required", "an order has at least one line")
	ErrLines       = refusal.New(refusal.Invalid, "too_many_lines", "an order may have 200 lines, a tab 1000")
	ErrQuantity    = refusal.New(refusal.Invalid, "invalid_quantity", "a quantity is 1 to 10000000")
	ErrTooLarge    = refusal.New(refusal.Invalid, "amount_too_large", "a tab may amount to 1000000000000 minor units")
	ErrUnknown     = refusal.New(refusal.Unknown, "tab_not_found", "there is no such tab")
	ErrClosed      = refusal.New(refusal.Conflict, "tab_closed", "the tab is closed")
	ErrMethod      = refusal.New(refusal.Invalid, "invalid_method", "method is CASH or CARD")
	ErrCardCompany = refusal.New(refusal.Invalid, "invalid_card_company", "cardCompany is K, H or S with CARD, and absent with CASH")
	ErrAmount      = refusal.New(refusal.Invalid, "invalid_amount", "an amount to pay is at least 1 minor unit")
	ErrNothingDue  = refusal.New(refusal.Conflict, "nothing_due", "nothing is due on this tab")
	ErrAmountDue   = refusal.New(refusal.Conflict, "amount_due", "something is still due on this tab")
	ErrOverpayment = refusal.New(refusal.Conflict, "overpayment", "the payment is more than what is due")
	ErrPayments    = refusal.New(refusal.TooMuch, "payment_limit_reached", "a tab may have 200 payments; the last one pays all that is due")
	ErrCurrency    = refusal.New(refusal.Conflict, "currency_differs", "the tab is in another currency")
)

// Decide says what follows from a command.
func Decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case PlaceOrder:
		return placeOrder(s, c)
	case TakePayment:
		return takePayment(s, c)
	case Close:
		return closeTab(s, c)
	}
	return nil, nil
}

func placeOrder(s State, c PlaceOrder) ([]Event, error) {
	var events []Event
	if s.TabID == "" {
		opened := Opened{StoreID: c.StoreID, TabID: c.TabID, TableID: c.TableID, Currency: c.Currency, At: c.When.At}
		events = append(events, opened)
		s = Evolve(s, opened)
	}
	switch {
	case s.Closed:
		return nil, ErrClosed
	case s.Currency != c.Currency:
		return nil, ErrCurrency
	case len(c.Items) == 0:
		return nil, ErrNoLines
	case len(c.Items) > OrderLinesMax || s.lines()+len(c.Items) > TabLinesMax:
		return nil, ErrLines
	}
	lines, amount, err := price(c.Items, c.Currency)
	if err != nil {
		return nil, err
	}
	if amount > AmountMax-s.Amount {
		return nil, ErrTooLarge
	}
	return append(events, OrderPlaced{
		OrderID: c.OrderID, Lines: lines, Amount: amount, BusinessDate: c.When.BusinessDate, At: c.When.At,
	}), nil
}

// price makes lines of items and sums them up.
func price(items []Item, currency money.Currency) ([]Line, int64, error) {
	lines := make([]Line, len(items))
	total := money.Zero(currency)
	for i, item := range items {
		p := item.Product
		if item.Quantity < 1 || item.Quantity > QuantityMax {
			return nil, 0, ErrQuantity.With("line %d: a quantity is 1 to %d, not %d", i+1, QuantityMax, item.Quantity)
		}
		amount, err := money.Money{Minor: p.Price, Currency: currency}.Times(item.Quantity)
		if err == nil {
			total, err = total.Plus(amount)
		}
		if err != nil {
			return nil, 0, ErrTooLarge
		}
		lines[i] = Line{
			ProductID: p.ProductID, Name: p.Name, Category: p.Category,
			UnitPrice: p.Price, Quantity: item.Quantity, Amount: amount.Minor,
		}
	}
	return lines, total.Minor, nil
}

func takePayment(s State, c TakePayment) ([]Event, error) {
	rate, err := feeRate(c.Fees, c.Method, c.CardCompany)
	if err != nil {
		return nil, err
	}
	amount := s.Due()
	if c.Amount != nil {
		amount = *c.Amount
	}
	switch {
	case c.Amount != nil && amount < 1:
		return nil, ErrAmount
	case s.TabID == "":
		return nil, ErrUnknown
	case s.Closed:
		return nil, ErrClosed
	case s.Due() == 0:
		return nil, ErrNothingDue
	case amount > s.Due():
		return nil, ErrOverpayment.With("%d is due, not %d", s.Due(), amount)
	case amount < s.Due() && len(s.Payments) >= PaymentsMax-1: // a tab can always be paid to its end
		return nil, ErrPayments.With("the next payment has to pay all that is due, which is %d", s.Due())
	}
	fee, err := money.Money{Minor: amount, Currency: s.Currency}.Share(rate)
	if err != nil {
		return nil, err
	}
	paid := PaymentCompleted{
		PaymentID: c.PaymentID, Method: c.Method, CardCompany: c.CardCompany,
		Amount: amount, FeeRate: rate, Fee: fee.Minor, FeePolicy: c.Fees.Version, BusinessDate: c.When.BusinessDate, At: c.When.At,
	}
	if s = Evolve(s, paid); s.Due() > 0 {
		return []Event{paid}, nil
	}
	return []Event{paid, s.closed(c.StoreID, c.SettlementDay, c.When)}, nil
}

func closeTab(s State, c Close) ([]Event, error) {
	switch {
	case s.TabID == "":
		return nil, ErrUnknown
	case s.Closed:
		return nil, ErrClosed
	case s.Due() > 0:
		return nil, ErrAmountDue.With("%d is due", s.Due())
	}
	return []Event{s.closed(c.StoreID, c.SettlementDay, c.When)}, nil
}

// closed is the end of the tab as it is now.
func (s State) closed(storeID string, settlementDay int, when When) Closed {
	return Closed{
		StoreID: storeID, BusinessDate: when.BusinessDate, SettlementDay: settlementDay, Currency: s.Currency,
		Amount: s.Amount, Lines: s.sold(), Payments: s.tenders(), At: when.At,
	}
}

// feeRate is what the card company takes; cash costs nothing.
func feeRate(fees settlement.Policy, method Method, cardCompany string) (money.Rate, error) {
	rate, known := fees.CardRate(cardCompany)
	switch {
	case method == Cash && cardCompany == "":
		return 0, nil
	case method == Card && known:
		return rate, nil
	case method == Cash, method == Card:
		return 0, ErrCardCompany
	}
	return 0, ErrMethod
}

// CheckTender refuses what was never a way to pay, under any policy: ErrMethod, ErrCardCompany.
func CheckTender(all settlement.Policies, method Method, cardCompany string) (err error) {
	for _, fees := range all {
		if _, err = feeRate(fees, method, cardCompany); err == nil {
			return nil
		}
	}
	return err
}
