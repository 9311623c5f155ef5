package imports_test

import (
	"testing"
	"time"

	"daybook/domain/domaintest"
	"daybook/domain/event"
	"daybook/domain/imports"
	"daybook/domain/tab"
)

type (
	importCase = domaintest.Case[imports.Command, imports.Event]
	events     = []imports.Event
)

var declared = domaintest.Refusals{"ErrUnknown": imports.ErrUnknown, "ErrTender": imports.ErrTender}

func TestDecider(t *testing.T) {
	met := domaintest.Run(t, domaintest.Table[imports.State, imports.Command, imports.Event]{
		Decider: imports.Decider, Refusals: declared, Cases: cases,
	})
	domaintest.RefusedAll(t, declared, met)
}

var (
	noon  = time.Date(2024, 12, 1, 12, 0, 0, 0, time.FixedZone("", 9*60*60))
	later = noon.Add(time.Minute)

	began = imports.Began{
		StoreID: "s1", BatchID: "b1", Orders: 2, Lines: 3, Amount: 2700, Currency: "KRW", Method: tab.Card, CardCompany: "K",
		FillsMenu: true, At: noon,
	}
	ended = imports.Ended{At: later}
)

// begin is the command to begin it, or to go on with it; with changes how.
func begin(with func(*imports.Began)) imports.Begin {
	c := imports.Begin{Import: began}
	with(&c.Import)
	return c
}

func asBegun(*imports.Began)       {}
func rest(b *imports.Began)        { b.Orders, b.Lines, b.Amount, b.FillsMenu, b.At = 1, 1, 700, false, later }
func byOther(b *imports.Began)     { b.CardCompany = "H" }
func inCash(b *imports.Began)      { b.Method, b.CardCompany = tab.Cash, "" }
func end(at time.Time) imports.End { return imports.End{At: at} }

var cases = []importCase{
	{Name: "begun", When: begin(asBegun), Then: events{began}},
	{Name: "gone on with", Given: events{began}, When: begin(rest)},
	{Name: "gone on with by another card", Given: events{began}, When: begin(byOther), Refused: imports.ErrTender},
	{Name: "gone on with in cash", Given: events{began}, When: begin(inCash), Refused: imports.ErrTender},
	{Name: "ended", Given: events{began}, When: end(later), Then: events{ended}},
	{Name: "ended before it was begun", When: end(later), Refused: imports.ErrUnknown},
	{Name: "ended twice", Given: events{began, ended}, When: end(later)},
	{Name: "begun again after its end", Given: events{began, ended}, When: begin(asBegun)},
	{Name: "begun again in cash after its end", Given: events{began, ended}, When: begin(inCash)},
}

func TestRunning(t *testing.T) {
	for _, c := range []struct {
		events  events
		running bool
	}{{nil, false}, {events{began}, true}, {events{began, ended}, false}} {
		if got := imports.Decider.Fold(imports.State{}, c.events...); got.Running() != c.running {
			t.Errorf("after %v: running %v", c.events, got.Running())
		}
	}
}

func TestFrozenSamples(t *testing.T) {
	domaintest.Frozen(t, event.Widen(imports.Catalog), map[string]domaintest.Sample{
		imports.BeganType: {
			Complete: imports.Began{
				StoreID: "k3v9qd", BatchID: "b7x2", Orders: 21350, Lines: 48620, Amount: 81786005, Currency: "USD", Method: tab.Card,
				CardCompany: "K", FillsMenu: true, At: time.Date(2024, 12, 1, 3, 0, 0, 0, time.UTC),
			},
			Minimal: imports.Began{
				StoreID: "k3v9qd", BatchID: "b7x3", Orders: 1, Lines: 1, Amount: 0, Currency: "KRW", Method: tab.Cash,
				At: time.Date(2024, 12, 1, 3, 0, 0, 0, time.UTC),
			},
		},
		imports.EndedType: {
			Complete: imports.Ended{At: time.Date(2024, 12, 1, 3, 1, 0, 0, time.UTC)},
			Minimal:  imports.Ended{At: time.Date(2024, 12, 1, 3, 1, 0, 0, time.UTC)},
		},
	})
}
