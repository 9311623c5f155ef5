package domaintest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"daybook/domain/refusal"
)

// Refusals are the refusals that a package declares, by the names of their variables.
type Refusals map[string]*refusal.Refusal

// holds reports whether a refusal is itself one of these.
func (all Refusals) holds(r *refusal.Refusal) bool {
	return slices.Contains(slices.Collect(maps.Values(all)), r)
}

// know reports whether a refusal is one of these or a With of one.
func (all Refusals) know(r *refusal.Refusal) bool {
	return r != nil && slices.ContainsFunc(slices.Collect(maps.Values(all)), func(declared *refusal.Refusal) bool {
		return declared.Code == r.Code && declared.Kind == r.Kind
	})
}

// RefusedAll fails unless declared lists every refusal that the source of the package declares, and each has a case.
func RefusedAll(t *testing.T, declared Refusals, met ...[]*refusal.Refusal) {
	t.Helper()
	listed := map[string]bool{}
	for name, r := range declared {
		listed[name] = true
		if !slices.Contains(slices.Concat(met...), r) {
			t.Errorf("refusal %s (%s) has no case", name, r.Code)
		}
	}
	missing(t, "refusal", refusalVars(source(t)), listed)
}

// missing fails for each declared name that was not met.
func missing(t *testing.T, kind string, declared []string, met map[string]bool) {
	t.Helper()
	if len(declared) == 0 {
		t.Errorf("the source declares no %s", kind)
	}
	for _, name := range declared {
		if !met[name] {
			t.Errorf("%s %s has no case", kind, name)
		}
	}
}

// declared names the types that make up T: of a sealed interface those with its unexported method, else T itself.
func declared[T any](t *testing.T) []string {
	t.Helper()
	typ := reflect.TypeFor[T]()
	if typ.Kind() != reflect.Interface {
		return []string{typ.Name()}
	}
	for m := range typ.Methods() {
		if !m.IsExported() {
			return receivers(source(t), m.Name)
		}
	}
	t.Fatalf("%s is not sealed", typ)
	return nil
}

// source parses the package that is being tested, which stands in the working directory.
func source(t *testing.T) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// receivers names the types that have a method.
func receivers(files []*ast.File, method string) (names []string) {
	for _, file := range files {
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != method {
				continue
			}
			if typ, ok := f.Recv.List[0].Type.(*ast.Ident); ok {
				names = append(names, typ.Name)
			}
		}
	}
	return names
}

// refusalVars names the variables that are set to refusal.New at the top of a file.
func refusalVars(files []*ast.File) (names []string) {
	for _, file := range files {
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.VAR {
				continue
			}
			for _, spec := range group.Specs {
				if v := spec.(*ast.ValueSpec); len(v.Values) == 1 && isRefusal(v.Values[0]) {
					names = append(names, v.Names[0].Name)
				}
			}
		}
	}
	return names
}

func isRefusal(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || f.Sel.Name != "New" {
		return false
	}
	from, ok := f.X.(*ast.Ident)
	return ok && from.Name == "refusal"
}
