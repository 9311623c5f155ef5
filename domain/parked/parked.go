// Package parked records which events the read models leave out, because the operator said so. A read model that is lost
// and made anew leaves the same events out.
//
// Not here: which streams are parked now, which each read model knows; and why an event cannot be folded.
package parked

import "daybook/domain/event"

// Event is one of this file's events. These types are the storage format: a field may be added if its zero value is
// usable, nothing else may change.
//
//sumtype:decl
type Event interface {
	event.Stored
	parkedEvent()
}

// Skipped: a read model leaves out one event of a stream, for good.
type Skipped struct {
	Stream   string `json:"stream"`
	Revision int64  `json:"revision"`
	Type     string `json:"type"`  // of the event
	Error    string `json:"error"` // why it could not be folded, for people
}

func (Skipped) EventType() string { return "parked.skipped.v1" }

func (Skipped) parkedEvent() {}

// Catalog reads every event name that was ever stored in a stream of this category.
var Catalog = event.Catalog[Event]{
	"parked.skipped.v1": event.As[Skipped, Event],
}
