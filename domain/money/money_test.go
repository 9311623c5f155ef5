package money_test

import (
	"errors"
	"math"
	"math/big"
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

func TestShareIsTheFloorAndNeverAboveTheAmount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := money.Money{Minor: rapid.OneOf(number, rapid.Int64Min(0), rapid.Int64Range(-1, 1000)).Draw(t, "amount"), Currency: "KRW"}
		rate := money.Rate(rapid.OneOf(
			rapid.Int64Range(0, int64(money.RateWhole)),
			rapid.SampledFrom([]int64{-1, 0, 1, 4000, 6000, 8000, 999_999, 1_000_000, 1_000_001}),
			number,
		).Draw(t, "rate"))
		share, err := m.Share(rate)
		if m.Minor < 0 || rate < 0 || rate > money.RateWhole {
			if !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("share %d ppm of %v: %v, want ErrOverflow", rate, m, err)
			}
			return
		}
		want := new(big.Int).Mul(big.NewInt(m.Minor), big.NewInt(int64(rate)))
		want.Div(want, big.NewInt(1_000_000))
		exact(t, "Share", share.Minor, err, want)
		if share.Minor > m.Minor || share.Currency != m.Currency {
			t.Fatalf("share %v of %v", share, m)
		}
	})
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
		{math.MaxInt64, 1_000_000, math.MaxInt64},
		{math.MaxInt64, 1, 9_223_372_036_854},
	} {
		got, err := money.Money{Minor: c.amount, Currency: "KRW"}.Share(c.rate)
		if err != nil || got != (money.Money{Minor: c.share, Currency: "KRW"}) {
			t.Errorf("%d ppm of %d = %v, %v, want %d", c.rate, c.amount, got, err, c.share)
		}
	}
}
