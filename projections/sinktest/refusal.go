package sinktest

import (
	"errors"
	"math"
	"strings"

	"daybook/projections"
)

var refusalCases = []testCase{
	{"a batch with an overflow anywhere changes nothing", func(f *fixture) {
		f.apply(add("p", "low", math.MinInt64), add("p", "high", math.MaxInt64), add("p", "n", 1), put("p", "row", `[1]`))
		before := content{"p": {"low": "-9223372036854775808", "high": "9223372036854775807", "n": "1", "row": `[1]`}}
		f.holds(before)
		harmless := []projections.Change{add("p", "n", 1), add("a", "n", 1), put("z", "row", `{}`), remove("p", "row"), set("p", "m", 4)}
		for _, bad := range []projections.Change{
			add("p", "high", 1), add("p", "high", math.MaxInt64), add("p", "low", -1), add("p", "low", math.MinInt64), add("p", "n", math.MaxInt64),
		} {
			f.refused(projections.ErrOverflow, append(harmless[:len(harmless):len(harmless)], bad)...)
			f.refused(projections.ErrOverflow, append([]projections.Change{bad}, harmless...)...)
			f.holds(before)
		}
	}},
	{"an add to a row fails the whole batch", func(f *fixture) {
		rows := []string{`{"a":1}`, `[1]`, `"1"`, `"text"`, `""`}
		for _, row := range rows {
			f.apply(put("p", "row", row), set("p", "n", 1))
			f.refused(projections.ErrNotCounter, add("p", "n", 1), add("q", "n", 1), add("p", "row", 1))
			f.refused(projections.ErrNotCounter, add("p", "row", 0), remove("p", "n"))
			f.refused(projections.ErrNotCounter, put("p", "n", row), add("p", "n", 1))
			f.holds(content{"p": {"row": row, "n": "1"}})
		}
	}},
	{"a first batch that is refused leaves no trace", func(f *fixture) {
		f.refused(projections.ErrOverflow, add("p", "n", 1), add("p", "m", math.MaxInt64), add("p", "m", 1))
		f.refused(projections.ErrNotCounter, add("p", "n", 1), put("p", "m", `{}`), add("p", "m", 1))
		f.holds(content{})
		exist, err := f.sink.Generations(f.Context(), f.target.Model)
		f.ok(err)
		f.same(len(exist.All), 0)
		f.apply(add("p", "n", 1))
		f.holds(content{"p": {"n": "1"}})
	}},
	{"counters reach the ends of int64 exactly", func(f *fixture) {
		f.apply(add("p", "a", math.MaxInt64-1), add("p", "b", math.MinInt64+1), add("p", "c", math.MaxInt64), add("p", "d", math.MinInt64))
		f.apply(add("p", "a", 1), add("p", "b", -1), add("p", "c", math.MinInt64), add("p", "d", math.MaxInt64))
		f.holds(content{"p": {"a": "9223372036854775807", "b": "-9223372036854775808", "c": "-1", "d": "-1"}})
		f.apply(add("p", "a", math.MinInt64+1), add("p", "b", 1<<62), add("p", "e", 1<<53+1))
		f.apply(add("p", "a", -1), add("p", "b", 1<<62), add("p", "e", 1<<53+1))
		f.holds(content{"p": {"a": "-1", "b": "0", "c": "-1", "d": "-1", "e": "18014398509481986"}})
	}},
	{"batches that break a rule are invalid", testInvalidBatches},
	{"names and targets that break a rule are invalid", testInvalidNames},
}

// refused applies changes that must fail with an error.
func (f *fixture) refused(want error, changes ...projections.Change) {
	f.Helper()
	f.is(f.sink.Apply(f.Context(), f.target, batch(f.at, changes...)), want)
}

func testInvalidBatches(f *fixture) {
	f.apply(add("p", "n", 1))
	f.apply(add("p", "n", 1))
	for _, change := range []projections.Change{
		{Partition: "p", Field: "n"},
		{Partition: "p", Field: "n", Op: projections.Set + 1},
		put("p", "n", ``), put("p", "n", ` `), put("p", "n", `1`), put("p", "n", `null`), put("p", "n", `true`),
		put("p", "n", `{`), put("p", "n", `{} {}`), put("p", "n", `{"a":01}`), put("p", "n", "\"\xff\""),
		put("p", "n", `"\u0000"`), put("p", "n", `{"a":["\\\u0000"]}`), put("p", "n", `{"\ud800":1}`), put("p", "n", `"\ude00\ud83d"`),
		put("p", "n", `"`+strings.Repeat("x", projections.RowBytesMax)+`"`),
	} {
		f.refused(projections.ErrInvalid, add("p", "m", 1), change)
	}
	for _, b := range []projections.Batch{
		{From: f.at, To: f.at},
		{From: f.at, To: at(1, 1)},
		{From: f.at, To: at(2, 1)},
		{From: f.at, To: projections.Checkpoint{Log: "other log", Version: 3, Position: position(3)}},
		{From: f.at, To: projections.Checkpoint{Log: f.at.Log, Version: 4, Position: position(3)}},
		{From: f.at, To: projections.Checkpoint{Log: f.at.Log, Version: f.at.Version, Position: position(3), Resumed: -1}},
		{From: projections.Checkpoint{}, To: projections.Checkpoint{Log: f.at.Log, Version: 1 << 31}},
		{From: projections.Checkpoint{}, To: projections.Checkpoint{}},
		{From: projections.Checkpoint{}, To: projections.Checkpoint{Version: 1, Position: position(3)}},
		{From: f.at, To: at(3, 3), Changes: make([]projections.Change, projections.ChangesMax+1)},
	} {
		f.is(f.sink.Apply(f.Context(), f.target, b), projections.ErrInvalid)
	}
	f.holds(content{"p": {"n": "2"}})
}

func testInvalidNames(f *fixture) {
	f.apply(add("p", "n", 1))
	ctx := f.Context()
	for _, name := range []string{"", "a\x00b", "\x00", "\xff", "\xed\xa0\x80", strings.Repeat("x", projections.NameBytesMax+1)} {
		f.refused(projections.ErrInvalid, add("p", "m", 1), add(name, "n", 1))
		f.refused(projections.ErrInvalid, add("p", "m", 1), add("p", name, 1))
		_, _, err := f.sink.Get(ctx, f.target, name, "n")
		f.is(err, projections.ErrInvalid)
		_, _, err = f.sink.Get(ctx, f.target, "p", "n", name)
		f.is(err, projections.ErrInvalid)
		_, _, err = f.sink.GetEach(ctx, f.target, []string{"p", name}, "n")
		f.is(err, projections.ErrInvalid)
		_, _, err = f.sink.GetEach(ctx, f.target, []string{"p"}, "n", name)
		f.is(err, projections.ErrInvalid)
		_, _, err = f.sink.List(ctx, f.target, name, "", 0)
		f.is(err, projections.ErrInvalid)
		if name != "" {
			_, _, err = f.sink.List(ctx, f.target, "p", name, 0)
			f.is(err, projections.ErrInvalid)
		}
	}
	_, _, err := f.sink.List(ctx, f.target, "p", "", -1)
	f.is(err, projections.ErrInvalid)
	for _, target := range []projections.Target{
		{Model: f.target.Model}, {Model: f.target.Model, Generation: -1}, {Model: f.target.Model, Generation: math.MaxInt32 + 1},
		{Generation: 1}, {Model: "a-b", Generation: 1}, {Model: "a}b", Generation: 1}, {Model: "카", Generation: 1},
		{Model: strings.Repeat("x", projections.ModelBytesMax+1), Generation: 1},
	} {
		f.invalidTarget(target)
	}
	f.holds(content{"p": {"n": "1"}})
}

func (f *fixture) invalidTarget(target projections.Target) {
	f.Helper()
	ctx := f.Context()
	_, checkpoint := f.sink.Checkpoint(ctx, target)
	_, _, get := f.sink.Get(ctx, target, "p", "n")
	_, _, each := f.sink.GetEach(ctx, target, []string{"p"}, "n")
	_, _, list := f.sink.List(ctx, target, "p", "", 0)
	_, scan := f.sink.Scan(ctx, target, func(string, projections.Entry) error { return errors.New("an entry of an invalid target") })
	for _, err := range []error{
		checkpoint, get, each, list, scan, f.sink.Apply(ctx, target, batch(projections.Checkpoint{})),
		f.sink.Activate(ctx, target.Model, target.Generation), f.sink.Drop(ctx, target),
	} {
		f.is(err, projections.ErrInvalid)
	}
}
