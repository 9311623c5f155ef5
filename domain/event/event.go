// Package event reads and writes stored events. Each aggregate has one Catalog, a map literal: the stored name of an
// event and how its JSON becomes today's type.
//
// Not here: the events, which stand with their aggregates, and the log.
package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Stored is an event that knows its stored name, such as "tab.opened.v1". The name never changes meaning: a new shape
// gets a new version, and the old name is upcast by its entry in the Catalog.
type Stored interface {
	EventType() string
}

// ErrUnknown: a catalog has no such name. It was written by a newer program, or by another.
var ErrUnknown = errors.New("unknown event type")

// Catalog maps stored names to readers of their JSON; E is the aggregate's sealed event interface.
type Catalog[E Stored] map[string]func(data []byte) (E, error)

// As reads JSON straight into today's type T. A field that the JSON lacks stays zero, and one that T lacks is passed
// over, so that older and newer programs read each other's events.
func As[T any, E Stored](data []byte) (E, error) {
	var none E
	event := new(T)
	if err := json.Unmarshal(data, event); err != nil {
		return none, err
	}
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return none, errors.New("null is no event") // encoding/json takes it for an empty one
	}
	return any(*event).(E), nil
}

// Decode reads a stored event. Errors: ErrUnknown, or the JSON's; both name the type.
func (c Catalog[E]) Decode(typ string, data []byte) (E, error) {
	var none E
	read, known := c[typ]
	if !known {
		return none, fmt.Errorf("%w: %s", ErrUnknown, typ)
	}
	e, err := read(data)
	if err != nil {
		return none, fmt.Errorf("event %s: %w", typ, err)
	}
	return e, nil
}

// Widen is a catalog that forgets which aggregate its events belong to.
func Widen[E Stored](c Catalog[E]) Catalog[Stored] {
	wide := Catalog[Stored]{}
	for name, read := range c {
		wide[name] = func(data []byte) (Stored, error) { return read(data) }
	}
	return wide
}

// Encode writes an event's JSON.
func Encode(e Stored) ([]byte, error) { return json.Marshal(e) }

// Decider is what an aggregate is made of: S its state, C its commands, E its events. All three functions are pure.
type Decider[S, C any, E Stored] struct {
	Initial func() S
	// Decide returns what follows from a command, or a *refusal.Refusal. No events and no error mean that the
	// intended state already holds.
	Decide func(S, C) ([]E, error)
	// Evolve folds one event. It does not validate, does not fail, and never changes the state it was given.
	Evolve  func(S, E) S
	Catalog Catalog[E]
}

// Fold evolves a state through events, in order.
func (d Decider[S, C, E]) Fold(s S, events ...E) S {
	for _, e := range events {
		s = d.Evolve(s, e)
	}
	return s
}
