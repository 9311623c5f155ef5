package projections

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKnownRows(t *testing.T) {
	k := newKnownRows(RowsBytes)
	stored := map[string]Value{"a": {Row: []byte(`"a"`)}, "b": {Row: []byte(`"b"`)}}
	var asked []string
	read := func(fields ...string) map[string]Value {
		t.Helper()
		asked = nil
		values, err := k.read(t.Context(), "p", fields, func(_ context.Context, partition string, fields []string) (map[string]Value, error) {
			found := map[string]Value{}
			for _, field := range fields {
				asked = append(asked, partition+" "+field)
				if value, is := stored[field]; is {
					found[field] = value
				}
			}
			return found, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	expect := func(what string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", what, diff)
		}
	}
	k.applied([]Change{{Partition: "p", Field: "a", Op: Put, Row: []byte(`"not remembered: nobody reads yet"`)}})
	expect("first read", read("a", "none"), map[string]Value{"a": stored["a"]})
	expect("asked", asked, []string{"p a", "p none"})
	expect("second read", read("a", "b", "none"), map[string]Value{"a": stored["a"], "b": stored["b"]})
	expect("asked for what is new", asked, []string{"p b"})

	k.applied([]Change{
		{Partition: "p", Field: "a", Op: Put, Row: []byte(`"changed"`)}, {Partition: "p", Field: "b", Op: Delete},
		{Partition: "p", Field: "new", Op: Put, Row: []byte(`"new"`)}, {Partition: "q", Field: "none", Op: Put, Row: []byte(`"another"`)},
	})
	expect("after changes", read("a", "b", "new", "none"), map[string]Value{"a": {Row: []byte(`"changed"`)}, "new": {Row: []byte(`"new"`)}})
	expect("asked", asked, []string(nil))

	stored["a"] = Value{Counter: 7}
	k.applied([]Change{{Partition: "p", Field: "a", Op: Delete}, {Partition: "p", Field: "a", Op: Add, Delta: 7}})
	expect("a counter", read("a"), map[string]Value{"a": {Counter: 7}})
	expect("asked", asked, []string{"p a"})
}

// Memory is bounded, and what is used again and again stays.
func TestKnownRowsAreForgotten(t *testing.T) {
	k := newKnownRows(RowsBytes)
	large := []byte(`"` + strings.Repeat("x", 100_000) + `"`)
	gets := 0
	read := func(field string) {
		t.Helper()
		values, err := k.read(t.Context(), "p", []string{field}, func(context.Context, string, []string) (map[string]Value, error) {
			gets++
			return map[string]Value{field: {Row: large}}, nil
		})
		if err != nil || len(values[field].Row) != len(large) {
			t.Fatal(values, err)
		}
	}
	for i := range 1000 {
		read(fmt.Sprint(i))
		read("often")
		if s := k.kept.Stats(); s.Bytes > RowsBytes || s.Entries*int64(len(large)) > s.Bytes {
			t.Fatalf("after %d rows: %+v", i, s)
		}
	}
	if gets != 1001 {
		t.Errorf("%d gets of 1001 rows", gets)
	}
	if read("0"); gets != 1002 {
		t.Error("the oldest row was not forgotten")
	}
}
