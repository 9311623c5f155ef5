package stream_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"daybook/domain/command"
	"daybook/domain/stream"
)

// domain is where the packages of the aggregates stand, seen from here.
const domain = ".."

// TestEveryCategoryIsAKind: a category that this package declares has its line in the list, and only those have.
func TestEveryCategoryIsAKind(t *testing.T) {
	var listed []string
	for _, k := range stream.Kinds() {
		listed = append(listed, k.Category)
	}
	var declared []string
	for _, file := range sources(t, ".") {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, is := n.(*ast.ValueSpec)
			if is && strings.HasSuffix(spec.Names[0].Name, "Category") && len(spec.Values) == 1 {
				declared = append(declared, literal(t, spec.Values[0]))
			}
			return true
		})
	}
	slices.Sort(listed)
	slices.Sort(declared)
	if len(declared) < 8 || !slices.Equal(listed, declared) {
		t.Errorf("the kinds are %v, the declared categories %v", listed, declared)
	}
}

var storedName = regexp.MustCompile(`^[a-z_]+\.[a-z_]+\.v[0-9]+$`)

// TestEveryStoredNameIsInOneCatalog: whatever event a package of the domain declares, one kind of streams holds it.
func TestEveryStoredNameIsInOneCatalog(t *testing.T) {
	declared := map[string]bool{}
	for _, file := range sources(t, domain) {
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, is := n.(*ast.BasicLit); is && lit.Kind == token.STRING && storedName.MatchString(literal(t, lit)) {
				declared[literal(t, lit)] = true
			}
			return true
		})
	}
	if len(declared) < 17 {
		t.Fatalf("the domain declares %v only", declared)
	}
	for name := range declared {
		var of []string
		for _, k := range stream.Kinds() {
			if k.Catalog[name] != nil {
				of = append(of, k.Category)
			}
		}
		if len(of) != 1 {
			t.Errorf("event %s stands in streams of the kinds %q, not of one", name, of)
		}
	}
	for _, k := range stream.Kinds() {
		for name := range k.Catalog {
			if !declared[name] {
				t.Errorf("kind %s has %s, which no package declares", k.Category, name)
			}
		}
	}
}

// TestEveryStoredNameHasSamples: whatever kind an event is of, its two frozen samples stand with it, and are read by
// the list.
func TestEveryStoredNameHasSamples(t *testing.T) {
	for _, k := range stream.Kinds() {
		if len(k.Catalog) == 0 {
			t.Errorf("kind %s holds nothing", k.Category)
		}
		for name := range k.Catalog {
			for _, file := range []string{name + ".json", name + ".minimal.json"} {
				found, err := filepath.Glob(filepath.Join(domain, "*", "testdata", "events", file))
				if err != nil || len(found) != 1 {
					t.Errorf("%s has the samples %v, %v", file, found, err)
					continue
				}
				data, err := os.ReadFile(found[0])
				if err != nil {
					t.Fatal(err)
				}
				if e, err := k.Catalog.Decode(name, data); err != nil || e.EventType() != name {
					t.Errorf("%s is read as %v, %v", file, e, err)
				}
			}
		}
	}
}

// names are streams of every kind, and whether they hold what happened to store S.
var names = map[string]bool{
	stream.Store("S"): true, stream.Menu("S"): true, stream.Tab("S", "T"): true, stream.Import("S", "B"): true,
	stream.Store("R"): false, stream.Menu("R"): false, stream.Tab("R", "S"): false, stream.Import("R", "S"): false,
	stream.Claim("S", "C"): false,
	stream.Owner("S"):      false, stream.Pairing("S"): false, stream.Parked("tabs"): false,
}

func TestPrefixesFollowFromTheKinds(t *testing.T) {
	begins := func(name string, prefixes []string) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	}
	categories := map[string]bool{}
	for name, own := range names {
		category, _, _ := stream.Parse(name)
		categories[category] = true
		if !begins(name, stream.Prefixes()) {
			t.Errorf("stream %s has none of the prefixes %v", name, stream.Prefixes())
		}
		if begins(name, stream.Own("S")) != own {
			t.Errorf("stream %s and the store's own prefixes %v: want %t", name, stream.Own("S"), own)
		}
		if stream.IsAside(name) != (category == stream.ClaimCategory) {
			t.Errorf("stream %s is aside: %t", name, stream.IsAside(name))
		}
	}
	for _, k := range stream.Kinds() {
		if !categories[k.Category] {
			t.Errorf("kind %s has no name here", k.Category)
		}
		if of, is := stream.KindOf(k.Category); !is || !slices.Equal(sorted(of.Catalog), sorted(k.Catalog)) {
			t.Errorf("KindOf(%s) = %v, %t", k.Category, of, is)
		}
	}
	if k, is := stream.KindOf("foreign"); is || stream.IsAside("foreign-"+command.ClaimedType) {
		t.Errorf("KindOf a foreign category = %v", k)
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// sources parses the Go files below a directory, but tests and what is for tests.
func sources(t *testing.T, dir string) (files []*ast.File) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "domaintest" || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		files = append(files, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func literal(t *testing.T, e ast.Expr) string {
	t.Helper()
	text, err := strconv.Unquote(e.(*ast.BasicLit).Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
