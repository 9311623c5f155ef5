// Package name says what may be the name of a thing in a restaurant.
package name

import (
	"unicode"
	"unicode/utf8"
)

// Valid reports whether a name has 1 to max characters, is not only blanks, and holds no control characters.
func Valid(name string, max int) bool {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > max {
		return false
	}
	blank := true
	for _, r := range name {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return false
		}
		blank = blank && unicode.IsSpace(r)
	}
	return !blank
}
