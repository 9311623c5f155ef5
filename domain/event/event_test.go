package event_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"daybook/domain/event"
)

// A counter's events: today's shape of added, and an old name that is upcast to it.
type counterEvent interface {
	event.Stored
	counterEvent()
}

type added struct {
	By int64 `json:"by"`
}

func (added) EventType() string { return "counter.added.v2" }
func (added) counterEvent()     {}

var catalog = event.Catalog[counterEvent]{
	"counter.added.v2": event.As[added, counterEvent],
	"counter.incremented.v1": func(data []byte) (counterEvent, error) {
		return added{By: 1}, json.Unmarshal(data, &struct{}{})
	},
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, typ, data string
		want            counterEvent
	}{
		{"today's shape", "counter.added.v2", `{"by":2}`, added{By: 2}},
		{"a retired name is upcast", "counter.incremented.v1", `{}`, added{By: 1}},
		{"a field of a newer program is passed over", "counter.added.v2", `{"by":2,"why":{"x":[1]}}`, added{By: 2}},
		{"a field that is not there is zero", "counter.added.v2", `{}`, added{}},
	} {
		if got, err := catalog.Decode(c.typ, []byte(c.data)); err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	for _, data := range []string{``, ` `, `null`, ` null `, `[]`, `2`, `"by"`, `{"by":2`, `{"by":2}}`, `{"by":"2"}`, `{"by":2.5}`, `{"by":9223372036854775808}`} {
		got, err := catalog.Decode("counter.added.v2", []byte(data))
		if err == nil || got != nil || errors.Is(err, event.ErrUnknown) || !strings.Contains(err.Error(), "counter.added.v2") {
			t.Errorf("Decode(%q) = %v, %v, want an error that names the type", data, got, err)
		}
	}
}

func TestDecodeDoesNotKnowEveryName(t *testing.T) {
	for _, typ := range []string{"", "counter.added.v3", "Counter.Added.V2"} {
		got, err := catalog.Decode(typ, []byte(`{}`))
		if !errors.Is(err, event.ErrUnknown) || got != nil || !strings.Contains(err.Error(), typ) {
			t.Errorf("Decode(%q) = %v, %v, want ErrUnknown", typ, got, err)
		}
	}
}

func TestEncodeWritesWhatDecodeReads(t *testing.T) {
	data, err := event.Encode(added{By: 9007199254740993}) // no float holds this number
	if err != nil || string(data) != `{"by":9007199254740993}` {
		t.Fatalf("Encode = %s, %v", data, err)
	}
	if got, err := catalog.Decode(added{}.EventType(), data); err != nil || got != (added{By: 9007199254740993}) {
		t.Errorf("Decode = %v, %v", got, err)
	}
}

func TestFoldGoesInOrder(t *testing.T) {
	decider := event.Decider[string, int64, added]{
		Evolve: func(s string, e added) string { return s + string(rune('0'+e.By)) },
	}
	if got := decider.Fold("0", added{1}, added{2}, added{3}); got != "0123" {
		t.Errorf("Fold = %s, want 0123", got)
	}
	if got := decider.Fold("0"); got != "0" {
		t.Errorf("Fold of nothing = %s, want 0", got)
	}
}
