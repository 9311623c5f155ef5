package app

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"daybook/commands"
	"daybook/domain/calendar"
	"daybook/domain/tab"
	"daybook/internal/auth"
)

// Demo is the sample restaurant.
type Demo struct {
	StoreID     string
	First, Last calendar.Date // business dates of its sales
}

// demoDays is how many days of sales it has.
const demoDays = 8

// demoMenu is what it sells: name, category, price in won.
var demoMenu = []commands.SaleLine{
	{Code: "bibimbap", Name: "Bibimbap", Category: "MAIN_MENU", UnitPrice: 9500},
	{Code: "bulgogi", Name: "Bulgogi", Category: "MAIN_MENU", UnitPrice: 14000},
	{Code: "jjigae", Name: "Kimchi-jjigae", Category: "MAIN_MENU", UnitPrice: 8500},
	{Code: "naengmyeon", Name: "Naengmyeon", Category: "MAIN_MENU", UnitPrice: 10000},
	{Code: "mandu", Name: "Mandu", Category: "SUB_MENU", UnitPrice: 6000},
	{Code: "pajeon", Name: "Pajeon", Category: "SUB_MENU", UnitPrice: 11000},
	{Code: "rice", Name: "Rice", Category: "SUB_MENU", UnitPrice: 1000},
	{Code: "coffee", Name: "Coffee", Category: "DRINK", UnitPrice: 3500},
	{Code: "cider", Name: "Cider", Category: "DRINK", UnitPrice: 2500},
	{Code: "makgeolli", Name: "Makgeolli", Category: "DRINK", UnitPrice: 5000},
}

// Demo adds the sample restaurant of an owner, unless it is there. Its sales are drawn anew for every installation, in
// the days before its opening.
func (a *App) Demo(ctx context.Context, ownerID string) (Demo, error) {
	grade, closeout := "SILVER", 4
	store, err := a.Commands.ImportedStore(ctx, ownerID, "Daybook Diner", commands.StoreWishes{PosGrade: &grade, CloseoutHour: &closeout})
	if err != nil {
		return Demo{}, err
	}
	opened, err := a.Commands.OpenedAt(ctx, store.StoreID)
	if err != nil {
		return Demo{}, err
	}
	today := store.Hours.BusinessDate(opened)
	demo := Demo{StoreID: store.StoreID, First: today - demoDays, Last: today - 1}
	if err := a.demoTables(ctx, store); err != nil {
		return demo, err
	}
	if err := a.Commands.FillMenu(ctx, store, demoMenu); err != nil {
		return demo, err
	}
	// The generator is seeded with the store: a second start draws the same sales, and so adds none.
	seed := uuid.NewSHA1(uuid.Nil, []byte(store.StoreID))
	random := rand.New(rand.NewChaCha8([32]byte(append(seed[:], seed[:]...))))
	for tender, sales := range demoSales(random, store.Hours, demo) {
		if _, err := a.Commands.ImportSales(ctx, store, commands.Sales(sales), tender, func(int, int) {}); err != nil {
			return demo, err
		}
	}
	return demo, nil
}

func (a *App) demoTables(ctx context.Context, store auth.Store) error {
	for n := 1; n <= 8; n++ {
		if err := a.Commands.EnsureTable(ctx, store, fmt.Sprintf("Table %d", n)); err != nil {
			return err
		}
	}
	return nil
}

// demoSales draws some dozens of tabs a day, most at noon and in the evening, by the way they were paid.
func demoSales(random *rand.Rand, hours calendar.Hours, demo Demo) map[commands.Tender][]commands.Sale {
	sales := map[commands.Tender][]commands.Sale{}
	tenders := []commands.Tender{{Method: tab.Cash}, {Method: tab.Card, CardCompany: "K"}, {Method: tab.Card, CardCompany: "H"}, {Method: tab.Card, CardCompany: "S"}}
	for day := demo.First; day <= demo.Last; day++ {
		tabs := 40 + random.IntN(25)
		for n := 1; n <= tabs; n++ {
			hour := []int{11, 12, 12, 12, 13, 17, 18, 18, 19, 19, 20, 21}[random.IntN(12)]
			at := hours.Opening(day).Add(time.Duration(hour-hours.Closeout)*time.Hour + time.Duration(random.IntN(3600))*time.Second)
			sale := commands.Sale{OrderID: fmt.Sprintf("demo %s %d", day, n), At: at}
			for _, product := range random.Perm(len(demoMenu))[:1+random.IntN(4)] {
				line := demoMenu[product]
				line.Quantity = int64(1 + random.IntN(3))
				sale.Lines = append(sale.Lines, line)
			}
			tender := tenders[random.IntN(len(tenders))]
			sales[tender] = append(sales[tender], sale)
		}
	}
	return sales
}
