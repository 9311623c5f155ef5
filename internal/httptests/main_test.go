package httptests

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// TestMain, when all tests ran and passed, also asks that each answer of the document was seen, and that nothing runs
// on.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" {
		for _, text := range neverSeen() {
			fmt.Fprintln(os.Stderr, "no test provokes this answer of the document:", text)
			code = 1
		}
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// seen are the answers that came: operation, status and, of problems, code.
var seen sync.Map

func provoked(a answer) {
	seen.Store(strings.TrimSpace(fmt.Sprint(a.call.op, " ", a.status, " ", a.fault.Code)), true)
}

// unprovoked are codes that no test here provokes, and why.
var unprovoked = map[string]string{
	"internal":              "a fault of the server; provoked in httpapi",
	"log_unavailable":       "the embedded log is there or the server is not; provoked in httpapi",
	"overloaded":            "500 large bodies at once; provoked in httpapi",
	"store_limit_reached":   "1000 stores; provoked in commands",
	"timeout":               "a log that answers too late; provoked in httpapi",
	"pairing_code_taken":    "one in 2^40; provoked in the domain",
	"product_limit_reached": "2000 products; provoked in the domain",
	"getReadiness 503":      "a server that cannot serve; provoked where it is wired",
}

// neverSeen lists the answers of the document that did not come.
func neverSeen() []string {
	var missing []string
	for _, op := range document().operations() {
		for status, response := range document().route(op).Operation.Responses.Map() {
			for _, code := range codesOf(response.Value) {
				text := strings.TrimSpace(op + " " + status + " " + code)
				if _, is := seen.Load(text); !is && unprovoked[code] == "" && unprovoked[text] == "" {
					missing = append(missing, text)
				}
			}
		}
	}
	sort.Strings(missing)
	return missing
}
