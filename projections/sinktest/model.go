package sinktest

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"daybook/projections"
)

// runModel makes random calls on two generations of a model and compares every answer with maps in memory.
func runModel(t *testing.T, storage Storage) {
	rapid.Check(t, func(r *rapid.T) {
		m := &machine{storage: storage, outer: t, sink: storage.Open(t), model: modelName(), active: 1, targets: map[int]*expected{}}
		defer func() { m.sink.Close() }()
		r.Repeat(map[string]func(*rapid.T){
			"":         m.compare,
			"apply":    m.apply,
			"again":    m.again,
			"reopen":   m.reopen,
			"list":     m.list,
			"get":      m.get,
			"activate": m.activate,
			"drop":     m.drop,
		})
	})
}

// machine is a sink and what it should hold.
type machine struct {
	storage Storage
	outer   *testing.T
	sink    projections.Sink
	model   string
	active  int
	targets map[int]*expected // by generation
	last    projections.Batch // the last one applied to generation 1
}

type expected struct {
	content content
	at      projections.Checkpoint
}

var (
	genGeneration = rapid.IntRange(1, 2)
	genPartition  = rapid.SampledFrom([]string{"a", "a:", "b"})
	genField      = rapid.SampledFrom([]string{"x", "y", "z", "x\x01", "한"})
	genRow        = rapid.SampledFrom([]string{`{}`, `{"a":1}`, `[9223372036854775807]`, `"7"`, `""`})
	genDelta      = rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64(),
		rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64, 1 << 62, -1 << 62, 1e18, -1e18}))
	genChange = rapid.Custom(func(r *rapid.T) projections.Change {
		c := projections.Change{Partition: genPartition.Draw(r, "partition"), Field: genField.Draw(r, "field")}
		// Mostly adds: a batch with an overflow changes nothing, and nothing is learned from a sink that stays empty.
		switch rapid.IntRange(0, 7).Draw(r, "op") {
		case 0:
			c.Op, c.Row = projections.Put, []byte(genRow.Draw(r, "row"))
		case 1:
			c.Op = projections.Delete
		case 2:
			c.Op, c.Delta = projections.Set, genDelta.Draw(r, "counter")
		case 3:
			c.Op, c.Delta = projections.Add, genDelta.Draw(r, "delta")
		default:
			c.Op, c.Delta = projections.Add, rapid.Int64Range(-3, 3).Draw(r, "small delta")
		}
		return c
	})
)

func (m *machine) target(generation int) projections.Target {
	return projections.Target{Model: m.model, Generation: generation}
}

func (m *machine) expected(generation int) *expected {
	if e, known := m.targets[generation]; known {
		return e
	}
	return &expected{content: content{}}
}

func (m *machine) apply(r *rapid.T) {
	generation := genGeneration.Draw(r, "generation")
	before := m.expected(generation)
	b := batch(before.at, rapid.SliceOfN(genChange, 0, 12).Draw(r, "changes")...)
	if rapid.IntRange(0, 9).Draw(r, "wrong place") == 0 {
		b.From = at(b.To.Position.Commit+5, b.To.Position.Prepare+5)
		b.To = next(b.From)
	}
	err := m.sink.Apply(m.outer.Context(), m.target(generation), b)
	after, wants := before.content.after(b.Changes)
	switch {
	case errors.Is(err, projections.ErrFenced) && b.From != before.at:
	case err != nil && slices.ContainsFunc(wants, func(want error) bool { return errors.Is(err, want) }):
	case err == nil && b.From == before.at && len(wants) == 0:
		m.targets[generation] = &expected{after, b.To}
		if generation == 1 {
			m.last = b
		}
	default:
		r.Fatalf("apply: %v, want one of %v", err, wants)
	}
}

// again repeats what was applied.
func (m *machine) again(r *rapid.T) {
	if m.last.To == (projections.Checkpoint{}) || m.targets[1] == nil {
		return
	}
	if err := m.sink.Apply(m.outer.Context(), m.target(1), m.last); !errors.Is(err, projections.ErrFenced) {
		r.Fatalf("a repeated batch: %v", err)
	}
}

func (m *machine) reopen(r *rapid.T) {
	if rapid.IntRange(0, 3).Draw(r, "seldom") > 0 { // it is slow beside the rest
		return
	}
	if err := m.sink.Close(); err != nil {
		r.Fatal(err)
	}
	m.sink = m.storage.Open(m.outer)
}

// compare reads everything.
func (m *machine) compare(r *rapid.T) {
	exist := projections.Generations{Active: m.active, All: slices.Sorted(maps.Keys(m.targets))}
	got, err := m.sink.Generations(m.outer.Context(), m.model)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(exist) {
		r.Fatalf("generations are %v, %v, want %v", got, err, exist)
	}
	for generation := 1; generation <= 2; generation++ {
		all := content{}
		stands, err := m.sink.Scan(m.outer.Context(), m.target(generation), func(partition string, entry projections.Entry) error {
			if all[partition] == nil {
				all[partition] = map[string]string{}
			}
			all[partition][entry.Field] = text(entry.Value)
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
		want := m.expected(generation)
		if diff := cmp.Diff(want.content, all) + cmp.Diff(want.at, stands); diff != "" {
			r.Fatalf("generation %d (-want +got)\n%s", generation, diff)
		}
	}
}

func (m *machine) list(r *rapid.T) {
	generation, partition := genGeneration.Draw(r, "generation"), genPartition.Draw(r, "partition")
	after := rapid.OneOf(rapid.Just(""), genField).Draw(r, "after")
	limit := rapid.IntRange(0, 3).Draw(r, "limit")
	entries, stands, err := m.sink.List(m.outer.Context(), m.target(generation), partition, after, limit)
	if err != nil {
		r.Fatal(err)
	}
	e := m.expected(generation)
	want := []string{}
	for _, field := range slices.Sorted(maps.Keys(e.content[partition])) {
		if field > after && (limit == 0 || len(want) < limit) {
			want = append(want, field+"="+e.content[partition][field])
		}
	}
	got := []string{}
	for _, entry := range entries {
		got = append(got, entry.Field+"="+text(entry.Value))
	}
	if diff := cmp.Diff(want, got) + cmp.Diff(e.at, stands); diff != "" {
		r.Fatalf("(-want +got)\n%s", diff)
	}
}

func (m *machine) get(r *rapid.T) {
	generation, partition := genGeneration.Draw(r, "generation"), genPartition.Draw(r, "partition")
	fields := rapid.SliceOf(genField).Draw(r, "fields")
	values, stands, err := m.sink.Get(m.outer.Context(), m.target(generation), partition, fields...)
	if err != nil {
		r.Fatal(err)
	}
	each, eachStands, err := m.sink.GetEach(m.outer.Context(), m.target(generation), []string{"nowhere", partition}, fields...)
	if err != nil {
		r.Fatal(err)
	}
	if diff := cmp.Diff([]map[string]projections.Value{{}, values}, each) + cmp.Diff(stands, eachStands); diff != "" {
		r.Fatalf("(-get +get each)\n%s", diff)
	}
	e := m.expected(generation)
	want, got := map[string]string{}, map[string]string{}
	for _, field := range fields {
		if value, exists := e.content[partition][field]; exists {
			want[field] = value
		}
	}
	for field, value := range values {
		got[field] = text(value)
	}
	if diff := cmp.Diff(want, got) + cmp.Diff(e.at, stands); diff != "" {
		r.Fatalf("(-want +got)\n%s", diff)
	}
}

func (m *machine) activate(r *rapid.T) {
	generation := genGeneration.Draw(r, "generation")
	err := m.sink.Activate(m.outer.Context(), m.model, generation)
	if generation == 2 && m.targets[2] == nil {
		if !errors.Is(err, projections.ErrNotBuilt) {
			r.Fatalf("activate: %v", err)
		}
		return
	}
	if err != nil {
		r.Fatal(err)
	}
	m.active = generation
}

func (m *machine) drop(r *rapid.T) {
	generation := genGeneration.Draw(r, "generation")
	err := m.sink.Drop(m.outer.Context(), m.target(generation))
	if generation == m.active {
		if !errors.Is(err, projections.ErrActive) {
			r.Fatalf("drop: %v", err)
		}
		return
	}
	if err != nil {
		r.Fatal(err)
	}
	delete(m.targets, generation)
}

// after is what changes make of c, and the errors that the sink may answer with instead. It goes field by field and
// counts in big numbers, so that it shares no thought with Batch.Net.
func (c content) after(changes []projections.Change) (content, []error) {
	type name struct{ partition, field string }
	byField := map[name][]projections.Change{}
	for _, change := range changes {
		key := name{change.Partition, change.Field}
		byField[key] = append(byField[key], change)
	}
	result := c.clone()
	var errs []error
	for key, changes := range byField {
		if result[key.partition] == nil {
			result[key.partition] = map[string]string{}
		}
		value, err := fold(result[key.partition][key.field], changes)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		result[key.partition][key.field] = value
		if value == "" {
			delete(result[key.partition], key.field)
		}
		if len(result[key.partition]) == 0 {
			delete(result, key.partition)
		}
	}
	return result, errs
}

// fold is what a field that held a value, "" for nothing, holds after changes.
func fold(value string, changes []projections.Change) (string, error) {
	counts, newRow, sum := false, false, new(big.Int)
	for _, change := range changes {
		if change.Op != projections.Add {
			counts, newRow, sum = false, false, new(big.Int)
		}
		switch change.Op {
		case projections.Put:
			value, newRow = canonical(change.Row), true
		case projections.Delete:
			value = ""
		case projections.Set:
			value, counts, sum = "", true, big.NewInt(change.Delta)
		case projections.Add:
			if newRow {
				return "", projections.ErrNotCounter
			}
			counts = true
			if sum.Add(sum, big.NewInt(change.Delta)); !sum.IsInt64() {
				return "", projections.ErrOverflow
			}
		}
	}
	if !counts {
		return value, nil
	}
	stored := new(big.Int)
	if _, isCounter := stored.SetString(value, 10); value != "" && !isCounter {
		return "", projections.ErrNotCounter
	}
	if value == "" {
		stored.SetInt64(0)
	}
	if stored.Add(stored, sum); !stored.IsInt64() {
		return "", projections.ErrOverflow
	}
	return stored.String(), nil
}
