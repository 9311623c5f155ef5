package app

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestImportTellsHowFarItIs: each step of an import counts up to a total that is known from the beginning, where the length
// of the file is, and that is reached at the end only.
func TestImportTellsHowFarItIs(t *testing.T) {
	const orders = 3000
	var file strings.Builder
	file.WriteString("order_id,ordered_at,product_code,product_name,category,quantity,unit_price\n")
	for n := range 2 * orders {
		fmt.Fprintf(&file, "%d,2024-01-01T12:00:00,c,Soup,Food,1,5\n", n/2)
	}
	size := uint64(file.Len())
	type step struct{ first, last, total uint64 }
	steps := map[string]*step{}
	config := Config{Data: t.TempDir(), LocalSignIn: true, Log: slog.New(slog.DiscardHandler)}
	args := ImportArgs{OwnerID: "o1", NewStore: "Past", Size: size}
	_, err := Perform(t.Context(), config, ImportSales, args, strings.NewReader(file.String()), func(label string, done, total uint64) {
		s, met := steps[label]
		if !met {
			s = &step{done, done, total}
			steps[label] = s
		}
		if total != s.total || done < s.last && label != "importing" { // many goroutines tell of that
			t.Errorf("%s: %d of %d after %d of %d", label, done, total, s.last, s.total)
		}
		s.last = max(s.last, done)
	})
	if err != nil {
		t.Fatal(err)
	}
	for label, total := range map[string]uint64{"reading": size, "sorting": 2 * orders, "checking": orders, "importing": orders} {
		s := steps[label]
		if s == nil {
			t.Errorf("%s was not told", label)
			continue
		}
		if s.total != total || s.last != total || s.first >= total {
			t.Errorf("%s: from %d to %d of %d, want to %d", label, s.first, s.last, s.total, total)
		}
	}
}
