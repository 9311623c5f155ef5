// Package command holds the events that tell of a command itself, not of the restaurant: that one with a key changed
// nothing, and which stream a key is for. With them, the log alone decides whether a command was carried out before.
//
// Not here: what was wanted and answered, which stands in the events' metadata, and who appends them (commands).
package command

import "daybook/domain/event"

// Event is one of this file's events.
//
//sumtype:decl
type Event interface {
	event.Stored
	commandEvent()
}

// Unchanged: a command with a key found that the intended state already held. It stands in the stream that the command
// was for, so that the key is known there, and changes no state.
type Unchanged struct{}

// Claimed: a key is for one request, which is carried out in Stream or not at all. A key's claim is a stream of its own. A
// later Claimed in it moves the key to another stream, once the one before can take the command no more.
type Claimed struct {
	Stream string `json:"stream"`
}

// The stored names.
const (
	UnchangedType = "command.unchanged.v1"
	ClaimedType   = "command.claimed.v1"
)

func (Unchanged) EventType() string { return UnchangedType }
func (Claimed) EventType() string   { return ClaimedType }
func (Unchanged) commandEvent()     {}
func (Claimed) commandEvent()       {}

// Catalog reads every name that was ever stored.
var Catalog = event.Catalog[Event]{
	UnchangedType: event.As[Unchanged, Event],
	ClaimedType:   event.As[Claimed, Event],
}
