package domaintest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

func TestSourceTellsWhatAPackageDeclares(t *testing.T) {
	const text = `package shelf
var (
	ErrFull = refusal.New(refusal.TooMuch, "full", "")
	ErrIO   = errors.New("io")
	limit   = 4
)
var ErrEmpty = refusal.New(refusal.Conflict, "empty", "")
type Put struct{}
type Take struct{}
func (Put) shelfCommand() {}
func (Take) shelfCommand() {}
func (Take) String() string { return "" }
func shelfCommand() {}
`
	file, err := parser.ParseFile(token.NewFileSet(), "shelf.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	files := []*ast.File{file}
	if got := refusalVars(files); !slices.Equal(got, []string{"ErrFull", "ErrEmpty"}) {
		t.Errorf("refusals %v", got)
	}
	if got := receivers(files, "shelfCommand"); !slices.Equal(got, []string{"Put", "Take"}) {
		t.Errorf("commands %v", got)
	}
}
