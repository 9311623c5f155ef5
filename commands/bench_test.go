package commands_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"daybook/commands"
	"daybook/domain/store"
	embeddedlog "daybook/eventstore/embedded"
	"daybook/internal/auth"
)

// BenchmarkOrders places orders of three lines from 64 tablets, each on a table of its own, and pays each tab, on disk
// with fsync: two commands an operation.
func BenchmarkOrders(b *testing.B) {
	log, err := embeddedlog.Open(embeddedlog.Options{Dir: b.TempDir(), Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	secret := auth.Secret("a secret of thirty-two bytes.....")
	s := commands.New(log, secret, time.Now)
	s.Alone()
	ctx := context.Background()
	request := func(storeID, key string) commands.Request {
		return must(commands.NewRequest(secret, "scope", key, "bench", storeID, "", "route", nil))
	}
	id := request("", "store")
	must(s.OpenStore(ctx, "o1", id, commands.OpenStore{Name: "Bench", PosGrade: string(store.Gold), SettlementDay: 1}))
	of := must(s.Owned(ctx, "o1", commands.NewID(id, "s")))
	var lines []commands.OrderLine
	for n := range 3 {
		price, req := int64(100*(n+1)), request(of.StoreID, fmt.Sprint("product", n))
		must(s.AddProduct(ctx, of, req, commands.AddProduct{Name: "Dish", Category: "MAIN_MENU", Price: &price}))
		lines = append(lines, commands.OrderLine{ProductID: commands.NewID(req, "p"), Quantity: 2})
	}
	var tables, orders atomic.Int64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		device := auth.Device{Store: of, DeviceID: "d", TableID: fmt.Sprint("t", tables.Add(1))}
		for n := 1; pb.Next(); n++ {
			k := orders.Add(1)
			must(s.PlaceOrder(ctx, device, request(of.StoreID, fmt.Sprint("o", k)), commands.PlaceOrder{Lines: lines}))
			must(s.TakePayment(ctx, of, fmt.Sprintf("%s.%d", device.TableID, n), request(of.StoreID, fmt.Sprint("y", k)), commands.TakePayment{Method: "CASH"}))
		}
	})
	b.ReportMetric(float64(orders.Load())/b.Elapsed().Seconds(), "orders/s")
}
