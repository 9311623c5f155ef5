// Package domaintest runs given/when/then tables against deciders and checks frozen samples of stored events.
//
// A table is more than its cases. The runner also puts every command of the table to every state met and folds every
// event of the table onto every state met, and demands what holds for all deciders: the same question has the same
// answer, a "no" is a declared refusal, every decided event can be stored and read back, and nothing that was handed in
// is ever changed.
//
// Not here: what any aggregate does.
package domaintest

import (
	"fmt"
	"reflect"
	"testing"

	"daybook/domain/event"
	"daybook/domain/refusal"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Case is one line of a table: after these events, this command has this outcome. Then and Refused both empty say that
// nothing follows, because the intended state already holds.
type Case[C any, E event.Stored] struct {
	Name    string
	Given   []E
	When    C
	Then    []E
	Refused *refusal.Refusal
}

// Table is what Run needs to know of one decider. Its states, commands and events must have exported fields only.
type Table[S, C any, E event.Stored] struct {
	Decider  event.Decider[S, C, E]
	Refusals Refusals // all that Decide may answer
	// Holds says what is wrong with a state that real decisions led to; nil: nothing can be.
	Holds func(S) error
	Cases []Case[C, E]
}

// Run runs a table, each case a subtest, and fails also if a command or an event that the package of the test declares
// has no case. It returns the refusals met, for RefusedAll.
func Run[S, C any, E event.Stored](t *testing.T, table Table[S, C, E]) []*refusal.Refusal {
	t.Helper()
	var refused []*refusal.Refusal
	commands, events := map[string]bool{}, map[string]bool{}
	for _, c := range table.Cases {
		t.Run(c.Name, func(t *testing.T) {
			if err := table.try(c); err != nil {
				t.Error(err)
			}
		})
		commands[reflect.TypeOf(c.When).Name()] = true
		for _, e := range c.Then {
			events[reflect.TypeOf(e).Name()] = true
		}
		if c.Refused != nil {
			refused = append(refused, c.Refused)
		}
	}
	if err := table.cross(); err != nil {
		t.Errorf("every command and event on every state: %v", err)
	}
	missing(t, "command", declared[C](t), commands)
	missing(t, "event", declared[E](t), events)
	return refused
}

// try runs one case on its own.
func (table Table[S, C, E]) try(c Case[C, E]) error {
	before := roomy(c)
	if err := table.outcome(c); err != nil {
		return err
	}
	if !same(before, c) {
		return fmt.Errorf("the case was changed:\n%s", cmp.Diff(before, c))
	}
	return nil
}

func (table Table[S, C, E]) outcome(c Case[C, E]) error {
	s := table.Decider.Fold(table.Decider.Initial(), c.Given...)
	if err := table.holds(s); err != nil {
		return fmt.Errorf("given: %w", err)
	}
	got, no, err := table.ask(s, c.When)
	if err != nil {
		return err
	}
	if !table.sameRefusal(c.Refused, no) {
		return fmt.Errorf("refusal %+v, want %+v", no, c.Refused)
	}
	if diff := cmp.Diff(c.Then, got, cmpopts.EquateEmpty()); diff != "" {
		return fmt.Errorf("then (-want +got):\n%s", diff)
	}
	return table.follow(s, got)
}

// sameRefusal compares answers. Two refusals may share a code, so an answer that is itself declared must be the very
// one that is wanted; any other must be its With.
func (table Table[S, C, E]) sameRefusal(want, got *refusal.Refusal) bool {
	if want == nil || got == nil || table.Refusals.holds(got) {
		return got == want
	}
	return got.Code == want.Code && got.Kind == want.Kind
}

// ask puts a question to Decide, twice, and returns the answer: events, or a refusal, or neither. It fails if the
// answers differ, if the question was changed, if an error is no declared refusal, or if events come with it.
func (table Table[S, C, E]) ask(s S, c C) ([]E, *refusal.Refusal, error) {
	state, command := roomy(s), roomy(c)
	events, err := table.Decider.Decide(state, command)
	again, errAgain := table.Decider.Decide(state, command)
	no, _ := err.(*refusal.Refusal)
	switch {
	case !same(events, again) || !reflect.DeepEqual(err, errAgain):
		return nil, nil, fmt.Errorf("asked twice: %v, %v; then %v, %v", events, err, again, errAgain)
	case !same(state, s) || !same(command, c):
		return nil, nil, fmt.Errorf("Decide changed what it was given:\n%s%s", cmp.Diff(s, state), cmp.Diff(c, command))
	case err != nil && len(events) > 0:
		return nil, nil, fmt.Errorf("both events %v and refusal %w", events, err)
	case err != nil && !table.Refusals.know(no):
		return nil, nil, fmt.Errorf("not a declared refusal: %w", err)
	}
	return events, no, nil
}

// follow folds decided events, as decided and as read back from their JSON: both ways must lead to the same good state.
func (table Table[S, C, E]) follow(s S, events []E) error {
	read := make([]E, len(events))
	for i, e := range events {
		data, err := event.Encode(e)
		if err != nil {
			return err
		}
		if read[i], err = table.Decider.Catalog.Decode(e.EventType(), data); err != nil {
			return err
		}
	}
	if diff := cmp.Diff(events, read, cmpopts.EquateEmpty()); diff != "" {
		return fmt.Errorf("events change when stored (-decided +read):\n%s", diff)
	}
	is, stored := table.Decider.Fold(s, events...), table.Decider.Fold(s, read...)
	if !same(is, stored) {
		return fmt.Errorf("stored events fold to another state:\n%s", cmp.Diff(is, stored))
	}
	return table.holds(is)
}

func (table Table[S, C, E]) holds(s S) error {
	if table.Holds == nil {
		return nil
	}
	return table.Holds(s)
}

// same reports whether two values are equal; times are, if they are the same moment.
func same(a, b any) bool { return reflect.DeepEqual(a, b) || cmp.Equal(a, b) }
