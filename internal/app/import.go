package app

import (
	"context"
	"errors"
	"io"

	"daybook/commands"
	"daybook/domain/imports"
	"daybook/domain/money"
	"daybook/domain/tab"
	"daybook/eventstore"
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
	PosGrade      *string `json:"posGrade"`
	SettlementDay *int    `json:"settlementDay"`
	// How the sales were paid. "": as in the first run of the same import, if that broke off, and otherwise in cash.
	Method      string `json:"method"`
	CardCompany string `json:"cardCompany"`
	Size        uint64 `json:"size"` // of the file in bytes, for progress; 0: not known
}

var errWhichStore = errors.New("name either a store (--store) or a new one (--new-store)")

// ImportSales adds the sales of a CSV file to a store: all of them, or, if anything in the file is wrong, none, and then no
// store is opened either. Result: commands.Imported.
var ImportSales = operation("import-sales", func(ctx context.Context, a *App, args ImportArgs, file io.Reader, progress Progress) (any, error) {
	if (args.StoreID == "") == (args.NewStore == "") {
		return nil, errWhichStore
	}
	if file == nil {
		return nil, errors.New("no file was sent")
	}
	if err := a.importing.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer a.importing.Release(1)
	imported, err := a.importSales(ctx, args, file, progress)
	if err != nil {
		return nil, err
	}
	return imported, a.importCaughtUp(ctx, progress)
})

func (a *App) importSales(ctx context.Context, args ImportArgs, in io.Reader, progress Progress) (imported commands.Imported, err error) {
	of, open, err := a.importTarget(ctx, args)
	if err != nil {
		return imported, err
	}
	var faults commands.Faults
	options := salescsv.Options{Dir: string(a.Dir), Currency: money.Currency(of.Currency), Hours: of.Hours}
	counted := &countedReader{Reader: in}
	file, err := salescsv.Read(counted, options, &faults, func(read, sorted int) {
		if sorted > 0 {
			progress("sorting", uint64(sorted), uint64(read))
			return
		}
		progress("reading", counted.bytes, args.Size)
	})
	if err != nil {
		return imported, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	tender := commands.Tender{Method: tab.Method(args.Method), CardCompany: args.CardCompany}
	if tender.Method == "" && tender.CardCompany != "" {
		return imported, tab.ErrCardCompany.With("--card-company %s needs --payment-method CARD", tender.CardCompany)
	}
	checked, err := a.Commands.CheckSales(ctx, of, file.Sales(), tender, &faults, func(done int) {
		progress("checking", uint64(done), uint64(file.Orders()))
	})
	if err := errors.Join(err, faults.Err()); err != nil {
		return imported, err
	}
	if err := open(ctx); err != nil { // everything was checked
		return imported, err
	}
	return checked.Run(ctx, func(done, total int) { progress("importing", uint64(done), uint64(total)) })
}

// countedReader counts what is read.
type countedReader struct {
	io.Reader
	bytes uint64
}

func (c *countedReader) Read(p []byte) (n int, err error) {
	n, err = c.Reader.Read(p)
	c.bytes += uint64(n) //nolint:gosec // readers return no less than 0
	return n, err
}

// importCaughtUp has the figures include what was imported. A sink that cannot be reached now gets it when it is back.
func (a *App) importCaughtUp(ctx context.Context, progress Progress) error {
	err := a.catchUp(ctx, progress)
	if errors.Is(err, projections.ErrSinkUnavailable) {
		a.log.Warn("imported; the read models will follow when their sink can be reached", "error", err)
		return nil
	}
	return err
}

// importTarget is the store that exists, or what a new one will be like, and how it is opened.
func (a *App) importTarget(ctx context.Context, args ImportArgs) (of auth.Store, open func(context.Context) error, err error) {
	wishes := commands.StoreWishes{
		PosGrade: args.PosGrade, SettlementDay: args.SettlementDay, TimeZone: args.TimeZone, Currency: args.Currency,
		CloseoutHour: args.CloseoutHour,
	}
	if args.NewStore != "" {
		return a.Commands.ImportToNew(ctx, args.OwnerID, args.NewStore, wishes)
	}
	of, err = a.Commands.ImportTo(ctx, args.OwnerID, args.StoreID, wishes)
	return of, func(context.Context) error { return nil }, err
}

// ImportsArgs say which imports to list.
type ImportsArgs struct {
	StoreID string `json:"storeId"` // "": of all stores
}

// ImportStatus is an import and how far it came.
type ImportStatus struct {
	imports.Began
	Ended bool `json:"ended"` // false: it broke off, or goes on now
}

// ListImports lists imports, those that were begun first first. Result: []ImportStatus.
var ListImports = operation("list-imports", func(ctx context.Context, a *App, args ImportsArgs, _ io.Reader, _ Progress) (any, error) {
	return listImports(ctx, a.Store, args.StoreID)
})

func listImports(ctx context.Context, log eventstore.Store, storeID string) ([]ImportStatus, error) {
	states, err := commands.Imports(ctx, log, storeID)
	list := make([]ImportStatus, len(states))
	for i, s := range states {
		list[i] = ImportStatus{s.Began, s.Ended}
	}
	return list, err
}
