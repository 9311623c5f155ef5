package sinktest

import (
	"fmt"
	"sync"

	"daybook/projections"
)

var generationCases = []testCase{
	{"a model without any rebuild serves generation 1", func(f *fixture) {
		f.serves(projections.Generations{Active: 1})
		f.apply(add("p", "n", 1))
		f.serves(projections.Generations{Active: 1, All: []int{1}})
		_, err := f.sink.Generations(f.Context(), "not a model")
		f.is(err, projections.ErrInvalid)
	}},
	{"generations live side by side", testSideBySide},
	{"activate serves another generation in one step and can go back", func(f *fixture) {
		f.apply(add("p", "n", 1))
		f.ok(f.sink.Apply(f.Context(), f.generation(2), batch(projections.Checkpoint{})))
		f.ok(f.sink.Activate(f.Context(), f.target.Model, 2))
		f.serves(projections.Generations{Active: 2, All: []int{1, 2}})
		f.ok(f.sink.Activate(f.Context(), f.target.Model, 2))
		f.ok(f.sink.Activate(f.Context(), f.target.Model, 1))
		f.serves(projections.Generations{Active: 1, All: []int{1, 2}})
	}},
	{"activate refuses what was never built, except generation 1", func(f *fixture) {
		f.is(f.sink.Activate(f.Context(), f.target.Model, 2), projections.ErrNotBuilt)
		f.ok(f.sink.Activate(f.Context(), f.target.Model, 1))
		f.serves(projections.Generations{Active: 1})
		f.apply()
		f.is(f.sink.Activate(f.Context(), f.target.Model, 2), projections.ErrNotBuilt)
		f.serves(projections.Generations{Active: 1, All: []int{1}})
	}},
	{"drop deletes a target and only that", testDrop},
	{"drop refuses the active generation", func(f *fixture) {
		f.is(f.sink.Drop(f.Context(), f.target), projections.ErrActive)
		f.apply(add("p", "n", 1))
		f.is(f.sink.Drop(f.Context(), f.target), projections.ErrActive)
		f.holds(content{"p": {"n": "1"}})
		f.ok(f.sink.Apply(f.Context(), f.generation(2), batch(projections.Checkpoint{}, add("p", "n", 2))))
		f.ok(f.sink.Activate(f.Context(), f.target.Model, 2))
		f.is(f.sink.Drop(f.Context(), f.generation(2)), projections.ErrActive)
		f.ok(f.sink.Drop(f.Context(), f.target))
		f.serves(projections.Generations{Active: 2, All: []int{2}})
		f.at = projections.Checkpoint{}
		f.holds(content{})
		f.holdsIn(f.sink, f.generation(2), next(projections.Checkpoint{}), content{"p": {"n": "2"}})
	}},
	{"of activate and drop at the same moment one wins", testActivateDropRace},
}

func (f *fixture) generation(n int) projections.Target {
	return projections.Target{Model: f.target.Model, Generation: n}
}

func (f *fixture) serves(want projections.Generations) {
	f.Helper()
	got, err := f.sink.Generations(f.Context(), f.target.Model)
	f.ok(err)
	f.same(got.Active, want.Active)
	f.same(fmt.Sprint(got.All), fmt.Sprint(want.All)) // none may be nil or empty
}

func testSideBySide(f *fixture) {
	numbers := []int{1, 2, 10, 11, 256, 1<<31 - 1}
	for _, n := range numbers {
		from := projections.Checkpoint{}
		for range n%7 + 1 {
			f.ok(f.sink.Apply(f.Context(), f.generation(n), batch(from, add("p", "n", int64(n)), add("p", fmt.Sprint(n), 1))))
			from = next(from)
		}
	}
	f.serves(projections.Generations{Active: 1, All: numbers})
	for _, n := range numbers {
		batches := uint64(n%7 + 1)
		want := content{"p": {"n": fmt.Sprint(uint64(n) * batches), fmt.Sprint(n): fmt.Sprint(batches)}}
		f.holdsIn(f.sink, f.generation(n), at(batches, batches), want)
	}
	f.holdsIn(f.sink, f.generation(3), projections.Checkpoint{}, content{})
}

func testDrop(f *fixture) {
	f.ok(f.sink.Drop(f.Context(), f.generation(2)))
	neighbours := []projections.Target{
		f.target, f.generation(20), f.generation(3), f.generation(257), f.generation(1<<31 - 1),
		{Model: f.target.Model + "2", Generation: 2}, {Model: f.target.Model[:len(f.target.Model)-1], Generation: 2},
	}
	changes := []projections.Change{add("p", "n", 1), put("q", "row", `{}`)}
	for _, target := range append(neighbours, f.generation(2)) {
		f.ok(f.sink.Apply(f.Context(), target, batch(projections.Checkpoint{}, changes...)))
	}
	f.ok(f.sink.Drop(f.Context(), f.generation(2)))
	f.holdsIn(f.sink, f.generation(2), projections.Checkpoint{}, content{})
	f.is(f.sink.Apply(f.Context(), f.generation(2), batch(at(1, 1), add("p", "n", 1))), projections.ErrFenced)
	for _, target := range neighbours {
		f.holdsIn(f.sink, target, at(1, 1), content{"p": {"n": "1"}, "q": {"row": `{}`}})
	}
	f.serves(projections.Generations{Active: 1, All: []int{1, 3, 20, 257, 1<<31 - 1}})

	f.ok(f.sink.Apply(f.Context(), f.generation(2), batch(projections.Checkpoint{}, add("r", "n", 5))))
	f.holdsIn(f.sink, f.generation(2), at(1, 1), content{"r": {"n": "5"}})
	f.ok(f.sink.Drop(f.Context(), f.generation(2)))
	f.ok(f.sink.Drop(f.Context(), f.generation(2)))
	f.holdsIn(f.sink, f.generation(2), projections.Checkpoint{}, content{})
}

// testActivateDropRace checks that the served generation always exists.
func testActivateDropRace(f *fixture) {
	f.apply(add("p", "n", 1))
	for range 20 {
		f.ok(f.sink.Apply(f.Context(), f.generation(2), batch(projections.Checkpoint{}, add("p", "n", 1))))
		var activate, drop error
		var done sync.WaitGroup
		done.Go(func() { activate = f.sink.Activate(f.Context(), f.target.Model, 2) })
		done.Go(func() { drop = f.sink.Drop(f.Context(), f.generation(2)) })
		done.Wait()
		if activate == nil {
			f.is(drop, projections.ErrActive)
			f.holdsIn(f.sink, f.generation(2), at(1, 1), content{"p": {"n": "1"}})
			f.ok(f.sink.Activate(f.Context(), f.target.Model, 1))
			f.ok(f.sink.Drop(f.Context(), f.generation(2)))
			continue
		}
		f.is(activate, projections.ErrNotBuilt)
		f.ok(drop)
		f.serves(projections.Generations{Active: 1, All: []int{1}})
	}
}
