package projections

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNet(t *testing.T) {
	put := func(row string) Change { return Change{"p", "f", Put, []byte(row), 0} }
	remove := Change{"p", "f", Delete, nil, 0}
	add := func(n int64) Change { return Change{"p", "f", Add, nil, n} }
	set := func(n int64) Change { return Change{"p", "f", Set, nil, n} }
	for _, c := range []struct {
		name    string
		changes []Change
		want    Change
		err     error
	}{
		{"adds are added up", []Change{add(1), add(-3), add(0)}, add(-2), nil},
		{"an add after a delete is a set", []Change{add(9), remove, add(2), add(3)}, set(5), nil},
		{"an add after a set counts on", []Change{put(`{}`), set(40), add(2)}, set(42), nil},
		{"a put makes what was before void", []Change{add(math.MaxInt64), put(` {} `)}, put(`{}`), nil},
		{"the last put stands", []Change{put(`{}`), put(`[]`)}, put(`[]`), nil},
		{"a delete makes what was before void", []Change{put(`{}`), set(1), add(1), remove}, remove, nil},
		{"an add after a put", []Change{put(`{}`), add(1), remove}, Change{}, ErrNotCounter},
		{"a sum too large", []Change{add(math.MaxInt64), add(1), add(-1)}, Change{}, ErrOverflow},
		{"a sum too small", []Change{set(math.MinInt64), add(-1)}, Change{}, ErrOverflow},
		{"the ends of int64", []Change{add(math.MinInt64), add(math.MaxInt64), add(math.MinInt64 + 1)}, add(math.MinInt64), nil},
	} {
		other := Change{"p", "other", Add, nil, 1}
		batch := Batch{
			From: Checkpoint{Log: "log"}, To: Checkpoint{Log: "log", Resumed: 1},
			Changes: append([]Change{other}, append(c.changes, other)...),
		}
		got, err := batch.Net(t.Context())
		if c.err != nil {
			if !errors.Is(err, c.err) {
				t.Errorf("%s: error is %v, want %v", c.name, err, c.err)
			}
			continue
		}
		other.Delta = 2
		if diff := cmp.Diff([]Change{other, c.want}, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", c.name, err, diff)
		}
	}
}

func TestNetOfAFirstBatch(t *testing.T) {
	change := func(field string, op Op, n int64) Change { return Change{"p", field, op, nil, n} }
	batch := Batch{To: Checkpoint{Log: "log"}, Changes: []Change{
		change("a", Add, 1), change("b", Delete, 0), change("a", Add, 2), change("b", Add, 7), change("c", Set, 4), change("c", Add, -4),
	}}
	got, err := batch.Net(t.Context())
	if diff := cmp.Diff([]Change{change("a", Set, 3), change("b", Set, 7), change("c", Set, 0)}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// Changes in byte order are taken without looking for fields that come twice, up to the first that is not.
func TestNetOfChangesInOrder(t *testing.T) {
	add := func(partition, field string, n int64) Change { return Change{partition, field, Add, nil, n} }
	batch := Batch{From: Checkpoint{Log: "log"}, To: Checkpoint{Log: "log", Resumed: 1}, Changes: []Change{
		add("p", "b", 1), add("p", "c", 2), add("q", "a", 3), add("q", "a", 10), add("q", "b", 4), add("p", "c", 20), add("r", "a", 5), add("q", "b", 40),
	}}
	got, err := batch.Net(t.Context())
	want := []Change{add("p", "b", 1), add("p", "c", 22), add("q", "a", 13), add("q", "b", 44), add("r", "a", 5)}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestAddCounter(t *testing.T) {
	const highest, lowest = math.MaxInt64, math.MinInt64
	for _, c := range []struct {
		a, b, sum int64
		err       error
	}{
		{1, 2, 3, nil}, {highest, 0, highest, nil}, {lowest, 0, lowest, nil}, {0, lowest, lowest, nil}, {highest, lowest, -1, nil},
		{highest - 1, 1, highest, nil}, {lowest + 1, -1, lowest, nil},
		{highest, 1, 0, ErrOverflow}, {1, highest, 0, ErrOverflow}, {lowest, -1, 0, ErrOverflow}, {-1, lowest, 0, ErrOverflow},
		{lowest, lowest, 0, ErrOverflow}, {highest, highest, 0, ErrOverflow},
	} {
		if sum, err := AddCounter(c.a, c.b); sum != c.sum || !errors.Is(err, c.err) {
			t.Errorf("%d + %d is %d, %v", c.a, c.b, sum, err)
		}
	}
}

func TestRowText(t *testing.T) {
	for row, valid := range map[string]bool{
		`"\\u0000"`: true, `"\\\\u0000"`: true, `"\u00000"`: false, `"\\\u0000"`: false, `{"\u0000":1}`: false,
		`"\ud83c\udf55"`: true, `"\uD83C\uDF55x"`: true, `"\ud83c"`: false, `"\ud83cx"`: false, `"\ud83c\ud83c"`: false,
		`"\ud83c\n"`: false, `"\udf55"`: false, `"\\ud83c"`: true, `"\ue000\ud7ff"`: true, `"\ud83c\\udf55"`: false,
	} {
		if err := checkRow([]byte(row)); (err == nil) != valid {
			t.Errorf("%s: %v", row, err)
		}
	}
}
