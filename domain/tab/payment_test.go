package tab_test

import (
	"fmt"
	"math"
	"slices"

	"daybook/domain/menu"
	"daybook/domain/money"
	"daybook/domain/tab"
)

var payments = []tabCase{
	{Name: "a part in cash", Given: lunch, When: cash("m1", 999), Then: events{paidCash("m1", 999)}},
	{Name: "the least there is", Given: lunch, When: cash("m1", 1), Then: events{paidCash("m1", 1)}},
	{
		Name: "a part by card", Given: lunch, When: card("m1", "K", 999),
		Then: events{paidCard("m1", "K", 999, 4000, 3)}, // 3.996
	},
	{Name: "a fee below one minor unit", Given: lunch, When: card("m1", "S", 124), Then: events{paidCard("m1", "S", 124, 8000, 0)}},
	{Name: "a fee of one minor unit", Given: lunch, When: card("m1", "S", 125), Then: events{paidCard("m1", "S", 125, 8000, 1)}},
}

func paidCard(id, company string, amount int64, rate money.Rate, fee int64) tab.PaymentCompleted {
	e := paidCash(id, amount)
	e.Method, e.CardCompany, e.FeeRate, e.Fee = tab.Card, company, rate, fee
	return e
}

// closedWith is the end of a tab that store s1, whose settlement day is the 5th, was paid for.
func closedWith(amount int64, lines []tab.Sold, tenders ...tab.Tender) tab.Closed {
	return tab.Closed{
		StoreID: "s1", BusinessDate: first, SettlementDay: 5, Currency: "KRW", Amount: amount,
		Lines: lines, Payments: tenders, At: night,
	}
}

var twoKimchi = []tab.Sold{{ProductID: "2", Name: "Kimchi", Category: menu.SubMenu, Quantity: 2, Amount: 1000}}

// renamed and recategorised are what the side dish became while people ate; dearer is only another price of it.
var (
	renamed       = menu.Product{ProductID: "2", Name: "Old kimchi", Category: menu.SubMenu, Price: 500}
	recategorised = menu.Product{ProductID: "2", Name: "Kimchi", Category: "Pickles", Price: 500}
	dearer        = menu.Product{ProductID: "2", Name: "Kimchi", Category: menu.SubMenu, Price: 600}
)

var closings = []tabCase{
	{
		Name: "all in cash", Given: lunch, When: cash("m1", 1000),
		Then: events{paidCash("m1", 1000), closedWith(1000, twoKimchi, tab.Tender{Method: tab.Cash, Amount: 1000})},
	},
	{
		Name: "all that is due, unsaid", Given: lunch, When: cash("m1", 0),
		Then: events{paidCash("m1", 1000), closedWith(1000, twoKimchi, tab.Tender{Method: tab.Cash, Amount: 1000})},
	},
	{
		Name: "all by card", Given: lunch, When: card("m1", "H", 0),
		Then: events{
			paidCard("m1", "H", 1000, 6000, 6),
			closedWith(1000, twoKimchi, tab.Tender{Method: tab.Card, CardCompany: "H", Amount: 1000, Fee: 6}),
		},
	},
	{
		Name:  "tenders are summed by method and company",
		Given: slices.Concat(lunch, events{paidCard("m1", "K", 300, 4000, 1), paidCash("m2", 100), paidCard("m3", "S", 200, 8000, 1), paidCash("m4", 50)}),
		When:  card("m5", "K", 0),
		Then: events{
			paidCard("m5", "K", 350, 4000, 1),
			closedWith(1000, twoKimchi,
				tab.Tender{Method: tab.Card, CardCompany: "K", Amount: 650, Fee: 2}, // not 2.6: fees are cut payment by payment
				tab.Tender{Method: tab.Cash, Amount: 150},
				tab.Tender{Method: tab.Card, CardCompany: "S", Amount: 200, Fee: 1}),
		},
	},
	{
		Name: "what was sold is summed by what it was called",
		Given: slices.Concat(lunch, events{
			placed("o2", 3700, line(drink, 1, 300), line(dearer, 1, 600), line(renamed, 3, 1500), line(recategorised, 2, 1000), line(drink, 1, 300)),
			placed("o3", 0, line(water, 2, 0)),
		}),
		When: cash("m1", 0),
		Then: events{paidCash("m1", 4700), closedWith(4700, []tab.Sold{
			{ProductID: "2", Name: "Kimchi", Category: menu.SubMenu, Quantity: 3, Amount: 1600},
			{ProductID: "4", Name: "Cola", Category: menu.Drink, Quantity: 2, Amount: 600},
			{ProductID: "2", Name: "Old kimchi", Category: menu.SubMenu, Quantity: 3, Amount: 1500},
			{ProductID: "2", Name: "Kimchi", Category: "Pickles", Quantity: 2, Amount: 1000},
			{ProductID: "9", Name: "Water", Category: menu.Drink, Quantity: 2, Amount: 0},
		}, tab.Tender{Method: tab.Cash, Amount: 4700})},
	},
}

func by(method tab.Method, company string) tab.TakePayment {
	c := cash("m1", 0)
	c.Method, c.CardCompany = method, company
	return c
}

// onTheHouse is a tab of nothing but water: there is nothing to pay, so it never closes by payment, but by Close.
var onTheHouse = events{opened, placed("o1", 0, line(water, 1, 0))}

// paidOften is lunch with so many payments of the least amount.
func paidOften(n int) events {
	given := slices.Clone(lunch)
	for i := range n {
		given = append(given, paidCash(fmt.Sprint("m", i+1), 1))
	}
	return given
}

var paymentLimits = []tabCase{
	{Name: "the last but one payment of a part", Given: paidOften(198), When: cash("m", 1), Then: events{paidCash("m", 1)}},
	{Name: "the last payment, of a part", Given: paidOften(199), When: cash("m", 800), Refused: tab.ErrPayments},
	{
		Name: "the last payment, of all that is due", Given: paidOften(199), When: cash("m", 0),
		Then: events{paidCash("m", 801), closedWith(1000, twoKimchi, tab.Tender{Method: tab.Cash, Amount: 1000})},
	},
	{Name: "a part, after more payments than there may be", Given: paidOften(500), When: cash("m", 1), Refused: tab.ErrPayments},
	{
		Name: "all that is due, after more payments than there may be", Given: paidOften(500), When: cash("m", 500),
		Then: events{paidCash("m", 500), closedWith(1000, twoKimchi, tab.Tender{Method: tab.Cash, Amount: 1000})},
	},
}

var badPayments = []tabCase{
	{Name: "paying for nothing", When: cash("m1", 0), Refused: tab.ErrUnknown},
	{Name: "paying an amount for nothing", When: cash("m1", 100), Refused: tab.ErrUnknown},
	{Name: "one more than is due", Given: lunch, When: cash("m1", 1001), Refused: tab.ErrOverpayment},
	{Name: "far more than is due", Given: lunch, When: card("m1", "K", math.MaxInt64), Refused: tab.ErrOverpayment},
	{
		Name: "more than is left", Given: slices.Concat(lunch, events{paidCash("m1", 600)}),
		When: cash("m2", 401), Refused: tab.ErrOverpayment,
	},
	{Name: "less than nothing", Given: lunch, When: cash("m1", -1), Refused: tab.ErrAmount},
	{Name: "the least number", Given: lunch, When: cash("m1", math.MinInt64), Refused: tab.ErrAmount},
	{Name: "nothing", Given: lunch, When: nothing, Refused: tab.ErrAmount},
	{Name: "paying what costs nothing", Given: onTheHouse, When: cash("m1", 0), Refused: tab.ErrNothingDue},
	{Name: "paying something for what costs nothing", Given: onTheHouse, When: cash("m1", 1), Refused: tab.ErrNothingDue},
	{Name: "paying twice", Given: closed, When: cash("m2", 0), Refused: tab.ErrClosed},
	{Name: "paying twice, with an amount", Given: closed, When: card("m2", "H", 1000), Refused: tab.ErrClosed},
	{Name: "no method", Given: lunch, When: by("", ""), Refused: tab.ErrMethod},
	{Name: "an unknown method", Given: lunch, When: by("CHEQUE", ""), Refused: tab.ErrMethod},
	{Name: "an unknown method of a known company", Given: lunch, When: by("card", "K"), Refused: tab.ErrMethod},
	{Name: "a card of nobody", Given: lunch, When: by(tab.Card, ""), Refused: tab.ErrCardCompany},
	{Name: "a card of an unknown company", Given: lunch, When: by(tab.Card, "V"), Refused: tab.ErrCardCompany},
	{Name: "cash of a card company", Given: lunch, When: by(tab.Cash, "K"), Refused: tab.ErrCardCompany},
	{Name: "cash of an unknown company", Given: lunch, When: by(tab.Cash, "V"), Refused: tab.ErrCardCompany},
}

// nothing says an amount of 0, which is not the same as saying none.
var nothing = func() tab.TakePayment {
	c := cash("m1", 0)
	c.Amount = new(int64)
	return c
}()
