package policies_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"daybook/commands/policies"
	"daybook/domain/event"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/eventstore"
)

// given is an event as the log holds it.
func given(t *testing.T, name string, e event.Stored) eventstore.Event {
	t.Helper()
	data, err := event.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return eventstore.Event{ID: uuid.New(), Stream: name, Type: e.EventType(), Data: data}
}

// spec is a policy's table: when this happened, then that is to be done.
type spec struct {
	name string
	when event.Stored
	in   string // the event's stream
	then []policies.Command
}

// check asks twice: the same follows each time, for an event may come again.
func check(t *testing.T, p policies.Policy, specs []spec) {
	t.Helper()
	for _, s := range specs {
		t.Run(s.name, func(t *testing.T) {
			e := given(t, s.in, s.when)
			for range 2 {
				got, err := p.React(e)
				if diff := cmp.Diff(s.then, got); err != nil || diff != "" {
					t.Errorf("%v: %s", err, diff)
				}
			}
		})
	}
}

func TestOwnedStores(t *testing.T) {
	at := time.Date(2024, 12, 1, 3, 0, 0, 0, time.UTC)
	check(t, policies.OwnedStores, []spec{{
		name: "an opened store is counted among its owner's",
		in:   "store-s1", when: store.Opened{StoreID: "s1", OwnerID: "o1", Name: "Cafe", At: at},
		then: []policies.Command{{Stream: "owner-o1", Wanted: store.ClaimStore{StoreID: "s1", At: at}}},
	}})
}

// TestTheList: names are good and different, and each policy reads the events that it wants, and reads them only.
func TestTheList(t *testing.T) {
	names := map[string]bool{}
	for _, p := range policies.All {
		if p.Name == "" || names[p.Name] {
			t.Errorf("a second policy %q", p.Name)
		}
		names[p.Name] = true
		if len(p.Types) == 0 {
			t.Errorf("%s wants no events", p.Name)
		}
		for _, typ := range p.Types {
			if !known(typ) {
				t.Errorf("%s wants %s, which no stream holds", p.Name, typ)
			}
			if got, err := p.React(eventstore.Event{Type: typ, Data: []byte("{")}); err == nil {
				t.Errorf("%s makes %v of a damaged %s", p.Name, got, typ)
			}
		}
		if got, err := p.React(eventstore.Event{Type: "none.v1", Data: []byte("{}")}); err == nil {
			t.Errorf("%s makes %v of a type that it does not want", p.Name, got)
		}
	}
}

func known(typ string) bool {
	for _, k := range stream.Kinds() {
		if k.Catalog[typ] != nil {
			return true
		}
	}
	return false
}
