package sinktest

import (
	"strings"

	"daybook/projections"
)

var valueCases = []testCase{
	{"changes of one field take effect in their order", func(f *fixture) {
		f.apply(add("p", "n", 1), add("p", "n", 2), add("p", "n", -4))
		f.holds(content{"p": {"n": "-1"}})
		f.apply(add("p", "n", 100), remove("p", "n"), add("p", "n", 7))
		f.holds(content{"p": {"n": "7"}})
		f.apply(remove("p", "n"), add("p", "n", 1), remove("p", "n"))
		f.holds(content{})
		f.apply(put("p", "n", `"a"`), put("p", "n", `"b"`), remove("p", "m"), put("p", "m", `[]`))
		f.holds(content{"p": {"n": `"b"`, "m": `[]`}})
		f.apply(set("p", "n", 5), add("p", "n", 1), put("p", "m", `{}`), remove("p", "m"))
		f.holds(content{"p": {"n": "6"}})
		f.apply(add("p", "n", 1), set("p", "n", 40), add("q", "n", 1), add("p", "n", 2), put("q", "n", `["q"]`))
		f.holds(content{"p": {"n": "42"}, "q": {"n": `["q"]`}})
	}},
	{"a put replaces a counter, a set replaces a row", func(f *fixture) {
		f.apply(add("p", "a", 1), put("p", "b", `{"row":1}`), put("p", "c", `["row"]`))
		f.apply(put("p", "a", `{"row":2}`), set("p", "b", -2), remove("p", "c"), add("p", "c", 3))
		f.holds(content{"p": {"a": `{"row":2}`, "b": "-2", "c": "3"}})
		f.apply(remove("p", "a"), add("p", "b", 2), set("p", "c", 0))
		f.apply(add("p", "a", 9))
		f.holds(content{"p": {"a": "9", "b": "0", "c": "0"}})
	}},
	{"a counter stays at zero", func(f *fixture) {
		f.apply(add("p", "new", 0), add("p", "back", 5), set("p", "set", 0))
		f.apply(add("p", "back", -5))
		f.holds(content{"p": {"new": "0", "back": "0", "set": "0"}})
	}},
	{"rows come back as the same values", func(f *fixture) {
		rows := map[string]string{
			"integers": `[9223372036854775807,-9223372036854775808,9007199254740993,0,-1]`,
			"text":     `"디아볼로 \"pizza\" \\ \/ \n \t \u00e9 \ud83c\udf55 🍕 \\u0000 \\ud800"`,
			"empty":    `""`, "object": `{}`, "array": `[]`,
			"digits": `"12"`,
			"nested": `{"b":[{"a":null,"":false}],"a":{"long":"` + strings.Repeat("한", 5000) + `"},"c d":1.5}`,
			"spaces": " \n\t{ \"a\" : 1 , \"0\" : [ 2 ] }\r\n",
			"<&>":    `"<&>\u2028"`,
			"large":  `"` + strings.Repeat("x", projections.RowBytesMax-2) + `"`,
		}
		want := map[string]string{}
		for field, row := range rows {
			f.apply(put("p", field, row))
			want[field] = canonical([]byte(row))
		}
		f.holds(content{"p": want})
		for field := range rows {
			got, _, err := f.sink.Get(f.Context(), f.target, "p", field)
			f.ok(err)
			f.same(text(got[field]), want[field])
			if got[field].Row == nil {
				f.Fatalf("%s came back as a counter", field)
			}
		}
	}},
	{"a sink keeps no hold of a batch's memory", func(f *fixture) {
		row := []byte(`{"a":1}`)
		change := put("p", "row", "")
		change.Row = row
		f.apply(change)
		copy(row, `{"b":2}`)
		f.holds(content{"p": {"row": `{"a":1}`}})
	}},
	{"names may hold anything but NUL", func(f *fixture) {
		want := content{}
		var changes []projections.Change
		for i, partition := range oddNames {
			want[partition] = map[string]string{}
			for j, field := range oddNames {
				n := int64(i*len(oddNames) + j)
				changes = append(changes, add(partition, field, n))
				want[partition][field] = text(projections.Value{Counter: n})
			}
		}
		f.apply(changes...)
		f.holds(want)
		f.apply(remove("a", "a"), remove("a:", ":a"), set("카", "카", -7))
		delete(want["a"], "a")
		delete(want["a:"], ":a")
		want["카"]["카"] = "-7"
		f.holds(want)
	}},
}

// oddNames are names that an adapter might mistake for parts of its own keys or for each other.
var oddNames = []string{
	"a", "a:", ":a", "a:a", "A", "a/b", "a|b", "{a}", "}{", "a b", " a", "a ", " ", "\x01", "a\x01", "\x7f", "\n", "\\", `"`, "'", "%", "*", "_",
	"0", "-1", "00", "1e3", "NULL", "null", "카페", "카", "é", "e\u0301", "\ufffd", "\uffff", "🍕", "\U0010ffff",
	strings.Repeat("x", projections.NameBytesMax), strings.Repeat("한", projections.NameBytesMax/3) + "yy",
}
