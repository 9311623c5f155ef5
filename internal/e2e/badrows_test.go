package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// badHeader and goodRow are a file that could be imported; the tests below break one row each.
const (
	badHeader = "order_id,ordered_at,product_code,product_name,category,quantity,unit_price,note"
	goodRow   = "%s,2024-05-01T12:00:00,c1,Soup,Starters,2,3.50,\"two\nlines\""
)

// TestImportRefusesBadRows: a row that is wrong is named with its line, and nothing is imported, not even the store.
func TestImportRefusesBadRows(t *testing.T) {
	rows := map[string]string{
		"no date":              "x,,c1,Soup,Starters,2,3.50,",
		"a word for a date":    "x,yesterday,c1,Soup,Starters,2,3.50,",
		"month 13":             "x,2024-13-01T12:00:00,c1,Soup,Starters,2,3.50,",
		"30 February":          "x,2024-02-30T12:00:00,c1,Soup,Starters,2,3.50,",
		"in a gap of clocks":   "x,2024-03-10T02:30:00,c1,Soup,Starters,2,3.50,",
		"three decimals":       "x,2024-05-01T12:00:00,c1,Soup,Starters,2,3.505,",
		"negative price":       "x,2024-05-01T12:00:00,c1,Soup,Starters,2,-3.50,",
		"no price":             "x,2024-05-01T12:00:00,c1,Soup,Starters,2,,",
		"price in words":       "x,2024-05-01T12:00:00,c1,Soup,Starters,2,3e2,",
		"price above all":      "x,2024-05-01T12:00:00,c1,Soup,Starters,2,10000000.01,",
		"quantity 0":           "x,2024-05-01T12:00:00,c1,Soup,Starters,0,3.50,",
		"quantity -1":          "x,2024-05-01T12:00:00,c1,Soup,Starters,-1,3.50,",
		"quantity 1.5":         "x,2024-05-01T12:00:00,c1,Soup,Starters,1.5,3.50,",
		"quantity above all":   "x,2024-05-01T12:00:00,c1,Soup,Starters,10000001,3.50,",
		"no product":           "x,2024-05-01T12:00:00,,Soup,Starters,2,3.50,",
		"a field too few":      "x,2024-05-01T12:00:00,c1,Soup,Starters,2,3.50",
		"a field too many":     "x,2024-05-01T12:00:00,c1,Soup,Starters,2,3.50,,",
		"an order of two days": "first,2024-05-02T12:00:00,c1,Soup,Starters,2,3.50,",
	}
	in := install(t)
	for what, row := range rows {
		// The good row takes two lines, so the bad one begins on the sixth.
		lines := []string{badHeader, fmt.Sprintf(goodRow, "first"), fmt.Sprintf(goodRow, "second"), row, fmt.Sprintf(goodRow, "last")}
		in.refusesFile(t, what, strings.Join(lines, "\n"), "line 6")
	}
	many := badHeader + strings.Repeat("\n"+rows["no price"], 150) + "\n" + rows["quantity 0"]
	in.refusesFile(t, "many bad rows", many, "151 faults", "line 2, column unit_price", "line 101, column unit_price", "and 51 more")
	in.refusesFile(t, "no quantity column", strings.Replace(badHeader, "quantity", "number", 1)+"\n", "line 1")
	in.refusesFile(t, "empty", "", "line 1")
	if entries := in.logEntries(); entries != "0" {
		t.Errorf("the log has %s entries after files that were refused, want none", entries)
	}
	in.serve()
	// A file that is long enough for the server to refuse it while it is still being sent.
	long := badHeader + "\n" + rows["no date"] + strings.Repeat("\n"+fmt.Sprintf(goodRow, "more"), 200_000)
	in.refusesFile(t, "long, to a server", long, "line 2")
	in.refusesFile(t, "to a server", badHeader+"\n"+rows["no price"], "line 2")
	if entries := in.logEntries(); entries != "0" {
		t.Errorf("the log has %s entries after the server refused files, want none", entries)
	}
}

func (in *installation) refusesFile(t *testing.T, what, content string, words ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), what+".csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &salesFile{path: path}
	if o := in.refused(f.importArgs(), words...); o.stdout != "" {
		t.Errorf("%s: %q on standard output", what, o.stdout)
	}
}
