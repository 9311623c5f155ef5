package money_test

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"daybook/domain/money"

	"pgregory.net/rapid"
)

// currencies of every number of decimal places.
var currencies = []money.Currency{"KRW", "JPY", "USD", "EUR", "KWD", "TND"}

func TestStringByHand(t *testing.T) {
	for want, m := range map[string]money.Money{
		"0 KRW":                     money.Zero("KRW"),
		"-500 KRW":                  {Minor: -500, Currency: "KRW"},
		"13.25 USD":                 {Minor: 1325, Currency: "USD"},
		"0.00 USD":                  money.Zero("USD"),
		"0.05 USD":                  {Minor: 5, Currency: "USD"},
		"-0.05 USD":                 {Minor: -5, Currency: "USD"},
		"-0.50 USD":                 {Minor: -50, Currency: "USD"},
		"0.001 KWD":                 {Minor: 1, Currency: "KWD"},
		"1.000 KWD":                 {Minor: 1000, Currency: "KWD"},
		"92233720368547758.07 USD":  {Minor: math.MaxInt64, Currency: "USD"},
		"-92233720368547758.08 USD": {Minor: math.MinInt64, Currency: "USD"},
		"-9223372036854775808 JPY":  {Minor: math.MinInt64, Currency: "JPY"},
		"-9223372036854775.808 TND": {Minor: math.MinInt64, Currency: "TND"},
	} {
		if got := m.String(); got != want {
			t.Errorf("%d %s is written %q, want %q", m.Minor, m.Currency, got, want)
		}
	}
}

func TestParseByHand(t *testing.T) {
	for _, c := range []struct {
		text     string
		currency money.Currency
		minor    int64
		err      error
	}{
		{"13.25", "USD", 1325, nil},
		{"16", "USD", 1600, nil},
		{"18.5", "USD", 1850, nil},
		{"0.05", "USD", 5, nil},
		{"007", "USD", 700, nil},
		{"1.234", "KWD", 1234, nil},
		{"92233720368547758.07", "USD", math.MaxInt64, nil},
		{"9223372036854775807", "KRW", math.MaxInt64, nil},
		{"92233720368547758.08", "USD", 0, money.ErrOverflow},
		{"92233720368547759", "USD", 0, money.ErrOverflow},
		{"9223372036854775808", "KRW", 0, money.ErrOverflow},
		{strings.Repeat("9", 400), "KRW", 0, money.ErrOverflow},
		{"13.250", "USD", 0, money.ErrFormat},
		{"1.0", "KRW", 0, money.ErrFormat},
		{"1.", "USD", 0, money.ErrFormat},
		{".5", "USD", 0, money.ErrFormat},
		{".", "USD", 0, money.ErrFormat},
		{"", "USD", 0, money.ErrFormat},
		{"-1", "USD", 0, money.ErrFormat},
		{"+1", "USD", 0, money.ErrFormat},
		{" 1", "USD", 0, money.ErrFormat},
		{"1 ", "USD", 0, money.ErrFormat},
		{"1,000", "USD", 0, money.ErrFormat},
		{"1_000", "USD", 0, money.ErrFormat},
		{"1e3", "USD", 0, money.ErrFormat},
		{"0x10", "USD", 0, money.ErrFormat},
		{"1.2.3", "USD", 0, money.ErrFormat},
		{"1.-5", "USD", 0, money.ErrFormat},
		{"１", "KRW", 0, money.ErrFormat}, // a digit, but not of ASCII
		{"NaN", "USD", 0, money.ErrFormat},
	} {
		got, err := money.Parse(c.text, c.currency)
		if !errors.Is(err, c.err) || got.Minor != c.minor || err == nil && got.Currency != c.currency {
			t.Errorf("Parse(%.40q, %s) = %v, %v, want %d, %v", c.text, c.currency, got, err, c.minor, c.err)
		}
	}
}

func TestParseReadsWhatStringWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := money.Money{
			Minor:    rapid.OneOf(rapid.Int64Min(0), rapid.Int64Range(0, 2000)).Draw(t, "minor"),
			Currency: rapid.SampledFrom(currencies).Draw(t, "currency"),
		}
		text, code, _ := strings.Cut(want.String(), " ")
		if got, err := money.Parse(text, want.Currency); err != nil || got != want || code != string(want.Currency) {
			t.Fatalf("%s is read as %v, %v", want, got, err)
		}
		negative := money.Money{Minor: -want.Minor, Currency: want.Currency}
		if want.Minor > 0 && negative.String() != "-"+want.String() {
			t.Fatalf("%s and %s", want, negative)
		}
	})
}

// decimal is what Parse takes, by other means than Parse.
var decimal = regexp.MustCompile(`^([0-9]+)(?:\.([0-9]+))?$`)

// parsed says what Parse must return, computed with unbounded numbers.
func parsed(text string, c money.Currency) (minor int64, err error) {
	parts := decimal.FindStringSubmatch(text)
	if parts == nil || len(parts[2]) > c.Digits() {
		return 0, money.ErrFormat
	}
	amount, _ := new(big.Rat).SetString(text)
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.Digits())), nil)
	amount.Mul(amount, new(big.Rat).SetInt(scale))
	if !amount.Num().IsInt64() {
		return 0, money.ErrOverflow
	}
	return amount.Num().Int64(), nil
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"0", "13.25", "16", "18.5", "13.250", "-1", "+1", "1e3", "1,000", ".5", "1.", "", " 1", "0x1", "1_0", "٣", "1.2.3",
		"92233720368547758.07", "92233720368547758.08", "9223372036854775807", "9223372036854775808", "\xff", "Inf",
		"000000000000000000000000000001",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range currencies {
			got, err := money.Parse(text, c)
			minor, wantErr := parsed(text, c)
			if got.Minor != minor || !errors.Is(err, wantErr) || err == nil && got.Currency != c {
				t.Errorf("Parse(%q, %s) = %v, %v, want %d, %v", text, c, got, err, minor, wantErr)
			}
		}
	})
}

func TestCurrencies(t *testing.T) {
	for code, digits := range map[string]int{
		"KRW": 0, "JPY": 0, "VND": 0, "ISK": 0, "USD": 2, "EUR": 2, "GBP": 2, "HUF": 2, "KWD": 3, "BHD": 3, "TND": 3,
	} {
		c, err := money.ParseCurrency(code)
		if err != nil || string(c) != code || c.Digits() != digits {
			t.Errorf("ParseCurrency(%s) = %q, %v with %d digits, want %d", code, c, err, c.Digits(), digits)
		}
	}
	for _, code := range []string{"", "krw", "KR", "KRW ", "WON", "XXX", "XTS", "DEM", "₩"} {
		if c, err := money.ParseCurrency(code); !errors.Is(err, money.ErrFormat) || c != "" {
			t.Errorf("ParseCurrency(%q) = %q, %v, want ErrFormat", code, c, err)
		}
	}
}
