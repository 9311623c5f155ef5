package e2e

import (
	"regexp"
	"testing"
)

var offered = regexp.MustCompile(`esdb://[0-9.:]+\?tls=false`)

// eventStore starts a server that offers its log over EventStoreDB's protocol, and returns the environment of one that
// keeps its log there.
func eventStore(t *testing.T) []string {
	t.Helper()
	s := install(t).serve("--esdb-listen", "127.0.0.1:0", "--esdb-writable")
	url := offered.FindString(s.said.String())
	if url == "" {
		t.Fatalf("the server does not say where it offers its log:\n%s", s.said)
	}
	return []string{"DAYBOOK_EVENTSTORE=" + url, "DAYBOOK_LOCAL_SIGN_IN=true"}
}
