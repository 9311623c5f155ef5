// Package policies says what follows elsewhere from what happened: an event in one stream, commands for others. A policy is
// a pure function, one file each; All is the list of them.
//
// An event may come to a policy again, at any time: after a restart, from a second process, or years later, because it is
// not known how far the policy had come. So the state of the command's target must decide whether anything is left to do.
// Events of one stream come in order; between streams, a policy must not rely on any.
//
// Not here: following the log and carrying the commands out (commands), and whether they are allowed (domain).
package policies

import (
	"fmt"

	"daybook/domain/event"
	"daybook/eventstore"
)

// All are the policies that a server with the command role keeps at work.
var All = []Policy{OwnedStores}

// Policy is a rule of the kind "whenever this happened, that is to be done".
type Policy struct {
	// Name is a policy's for ever: the ids of its commands derive from it, and how far it has come is kept by it. Letters,
	// digits and '_'.
	Name  string
	Types []string // of the events that it wants
	// React returns what follows from an event of these types. An error means that the event cannot be read, now or later.
	React func(e eventstore.Event) ([]Command, error)
}

// Command is what a policy wants done.
type Command struct {
	Stream string // whose state decides
	Wanted any    // a command of the domain, for a stream of that kind
}

// on makes React of what follows from one type of event, read through its aggregate's catalog.
func on[T event.Stored, E event.Stored](catalog event.Catalog[E], react func(e T) []Command) func(eventstore.Event) ([]Command, error) {
	return func(stored eventstore.Event) ([]Command, error) {
		decoded, err := catalog.Decode(stored.Type, stored.Data)
		if err != nil {
			return nil, err
		}
		e, ok := any(decoded).(T)
		if !ok {
			return nil, fmt.Errorf("event %s is a %T", stored.Type, decoded)
		}
		return react(e), nil
	}
}
