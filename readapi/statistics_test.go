package readapi

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daybook/projections"
)

// However many products there are and in whatever order they come, a ranking has those that sorting all would put first.
func TestRanking(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		products := make([]projections.ProductFigures, random.IntN(60))
		for i := range products { // few different figures and names, so that many are equal
			products[i] = projections.ProductFigures{
				ProductID: fmt.Sprint(i), Category: fmt.Sprint(random.IntN(3)), Name: fmt.Sprint(random.IntN(4)),
				Quantity: random.Int64N(5), Amount: random.Int64N(5) - 2,
			}
		}
		r := ranking{measure: productAmount, limit: 1 + random.IntN(70)}
		want := make([]*projections.ProductFigures, len(products))
		for i := range products {
			want[i] = &products[i]
			r.add(&products[i])
		}
		slices.SortFunc(want, r.compare)
		want = want[:min(r.limit, len(want))]
		if diff := cmp.Diff(want, append([]*projections.ProductFigures{}, r.sorted()...)); diff != "" {
			t.Fatalf("%d of %d (-want +got)\n%s", r.limit, len(products), diff)
		}
	}
}
