// Package money holds amounts as integers of minor units, with a currency, checked: nothing wraps around and nothing
// is rounded without a receiver.
//
// Not here: exchange between currencies, floats.
package money

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

var (
	// ErrOverflow: a result would leave the int64 range.
	ErrOverflow = errors.New("amount is too large")
	// ErrCurrency: two currencies in one sum.
	ErrCurrency = errors.New("currencies differ")
	// ErrWeights: an allocation has no weight above 0, or one below.
	ErrWeights = errors.New("there is nobody to allocate to")
	// ErrFormat: a text is not an amount or not a currency.
	ErrFormat = errors.New("not an amount of money")
)

// Currency is an ISO 4217 code that this package knows, for example "KRW". The zero value is no currency.
type Currency string

// digits are the decimal places of each currency's minor unit (ISO 4217, active codes of national currencies with a
// published minor unit).
var digits = func() map[Currency]int {
	known := map[Currency]int{}
	for places, codes := range map[int]string{
		0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
		2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY " +
			"COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR " +
			"ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK " +
			"MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP " +
			"SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW",
		3: "BHD IQD JOD KWD LYD OMR TND",
	} {
		for _, code := range strings.Fields(codes) {
			known[Currency(code)] = places
		}
	}
	return known
}()

// ParseCurrency returns the currency of a code in capital letters, or ErrFormat.
func ParseCurrency(code string) (Currency, error) {
	if _, known := digits[Currency(code)]; !known {
		return "", fmt.Errorf("%w: %.16q is no currency code", ErrFormat, code)
	}
	return Currency(code), nil
}

// Digits is the number of decimal places of the minor unit: 0 for KRW, 2 for USD.
func (c Currency) Digits() int { return digits[c] }

// Unit is what one main unit is in minor units: 1 for KRW, 100 for USD.
func (c Currency) Unit() int64 {
	unit := int64(1)
	for range c.Digits() {
		unit *= 10
	}
	return unit
}

// Money is an amount of one currency, in its minor units: {1325, "USD"} is 13.25 US dollars. It may be negative.
type Money struct {
	Minor    int64
	Currency Currency
}

// Zero is nothing, in a currency.
func Zero(c Currency) Money { return Money{Currency: c} }

// Plus returns m + n. Errors: ErrOverflow, ErrCurrency.
func (m Money) Plus(n Money) (Money, error) {
	if m.Currency != n.Currency {
		return Money{}, fmt.Errorf("%w: %s and %s", ErrCurrency, m.Currency, n.Currency)
	}
	sum, err := Add(m.Minor, n.Minor)
	return Money{sum, m.Currency}, err
}

// Minus returns m - n. Errors: ErrOverflow, ErrCurrency.
func (m Money) Minus(n Money) (Money, error) {
	if _, err := m.Plus(Zero(n.Currency)); err != nil {
		return Money{}, err
	}
	difference := m.Minor - n.Minor
	if (difference < m.Minor) != (n.Minor > 0) {
		return Money{}, ErrOverflow
	}
	return Money{difference, m.Currency}, nil
}

// Times returns m multiplied by a count. Error: ErrOverflow.
func (m Money) Times(count int64) (Money, error) {
	product, err := Multiply(m.Minor, count)
	return Money{product, m.Currency}, err
}

// Rate is a share in parts per million: 4000 is 0.4 %.
type Rate int64

// RateWhole is the rate of everything, 100 %.
const RateWhole Rate = 1_000_000

// Share returns m x rate, for a rate from 0 to RateWhole, without its fraction of a minor unit. What is cut off stays
// with whoever pays the share: with a card fee, the store. The share of -m is that of m, negated, so that what is given
// back whole is what was taken. Error: ErrOverflow for a rate outside that range.
func (m Money) Share(rate Rate) (Money, error) {
	if rate < 0 || rate > RateWhole {
		return Money{}, ErrOverflow
	}
	hi, lo := bits.Mul64(m.abs(), uint64(rate))
	share, _ := bits.Div64(hi, lo, uint64(RateWhole))
	return m.signed(share), nil
}

// Allocate cuts m into one part for each weight, in proportion to the weights. The parts sum up to m exactly: each is
// its share without the fraction of a minor unit, and the units that are left go, one each, to those whose fraction is
// the largest, of equal ones to whoever stands first. The parts of -m are those of m, negated. A weight of 0 gets
// nothing. Errors: ErrWeights; ErrOverflow if the weights' sum leaves the int64 range.
func (m Money) Allocate(weights []int64) ([]Money, error) {
	total, err := sumOfWeights(weights)
	if err != nil {
		return nil, err
	}
	shares, fractions, left := make([]uint64, len(weights)), make([]uint64, len(weights)), m.abs()
	byFraction := make([]int, len(weights))
	for i, weight := range weights {
		hi, lo := bits.Mul64(m.abs(), uint64(weight))
		shares[i], fractions[i] = bits.Div64(hi, lo, total)
		left -= shares[i]
		byFraction[i] = i
	}
	slices.SortStableFunc(byFraction, func(i, j int) int { return cmp.Compare(fractions[j], fractions[i]) })
	for _, i := range byFraction[:left] {
		shares[i]++
	}
	parts := make([]Money, len(weights))
	for i, share := range shares {
		parts[i] = m.signed(share)
	}
	return parts, nil
}

// sumOfWeights is above 0.
func sumOfWeights(weights []int64) (uint64, error) {
	total := int64(0)
	for _, weight := range weights {
		if weight < 0 {
			return 0, ErrWeights
		}
		var err error
		if total, err = Add(total, weight); err != nil {
			return 0, err
		}
	}
	if total == 0 {
		return 0, ErrWeights
	}
	return uint64(total), nil
}

// abs is m without its sign.
func (m Money) abs() uint64 {
	if m.Minor < 0 {
		return -uint64(m.Minor)
	}
	return uint64(m.Minor)
}

// signed is an amount of m's currency, not above m's, with m's sign.
func (m Money) signed(amount uint64) Money {
	if m.Minor < 0 {
		return Money{int64(-amount), m.Currency}
	}
	return Money{int64(amount), m.Currency}
}

// String writes m for people: "13.25 USD", "-500 KRW".
func (m Money) String() string {
	sign := ""
	if m.Minor < 0 {
		sign = "-"
	}
	text, places := strconv.FormatUint(m.abs(), 10), m.Currency.Digits()
	if places > 0 {
		if short := places + 1 - len(text); short > 0 {
			text = strings.Repeat("0", short) + text
		}
		text = text[:len(text)-places] + "." + text[len(text)-places:]
	}
	return sign + text + " " + string(m.Currency)
}

// Parse reads a plain decimal such as "13.25" or "16" as an amount of a currency. It refuses signs, exponents,
// grouping, blanks, and more decimal places than the currency has, zeros included ("13.250" USD). Errors: ErrFormat,
// ErrOverflow.
func Parse(text string, c Currency) (Money, error) {
	whole, fraction, dot := strings.Cut(text, ".")
	places := c.Digits()
	if whole == "" || dot && fraction == "" || len(fraction) > places || strings.Trim(whole+fraction, "0123456789") != "" {
		return Money{}, fmt.Errorf("%w: %.32q in %s", ErrFormat, text, c)
	}
	minor, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", places-len(fraction)), 10, 64)
	if err != nil {
		return Money{}, fmt.Errorf("%w: %.32q", ErrOverflow, text)
	}
	return Money{minor, c}, nil
}

// Add returns a + b, or ErrOverflow.
func Add(a, b int64) (int64, error) {
	sum := a + b
	if (sum > a) != (b > 0) {
		return 0, ErrOverflow
	}
	return sum, nil
}

// Multiply returns a x b, or ErrOverflow.
func Multiply(a, b int64) (int64, error) {
	if a == 0 || b == 0 {
		return 0, nil
	}
	product := a * b
	if product/b != a || a == -1 && b == math.MinInt64 || b == -1 && a == math.MinInt64 {
		return 0, ErrOverflow
	}
	return product, nil
}
