package app

import (
	"context"
	"errors"
	"io"

	"daybook/commands"
	"daybook/domain/money"
	"daybook/domain/tab"
	"daybook/internal/auth"
	"daybook/internal/salescsv"
	"daybook/projections"
)

// ImportArgs say where historical sales go and how they were paid.
type ImportArgs struct {
	OwnerID string `json:"ownerId"`
	// Exactly one of these: a store of the owner, or the name of one to open.
	StoreID  string `json:"storeId"`
	NewStore string `json:"newStore"`
	// Of a new store; nil is the API's default. A store that exists keeps what it has, and anything else is refused.
	Currency      *string `json:"currency"`
	TimeZone      *string `json:"timeZone"`
	CloseoutHour  *int    `json:"closeoutHour"`
	PosGrade      string  `json:"posGrade"`
	SettlementDay int     `json:"settlementDay"`
	// How the sales were paid.
	Method      string `json:"method"`
	CardCompany string `json:"cardCompany"`
}

var (
	errWhichStore = errors.New("name either a store (--store) or a new one (--new-store)")
	errOtherStore = errors.New("--currency, --time-zone and --closeout-hour are for a new store; this store has others")
)

// ImportSales adds the sales of a CSV file to a store. Result: commands.Imported.
var ImportSales = operation("import-sales", func(ctx context.Context, a *App, args ImportArgs, file io.Reader, progress Progress) (any, error) {
	if (args.StoreID == "") == (args.NewStore == "") {
		return nil, errWhichStore
	}
	if file == nil {
		return nil, errors.New("no file was sent")
	}
	tender := commands.Tender{Method: tab.Method(args.Method), CardCompany: args.CardCompany}
	if err := tab.CheckTender(tender.Method, tender.CardCompany); err != nil {
		return nil, err
	}
	// The whole file is read before anything is written, a new store included.
	of, err := a.importTarget(ctx, args)
	if err != nil {
		return nil, err
	}
	progress("reading", 0, 1)
	sales, err := salescsv.Read(file, money.Currency(of.Currency), of.Hours)
	if err != nil {
		return nil, err
	}
	progress("reading", 1, 1)
	if args.NewStore != "" {
		if of, err = a.Commands.ImportedStore(ctx, args.OwnerID, args.openStore()); err != nil {
			return nil, err
		}
	}
	imported, err := a.Commands.ImportSales(ctx, of, sales, tender, func(done, total int) {
		progress("importing", uint64(done), uint64(total))
	})
	if err != nil {
		return nil, err
	}
	return imported, a.importCaughtUp(ctx, progress)
})

// importCaughtUp has the figures include what was imported. A sink that cannot be reached now gets it when it is back.
func (a *App) importCaughtUp(ctx context.Context, progress Progress) error {
	err := a.catchUp(ctx, progress)
	if errors.Is(err, projections.ErrSinkUnavailable) {
		a.log.Warn("imported; the read models will follow when their sink can be reached", "error", err)
		return nil
	}
	return err
}

// importTarget is the store that exists, or what a new one will be like.
func (a *App) importTarget(ctx context.Context, args ImportArgs) (auth.Store, error) {
	if args.NewStore != "" {
		return a.Commands.Preview(args.openStore())
	}
	of, err := a.Commands.Owned(ctx, args.OwnerID, args.StoreID)
	if err != nil {
		return of, err
	}
	if args.Currency != nil && *args.Currency != of.Currency ||
		args.TimeZone != nil && *args.TimeZone != of.Hours.Zone.String() ||
		args.CloseoutHour != nil && *args.CloseoutHour != of.Hours.Closeout {
		return of, errOtherStore
	}
	return of, nil
}

func (i ImportArgs) openStore() commands.OpenStore {
	wanted := commands.OpenStore{
		Name: i.NewStore, PosGrade: i.PosGrade, SettlementDay: i.SettlementDay, TimeZone: i.TimeZone, Currency: i.Currency,
	}
	if i.CloseoutHour != nil {
		wanted.CloseoutHour = *i.CloseoutHour
	}
	return wanted
}
