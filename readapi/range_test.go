package readapi

import (
	"context"
	"encoding/json"
	"net/url"
	"testing"

	"daybook/domain/calendar"
	"daybook/eventstore"
	"daybook/internal/auth"
	"daybook/projections"
)

// ledger is counters that notes how it was asked. What is not expected panics.
type ledger struct {
	PeriodReader
	asked []int // how many partitions each call named
}

func (l *ledger) GetEach(
	_ context.Context, _ eventstore.Position, partitions []string, _ ...string,
) ([]map[string]projections.Value, error) {
	l.asked = append(l.asked, len(partitions))
	values := make([]map[string]projections.Value, len(partitions))
	for i, partition := range partitions {
		if partition == "s1|DAY|2024-12-02" {
			values[i] = map[string]projections.Value{
				projections.CountGross: {Counter: 500}, projections.CountTabs: {Counter: 2}, projections.CountItems: {Counter: 3},
			}
		}
	}
	return values, nil
}

// TestARangeOfPeriodsIsReadInOneGo: however many days are asked for, all are read together, as of one position.
func TestARangeOfPeriodsIsReadInOneGo(t *testing.T) {
	for _, c := range []struct {
		from, to string
		rows     int
	}{{"2024-12-01", "2024-12-02", 1}, {"2024-12-01", "2024-12-04", 3}, {"2024-12-01", "2028-03-15", periodsMax}} {
		counters := &ledger{}
		asked := url.Values{"term": {"DAY"}, "from": {c.from}, "to": {c.to}}
		body, err := (&API{Counters: counters}).salesStatistics(query{
			ctx: t.Context(), value: asked.Get, store: auth.Store{StoreID: "s1", Currency: "KRW", SettlementDay: 5},
		})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Items []periodSales }
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Items) != c.rows || len(counters.asked) != 1 || counters.asked[0] != c.rows {
			t.Errorf("%s to %s: %d rows, read in calls of %d", c.from, c.to, len(answer.Items), counters.asked)
		}
		for i, row := range answer.Items {
			day := calendar.MustParse(c.from) + calendar.Date(i)
			want := periodSales{Start: day, End: day + 1}
			if i == 1 {
				want.GrossSales, want.NetSales, want.Tabs, want.SaleCount = 500, 500, 2, 3
			}
			if row != want {
				t.Errorf("%s to %s: row %d is %+v, want %+v", c.from, c.to, i, row, want)
			}
		}
	}
}
