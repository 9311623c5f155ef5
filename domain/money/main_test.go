package money_test

import (
	"flag"
	"testing"
)

// TestMain has the properties tried more often than rapid would by itself; they are cheap. -rapid.checks still decides.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "5000"); err != nil {
		panic(err)
	}
	m.Run()
}
