package main

import (
	"strings"
	"testing"
	"time"
)

// TestProgressLines: of works that go on side by side each is told when it begins, every two seconds, and once when it is
// done; a total that nobody knows is not told.
func TestProgressLines(t *testing.T) {
	var out strings.Builder
	now := time.Unix(1000, 0)
	tell := progressLines(&out, func() time.Time { return now })
	for n := uint64(1); n <= 9; n++ {
		tell("tabs", n, 10)
		tell("counters", n, 9)
		tell("reading", n, 0)
		now = now.Add(500 * time.Millisecond)
	}
	tell("counters", 9, 9)
	tell("tabs", 10, 10)
	want := `tabs: 1 of 10
counters: 1 of 9
reading: 1
tabs: 6 of 10
counters: 6 of 9
reading: 6
counters: 9 of 9
tabs: 10 of 10
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
