// Package imports decides about imports of sales as a whole: one is begun before its first sale is written and ended after
// the last, so that one that broke off can be told, and is ended by doing it again.
//
// Not here: the sales (each is a tab) and which of them are there already.
package imports

import (
	"time"

	"daybook/domain/event"
	"daybook/domain/money"
	"daybook/domain/refusal"
	"daybook/domain/tab"
)

// State is an import as its events tell it. The zero State is an import that was never begun.
type State struct {
	Began Began
	Ended bool
}

// Running says that the import was begun and not ended: parts of it may be missing.
func (s State) Running() bool { return s.Began.BatchID != "" && !s.Ended }

// Event is one of this file's events. These types are the storage format: a field may be added if its zero value is
// usable, nothing else may change.
//
//sumtype:decl
type Event interface {
	event.Stored
	importEvent()
}

// Began: everything was checked, and from now on sales are written.
type Began struct {
	StoreID     string         `json:"storeId"`
	BatchID     string         `json:"batchId"` // follows from the store and the sales
	Orders      int            `json:"orders"`  // that are to be added; others were there before
	Lines       int            `json:"lines"`
	Amount      int64          `json:"amount"` // of those orders
	Currency    money.Currency `json:"currency"`
	Method      tab.Method     `json:"method"` // how the sales were paid
	CardCompany string         `json:"cardCompany,omitempty"`
	FillsMenu   bool           `json:"fillsMenu,omitempty"` // the store had no menu, and gets what was sold
	At          time.Time      `json:"at"`
}

// Ended: every sale is in the log.
type Ended struct {
	At time.Time `json:"at"`
}

// Stored names of the events.
const (
	BeganType = "import.began.v1"
	EndedType = "import.ended.v1"
)

func (Began) EventType() string { return BeganType }
func (Ended) EventType() string { return EndedType }

func (Began) importEvent() {}
func (Ended) importEvent() {}

// Catalog reads every event name that was ever stored in an import's stream.
var Catalog = event.Catalog[Event]{
	BeganType: event.As[Began, Event],
	EndedType: event.As[Ended, Event],
}

// Evolve folds one event into an import.
func Evolve(s State, e Event) State {
	switch e := e.(type) {
	case Began:
		s.Began = e
	case Ended:
		s.Ended = true
	}
	return s
}

// Command is one of this file's commands.
//
//sumtype:decl
type Command interface{ importCommand() }

// Begin begins an import, or goes on with it.
type Begin struct{ Import Began }

// End ends an import.
type End struct{ At time.Time }

func (Begin) importCommand() {}
func (End) importCommand()   {}

// What an import refuses.
var (
	ErrUnknown = refusal.New(refusal.Unknown, "import_not_found", "there is no such import")
	ErrTender  = refusal.New(refusal.Conflict, "import_tender_differs", "an import goes on with the payment that it was begun with")
)

// Decider is the behaviour of an import.
var Decider = event.Decider[State, Command, Event]{
	Initial: func() State { return State{} },
	Decide:  Decide,
	Evolve:  Evolve,
	Catalog: Catalog,
}

// Decide says what follows from a command.
func Decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case Begin:
		return begin(s, c)
	case End:
		switch {
		case s.Began.BatchID == "":
			return nil, ErrUnknown
		case s.Ended:
			return nil, nil
		}
		return []Event{Ended(c)}, nil
	}
	return nil, nil
}

func begin(s State, c Begin) ([]Event, error) {
	switch {
	case s.Began.BatchID == "":
		return []Event{c.Import}, nil
	case s.Running() && (s.Began.Method != c.Import.Method || s.Began.CardCompany != c.Import.CardCompany):
		return nil, ErrTender.With("this import was begun with %s %s: go on with that", s.Began.Method, s.Began.CardCompany)
	}
	return nil, nil
}
