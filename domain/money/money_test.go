package money_test

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"daybook/domain/money"

	"pgregory.net/rapid"
)

// edges are the numbers around which int64 arithmetic goes wrong.
var edges = []int64{
	math.MinInt64, math.MinInt64 + 1, math.MinInt64 / 2, -math.MaxUint32, math.MinInt32, -2, -1, 0, 1, 2,
	math.MaxInt32, math.MaxUint32, 3037000499, 3037000500, math.MaxInt64 / 2, math.MaxInt64/2 + 1, math.MaxInt64 - 1,
	math.MaxInt64,
}

// number draws an int64, often one near an edge.
var number = rapid.OneOf(
	rapid.Int64(),
	rapid.Int64Range(-1_000_000, 1_000_000),
	rapid.Custom(func(t *rapid.T) int64 {
		return rapid.SampledFrom(edges).Draw(t, "edge") + rapid.Int64Range(-3, 3).Draw(t, "off") // may wrap: still a number
	}),
)

// exact checks a result against the one of unbounded arithmetic: equal if it fits, else ErrOverflow.
func exact(t interface {
	Helper()
	Errorf(string, ...any)
}, what string, got int64, err error, want *big.Int) {
	t.Helper()
	switch {
	case want.IsInt64() && (err != nil || got != want.Int64()):
		t.Errorf("%s = %d, %v, want %s", what, got, err, want)
	case !want.IsInt64() && !errors.Is(err, money.ErrOverflow):
		t.Errorf("%s = %d, %v, want ErrOverflow: it is %s", what, got, err, want)
	}
}

func TestAddAndMultiplyAtTheEdges(t *testing.T) {
	for _, a := range edges {
		for _, b := range edges {
			checkPair(t, a, b)
		}
	}
}

func TestAddAndMultiplyAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkPair(t, number.Draw(t, "a"), number.Draw(t, "b")) })
}

func checkPair(t interface {
	Helper()
	Errorf(string, ...any)
}, a, b int64) {
	t.Helper()
	bigA, bigB := big.NewInt(a), big.NewInt(b)
	sum, err := money.Add(a, b)
	exact(t, "Add", sum, err, new(big.Int).Add(bigA, bigB))
	product, err := money.Multiply(a, b)
	exact(t, "Multiply", product, err, new(big.Int).Mul(bigA, bigB))

	m, n := money.Money{Minor: a, Currency: "USD"}, money.Money{Minor: b, Currency: "USD"}
	plus, err := m.Plus(n)
	exact(t, "Plus", plus.Minor, err, new(big.Int).Add(bigA, bigB))
	minus, err := m.Minus(n)
	exact(t, "Minus", minus.Minor, err, new(big.Int).Sub(bigA, bigB))
	times, err := m.Times(b)
	exact(t, "Times", times.Minor, err, new(big.Int).Mul(bigA, bigB))
}

func TestSumsKeepTheirCurrency(t *testing.T) {
	won := money.Money{Minor: 2, Currency: "KRW"}
	want := money.Money{Minor: 4, Currency: "KRW"}
	if got, err := won.Plus(won); got != want || err != nil {
		t.Errorf("Plus = %v, %v, want %v", got, err, want)
	}
	if got, err := won.Times(2); got != want || err != nil {
		t.Errorf("Times = %v, %v, want %v", got, err, want)
	}
	if got, err := won.Minus(money.Zero("KRW")); got != won || err != nil {
		t.Errorf("Minus = %v, %v, want %v", got, err, won)
	}
	for _, dollars := range []int64{2, math.MinInt64} {
		other := money.Money{Minor: dollars, Currency: "USD"}
		if _, err := won.Plus(other); !errors.Is(err, money.ErrCurrency) {
			t.Errorf("%v + %v: %v, want ErrCurrency", won, other, err)
		}
		if _, err := won.Minus(other); !errors.Is(err, money.ErrCurrency) {
			t.Errorf("%v - %v: %v, want ErrCurrency", won, other, err)
		}
	}
}

func TestShareIsCutOffAndNeverAboveTheAmount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := money.Money{Minor: rapid.OneOf(number, rapid.Int64Range(-1000, 1000)).Draw(t, "amount"), Currency: "KRW"}
		rate := money.Rate(rapid.OneOf(
			rapid.Int64Range(0, int64(money.RateWhole)),
			rapid.SampledFrom([]int64{-1, 0, 1, 4000, 6000, 8000, 999_999, 1_000_000, 1_000_001}),
			number,
		).Draw(t, "rate"))
		share, err := m.Share(rate)
		if rate < 0 || rate > money.RateWhole {
			if !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("share %d ppm of %v: %v, want ErrOverflow", rate, m, err)
			}
			return
		}
		want := new(big.Int).Mul(big.NewInt(m.Minor), big.NewInt(int64(rate)))
		want.Quo(want, big.NewInt(1_000_000)) // towards zero
		exact(t, "Share", share.Minor, err, want)
		if share.Currency != m.Currency {
			t.Fatalf("share %v of %v", share, m)
		}
	})
}

// What is given back in parts never comes to more than was taken, and given back whole it is what was taken.
func TestShareOfWhatIsGivenBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := money.Money{Minor: rapid.Int64Range(0, math.MaxInt64).Draw(t, "amount"), Currency: "KRW"}
		rate := money.Rate(rapid.Int64Range(0, int64(money.RateWhole)).Draw(t, "rate"))
		taken, err := m.Share(rate)
		back, errBack := money.Money{Minor: -m.Minor, Currency: "KRW"}.Share(rate)
		if err != nil || errBack != nil || taken.Minor+back.Minor != 0 {
			t.Fatalf("%d ppm of %v: %v, %v, given back %v, %v", rate, m, taken, err, back, errBack)
		}
	})
}

func TestAllocate(t *testing.T) {
	weight := rapid.OneOf(rapid.Int64Range(0, 10), rapid.Int64Range(0, 1e15), rapid.Just(int64(math.MaxInt64/8)))
	rapid.Check(t, func(t *rapid.T) {
		m := money.Money{Minor: rapid.OneOf(number, rapid.Int64Range(-100, 100)).Draw(t, "amount"), Currency: "KRW"}
		weights := rapid.SliceOfN(weight, 1, 40).Draw(t, "weights")
		parts, err := m.Allocate(weights)
		total := new(big.Int)
		for _, w := range weights {
			total.Add(total, big.NewInt(w))
		}
		if total.Sign() == 0 || !total.IsInt64() {
			if want := map[bool]error{true: money.ErrWeights, false: money.ErrOverflow}[total.Sign() == 0]; !errors.Is(err, want) {
				t.Fatalf("%v by %v: %v, want %v", m, weights, err, want)
			}
			return
		}
		if err != nil || len(parts) != len(weights) {
			t.Fatalf("%v by %v: %v, %v", m, weights, parts, err)
		}
		sum, want := new(big.Int), allocated(m.Minor, weights, total)
		for i, part := range parts {
			if sum.Add(sum, big.NewInt(part.Minor)); part.Minor != want[i] || part.Currency != m.Currency {
				t.Fatalf("%v by %v: %v, want %v", m, weights, parts, want)
			}
		}
		exact(t, "the sum of the parts", m.Minor, nil, sum)
	})
}

// allocated is what Allocate promises, unit by unit: each unit that is left goes to the largest fraction that has none yet,
// of equal ones to the first.
func allocated(amount int64, weights []int64, total *big.Int) []int64 {
	parts, fractions := make([]int64, len(weights)), make([]*big.Int, len(weights))
	sum := new(big.Int)
	for i, w := range weights {
		product := new(big.Int).Mul(big.NewInt(amount), big.NewInt(w))
		quotient, rest := new(big.Int).QuoRem(product, total, new(big.Int))
		parts[i], fractions[i] = quotient.Int64(), rest.Abs(rest)
		sum.Add(sum, quotient)
	}
	left := new(big.Int).Sub(big.NewInt(amount), sum)
	for range new(big.Int).Abs(left).Int64() {
		best := 0
		for i := range fractions {
			if fractions[i].Cmp(fractions[best]) > 0 {
				best = i
			}
		}
		parts[best] += int64(left.Sign())
		fractions[best] = big.NewInt(-1)
	}
	return parts
}

func TestAllocateByHand(t *testing.T) {
	for _, c := range []struct {
		amount  int64
		weights []int64
		want    []int64
	}{
		{100, []int64{1, 1, 1}, []int64{34, 33, 33}},
		{-100, []int64{1, 1, 1}, []int64{-34, -33, -33}},
		{101, []int64{1, 1, 1}, []int64{34, 34, 33}},
		{10, []int64{1, 2, 3}, []int64{2, 3, 5}}, // 1.67, 3.33, 5
		{1, []int64{0, 3, 3}, []int64{0, 1, 0}},
		{0, []int64{1, 2}, []int64{0, 0}},
		{7, []int64{5}, []int64{7}},
		{math.MinInt64, []int64{1}, []int64{math.MinInt64}},
		{math.MaxInt64, []int64{1, 1}, []int64{math.MaxInt64/2 + 1, math.MaxInt64 / 2}},
	} {
		parts, err := money.Money{Minor: c.amount, Currency: "KRW"}.Allocate(c.weights)
		got := make([]int64, len(parts))
		for i, part := range parts {
			got[i] = part.Minor
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%d by %v: %v, %v, want %v", c.amount, c.weights, got, err, c.want)
		}
	}
	for _, weights := range [][]int64{nil, {}, {0}, {0, 0}, {2, -1}} {
		if parts, err := (money.Money{Minor: 1, Currency: "KRW"}).Allocate(weights); !errors.Is(err, money.ErrWeights) {
			t.Errorf("by %v: %v, %v", weights, parts, err)
		}
	}
}

func TestShareByHand(t *testing.T) {
	for _, c := range []struct {
		amount int64
		rate   money.Rate
		share  int64
	}{
		{3900, 6000, 23}, // 23.4
		{249, 4000, 0},   // 0.996
		{250, 4000, 1},
		{124, 8000, 0}, // 0.992
		{125, 8000, 1},
		{0, 1_000_000, 0},
		{-3900, 6000, -23},
		{-249, 4000, 0},
		{math.MaxInt64, 1_000_000, math.MaxInt64},
		{math.MinInt64, 1_000_000, math.MinInt64},
		{math.MaxInt64, 1, 9_223_372_036_854},
	} {
		got, err := money.Money{Minor: c.amount, Currency: "KRW"}.Share(c.rate)
		if err != nil || got != (money.Money{Minor: c.share, Currency: "KRW"}) {
			t.Errorf("%d ppm of %d = %v, %v, want %d", c.rate, c.amount, got, err, c.share)
		}
	}
}
