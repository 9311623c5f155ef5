package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"daybook/domain/money"
	"daybook/internal/app"
)

type importCmd struct {
	Sales importSalesCmd `cmd:"" help:"Import historical sales from CSV as closed tabs, each at its own local time. A second run adds nothing."`
	List  importListCmd  `cmd:"" help:"List imports, and which of them are unfinished."`
}

type importSalesCmd struct {
	storage
	File          string  `arg:"" help:"CSV with the columns order_id, ordered_at, product_code, product_name, category, quantity, unit_price, in any order; '-' for standard input."`
	Store         string  `help:"Store to import into." placeholder:"ID" xor:"store" required:""`
	NewStore      string  `help:"Name of a store to open for the import; the same owner and name give the same store again." placeholder:"NAME" xor:"store" required:""`
	Owner         string  `required:"" help:"The owner's name, as for 'daybook token owner'." placeholder:"NAME"`
	Currency      *string `help:"Currency of a new store. Default: KRW." placeholder:"C"`
	TimeZone      *string `help:"Time zone of a new store. Default: Asia/Seoul." placeholder:"Z"`
	CloseoutHour  *int    `help:"Close-out hour of a new store, 0 to 11. Default: 0." placeholder:"H"`
	PosGrade      *string `help:"Grade of a new store: BRONZE, SILVER or GOLD. Default: BRONZE." placeholder:"GRADE"`
	SettlementDay *int    `help:"Settlement day of a new store: 1, 5, 10, 15, 20 or 25. Default: 1." placeholder:"DAY"`
	PaymentMethod string  `default:"" enum:",CASH,CARD" help:"How the sales were paid: CASH or CARD. Default: CASH, or what an unfinished import of the file was begun with." placeholder:"METHOD"`
	CardCompany   string  `help:"Card company, with CARD: K, H or S." placeholder:"X"`
}

// importGCPercent keeps the memory of an import small. It waits for the disk mostly, so collecting garbage more often costs
// it little.
const importGCPercent = 60

// importCacheBytes is what all caches may hold while the program does an import itself: half of what a server has. What
// an import writes it reads once, to count it.
const importCacheBytes = 160 << 20

func (c *importSalesCmd) Run(p *program) error {
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(importGCPercent))
	}
	config := c.config(p.log)
	config.CacheBytes = importCacheBytes
	if !config.LocalSignIn {
		return errNoLocalSignIn
	}
	dir, err := app.OpenDataDir(c.Data)
	if err != nil {
		return err
	}
	ownerID, err := dir.Profiles().OwnerID(c.Owner)
	if err != nil {
		return err
	}
	file := os.Stdin
	if c.File != "-" {
		if file, err = os.Open(c.File); err != nil {
			return err
		}
		defer file.Close()
	}
	result, err := p.perform(config, app.ImportSales, app.ImportArgs{
		OwnerID: ownerID, StoreID: c.Store, NewStore: c.NewStore, Currency: c.Currency, TimeZone: c.TimeZone,
		CloseoutHour: c.CloseoutHour, PosGrade: c.PosGrade, SettlementDay: c.SettlementDay,
		Method: c.PaymentMethod, CardCompany: c.CardCompany, Size: sizeOf(file),
	}, file)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out, string(result))
	return nil
}

// sizeOf is the length of a file, 0 if that is not known, as of a pipe.
func sizeOf(file *os.File) uint64 {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return uint64(info.Size()) //nolint:gosec // sizes are not negative
}

type importListCmd struct {
	storage
	Store string `help:"List imports into this store only." placeholder:"ID"`
}

func (c *importListCmd) Run(p *program) error {
	raw, err := p.perform(c.config(p.log), app.ListImports, app.ImportsArgs{StoreID: c.Store}, nil)
	if err != nil {
		return err
	}
	var list []app.ImportStatus
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	for _, i := range list {
		state := "ended"
		if !i.Ended {
			state = "UNFINISHED"
		}
		fmt.Fprintf(p.out, "%s\tstore %s\t%s\t%d orders\t%s\t%s\n", i.BatchID, i.StoreID, i.At.Format(time.RFC3339), i.Orders, amountOf(i), state)
	}
	for _, i := range list {
		if !i.Ended {
			fmt.Fprintln(p.err, unfinished(i))
		}
	}
	return nil
}

func amountOf(i app.ImportStatus) money.Money {
	return money.Money{Minor: i.Amount, Currency: i.Currency}
}

// unfinished says what to do about an import that was not ended.
func unfinished(i app.ImportStatus) string {
	return fmt.Sprintf("%s of %d orders into store %s, begun %s, is unfinished: if it does not go on now, run the same command again",
		i.BatchID, i.Orders, i.StoreID, i.At.Format(time.RFC3339))
}
