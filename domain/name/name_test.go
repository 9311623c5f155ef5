package name_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"daybook/domain/name"
)

func TestNamesByHand(t *testing.T) {
	for _, c := range []struct {
		name  string
		max   int
		valid bool
	}{
		{"Latte", 20, true},
		{"아메리카노", 5, true}, // five characters, fifteen bytes
		{"아메리카노", 4, false},
		{"a", 1, true},
		{"ab", 1, false},
		{strings.Repeat("가", 100), 100, true},
		{strings.Repeat("가", 101), 100, false},
		{" a ", 3, true},
		{"Table 1\u3000(창가)", 20, true},
		{"☕", 1, true},
		{"", 20, false},
		{"a", 0, false},
		{" ", 20, false},
		{"    ", 20, false},
		{"\u00a0", 20, false},       // no-break space
		{"\u3000\u3000", 20, false}, // the wide blank of East Asian keyboards
		{" \u2003\u3000", 20, false},
		{"a\tb", 20, false},
		{"a\nb", 20, false},
		{"a\x00b", 20, false},
		{"a\x1bb", 20, false},
		{"a\x7fb", 20, false},
		{"a\u0080b", 20, false},
		{"a\u0085b", 20, false},
		{"a\u009fb", 20, false},
		{"a\u00a0b", 20, true},
		{"a\xffb", 20, false}, // not UTF-8
		{"\xed\xa0\x80", 20, false},
		{"a\ufffdb", 20, true}, // the replacement character itself is one
	} {
		if got := name.Valid(c.name, c.max); got != c.valid {
			t.Errorf("Valid(%q, %d) = %v, want %v", c.name, c.max, got, c.valid)
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, text := range []string{
		"Latte", "아메리카노", "", " ", "\u3000", "a\x00", "a\u0085", "\xff", "\xed\xa0\x80", "a\u2028b", "☕", "\ufffd", " a",
	} {
		f.Add(text, 20)
		f.Add(text, 0)
		f.Add(text, -1)
	}
	f.Fuzz(func(t *testing.T, text string, max int) {
		runes := []rune(text)
		want := len(runes) <= max && utf8.ValidString(text) &&
			strings.TrimFunc(text, unicode.IsSpace) != "" && strings.IndexFunc(text, unicode.IsControl) < 0
		if got := name.Valid(text, max); got != want {
			t.Errorf("Valid(%q, %d) = %v, want %v", text, max, got, want)
		}
	})
}
