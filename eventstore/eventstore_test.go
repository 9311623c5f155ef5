package eventstore_test

import (
	"cmp"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"daybook/eventstore"
)

func TestPositionReadsWhatItWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := eventstore.Position{Commit: rapid.Uint64().Draw(t, "commit"), Prepare: rapid.Uint64().Draw(t, "prepare")}
		if rapid.Bool().Draw(t, "equal") {
			p.Prepare = p.Commit
		}
		if got, err := eventstore.ParsePosition(p.String()); err != nil || got != p {
			t.Fatalf("%v: got %v, %v", p, got, err)
		}
	})
}

func TestParsePositionRefuses(t *testing.T) {
	for _, s := range []string{"", "-1", "+1", "01", "1.", ".1", "1.1", "1.2.3", " 1", "1 ", "1e3", "18446744073709551616", "0x1", "1.02"} {
		if p, err := eventstore.ParsePosition(s); !errors.Is(err, eventstore.ErrInvalid) {
			t.Errorf("%q: got %v, %v", s, p, err)
		}
	}
}

func TestPositionOrder(t *testing.T) {
	ordered := []eventstore.Position{{}, {Commit: 0, Prepare: 1}, {Commit: 1, Prepare: 0}, {Commit: 1, Prepare: 1}, {Commit: 2, Prepare: 0}}
	for i, p := range ordered {
		for j, q := range ordered {
			if got := p.Compare(q); got != cmp.Compare(i, j) || p.Before(q) != (i < j) {
				t.Errorf("%v and %v: %d", p, q, got)
			}
		}
		if p.IsZero() != (i == 0) {
			t.Errorf("%v is zero: %v", p, p.IsZero())
		}
	}
}

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		filter      eventstore.Filter
		stream, typ string
		want        bool
	}{
		{eventstore.Filter{}, "tab-a-1", "x", true},
		{eventstore.Filter{Prefixes: []string{"tab-a-"}}, "tab-a-1", "x", true},
		{eventstore.Filter{Prefixes: []string{"tab-a-"}}, "tab-a1-1", "x", false},
		{eventstore.Filter{Prefixes: []string{"tab-a"}}, "tab-a1-1", "x", true},
		{eventstore.Filter{Prefixes: []string{"store-", "tab-"}}, "tab-a-1", "x", true},
		{eventstore.Filter{Types: []string{"x"}}, "tab-a-1", "x", true},
		{eventstore.Filter{Types: []string{"x"}}, "tab-a-1", "xy", false},
		{eventstore.Filter{Prefixes: []string{"tab-"}, Types: []string{"y"}}, "tab-a-1", "x", false},
		{eventstore.Filter{Prefixes: []string{"store-"}, Types: []string{"x"}}, "tab-a-1", "x", false},
	} {
		if got := c.filter.Matches(c.stream, c.typ); got != c.want {
			t.Errorf("%+v, %s, %s: %v", c.filter, c.stream, c.typ, got)
		}
	}
}
