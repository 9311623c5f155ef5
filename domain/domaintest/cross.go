package domaintest

import (
	"errors"
	"fmt"
	"reflect"
	"time"
)

// cross puts every command to every state that the cases meet, and folds every event onto it.
func (table Table[S, C, E]) cross() error {
	before := roomy(table.Cases)
	states, events := table.met()
	for _, s := range states {
		for _, c := range table.Cases {
			decided, _, err := table.ask(s, c.When)
			if err == nil {
				err = table.follow(s, decided)
			}
			if err != nil {
				return fmt.Errorf("the command of %q to another state: %w", c.Name, err)
			}
		}
		if err := table.futures(s, events); err != nil {
			return err
		}
	}
	if !same(before, table.Cases) {
		return errors.New("a case was changed")
	}
	return nil
}

// met returns the different states before and after the cases, and their different events. Of a run of events of one
// type the first and the last stand for all.
func (table Table[S, C, E]) met() (states []S, events []E) {
	states = append(states, table.Decider.Initial())
	for _, c := range table.Cases {
		given := table.Decider.Fold(table.Decider.Initial(), c.Given...)
		states = addNew(addNew(states, given), table.Decider.Fold(given, c.Then...))
		history := append(append([]E{}, c.Given...), c.Then...)
		for i, e := range history {
			first := i == 0 || reflect.TypeOf(history[i-1]) != reflect.TypeOf(e)
			last := i == len(history)-1 || reflect.TypeOf(history[i+1]) != reflect.TypeOf(e)
			if first || last {
				events = addNew(events, e)
			}
		}
	}
	return states, events
}

// addNew appends a value unless it is there.
func addNew[T any](all []T, v T) []T {
	for _, known := range all {
		if reflect.DeepEqual(known, v) {
			return all
		}
	}
	return append(all, v)
}

// futures lets one state grow into as many futures as there are events. Neither the state nor any earlier future may
// change. The state's slices have room to grow, which is where an append into shared memory shows.
func (table Table[S, C, E]) futures(s S, events []E) error {
	past := roomy(s)
	grown, kept := make([]S, len(events)), make([]S, len(events))
	for i, e := range events {
		grown[i] = table.Decider.Evolve(past, e)
		kept[i] = roomy(grown[i])
		if !same(past, s) {
			return fmt.Errorf("Evolve of %s changed the state it was given", e.EventType())
		}
	}
	for i, e := range events {
		if !same(grown[i], kept[i]) {
			return fmt.Errorf("another future changed the one after %s", e.EventType())
		}
	}
	return nil
}

// room is the spare capacity of each slice that roomy makes.
const room = 2

// roomy copies a value in depth, with room to grow in each slice that is not nil.
func roomy[T any](v T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	copyInto(out, reflect.ValueOf(&v).Elem())
	return out.Interface().(T)
}

// copyInto copies src to dst in depth. It panics at unexported fields, which it could only share, except for the
// time's, which never change.
func copyInto(dst, src reflect.Value) {
	dst.Set(src)
	switch {
	case src.Type() == reflect.TypeFor[time.Time]():
	case src.Kind() == reflect.Struct:
		for i := range src.NumField() {
			copyInto(dst.Field(i), src.Field(i))
		}
	case src.Kind() == reflect.Slice && !src.IsNil():
		dst.Set(reflect.MakeSlice(src.Type(), src.Len(), src.Len()+room))
		for i := range src.Len() {
			copyInto(dst.Index(i), src.Index(i))
		}
	case src.Kind() == reflect.Map && !src.IsNil():
		dst.Set(reflect.MakeMap(src.Type()))
		for key, value := range src.Seq2() {
			dst.SetMapIndex(key, fresh(value))
		}
	case src.Kind() == reflect.Pointer && !src.IsNil():
		dst.Set(fresh(src.Elem()).Addr())
	case src.Kind() == reflect.Interface && !src.IsNil():
		dst.Set(fresh(src.Elem()))
	}
}

// fresh is a deep copy in memory of its own.
func fresh(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	copyInto(out, v)
	return out
}
