package domaintest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"daybook/domain/event"
	"daybook/domain/refusal"
)

// A shelf is the smallest decider that can be wrong in every way the runner looks for.
type (
	shelf struct{ Items []string }
	put   struct{ Items []string }
	added struct {
		Items []string `json:"items"`
	}
)

func (added) EventType() string { return "shelf.added.v1" }

var (
	errFull = refusal.New(refusal.TooMuch, "full", "the shelf holds four")
	errTwin = refusal.New(refusal.TooMuch, "full", "the shelf is as full as another")
)

// honest is a table that nothing is wrong with; each test spoils a copy of it.
func honest() Table[shelf, put, added] {
	return Table[shelf, put, added]{
		Decider: event.Decider[shelf, put, added]{
			Initial: func() shelf { return shelf{} },
			Decide: func(s shelf, c put) ([]added, error) {
				if len(s.Items)+len(c.Items) > 4 {
					return nil, errFull.With("%d is too many", len(c.Items))
				}
				return []added{{c.Items}}, nil
			},
			Evolve: func(s shelf, e added) shelf {
				s.Items = append(slices.Clip(s.Items), e.Items...)
				return s
			},
			Catalog: event.Catalog[added]{"shelf.added.v1": event.As[added, added]},
		},
		Refusals: Refusals{"errFull": errFull, "errTwin": errTwin},
		Cases: []Case[put, added]{
			{Name: "room", Given: []added{{[]string{"a"}}}, When: put{[]string{"b"}}, Then: []added{{[]string{"b"}}}},
			{Name: "full", Given: []added{{[]string{"a", "b"}}}, When: put{[]string{"c", "d", "e"}}, Refused: errFull},
		},
	}
}

// verdict runs a table's cases and crossings and returns the first complaint.
func verdict(table Table[shelf, put, added]) string {
	for _, c := range table.Cases {
		if err := table.try(c); err != nil {
			return err.Error()
		}
	}
	if err := table.cross(); err != nil {
		return err.Error()
	}
	return ""
}

func TestRunnerFindsNothingWrongWithAnHonestDecider(t *testing.T) {
	if got := verdict(honest()); got != "" {
		t.Error(got)
	}
}

func TestRunnerFindsWhatIsWrong(t *testing.T) {
	asked := 0
	for _, c := range []struct {
		name, complaint string
		spoil           func(*Table[shelf, put, added])
	}{
		{"futures share memory", "another future changed", func(table *Table[shelf, put, added]) {
			table.Decider.Evolve = func(s shelf, e added) shelf { return shelf{append(s.Items, e.Items...)} }
		}},
		{"the past is changed", "changed the state it was given", func(table *Table[shelf, put, added]) {
			table.Cases = table.Cases[:1]
			table.Decider.Evolve = func(s shelf, e added) shelf {
				if len(s.Items) == 0 {
					return shelf{slices.Clone(e.Items)}
				}
				s.Items[0] = e.Items[0]
				return s
			}
		}},
		{"an event is changed", "the case was changed", func(table *Table[shelf, put, added]) {
			table.Decider.Evolve = func(s shelf, e added) shelf {
				e.Items[0] = "x"
				return shelf{append(slices.Clip(s.Items), e.Items...)}
			}
		}},
		{"the answer varies", "asked twice", func(table *Table[shelf, put, added]) {
			table.Decider.Decide = func(_ shelf, c put) ([]added, error) {
				asked++
				return make([]added, asked%2), nil
			}
		}},
		{"the command is changed", "Decide changed what it was given", func(table *Table[shelf, put, added]) {
			table.Decider.Decide = func(_ shelf, c put) ([]added, error) {
				c.Items[0] = "x"
				return nil, nil
			}
		}},
		{"a failure instead of a refusal", "not a declared refusal", func(table *Table[shelf, put, added]) {
			table.Decider.Decide = func(shelf, put) ([]added, error) { return nil, errors.New("boom") }
		}},
		{"events beside a refusal", "both events", func(table *Table[shelf, put, added]) {
			table.Decider.Decide = func(shelf, put) ([]added, error) { return make([]added, 1), errFull }
		}},
		{"the twin of the wanted refusal", "want", func(table *Table[shelf, put, added]) {
			table.Cases[1].Refused = errTwin
			table.Decider.Decide = func(_ shelf, c put) ([]added, error) {
				if len(c.Items) > 1 {
					return nil, errFull
				}
				return []added{{c.Items}}, nil
			}
		}},
		{"another event than wanted", "then (-want +got)", func(table *Table[shelf, put, added]) {
			table.Cases[0].Then = []added{{[]string{"c"}}}
		}},
		{"nothing wanted, something decided", "then (-want +got)", func(table *Table[shelf, put, added]) {
			table.Cases[0].Then = nil
		}},
		{"a name that cannot be read back", "unknown event type", func(table *Table[shelf, put, added]) {
			table.Decider.Catalog = nil
		}},
		{"a field lost in the log", "events change when stored", func(table *Table[shelf, put, added]) {
			table.Decider.Catalog = event.Catalog[added]{"shelf.added.v1": func([]byte) (added, error) { return added{}, nil }}
		}},
		{"a state that must not be", "overfull", func(table *Table[shelf, put, added]) {
			table.Holds = func(s shelf) error {
				if len(s.Items) > 1 {
					return errors.New("overfull")
				}
				return nil
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := honest()
			c.spoil(&table)
			if got := verdict(table); !strings.Contains(got, c.complaint) {
				t.Errorf("complaint %q, want %q", got, c.complaint)
			}
		})
	}
}

func TestRoomyCopiesInDepth(t *testing.T) {
	one := int64(1)
	type thing struct {
		Pointer *int64
		Map     map[string][]int
		Any     any
		None    []int
	}
	was := thing{&one, map[string][]int{"a": {1}}, []string{"x"}, nil}
	is := roomy(was)
	if !same(was, is) || is.None != nil {
		t.Fatalf("copy is %+v, want %+v", is, was)
	}
	*is.Pointer = 2
	is.Map["a"][0] = 2
	is.Any.([]string)[0] = "y"
	if one != 1 || was.Map["a"][0] != 1 || was.Any.([]string)[0] != "x" {
		t.Errorf("the copy shares memory with %+v", was)
	}
}
