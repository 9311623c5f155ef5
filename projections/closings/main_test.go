package closings_test

import (
	"flag"
	"testing"
)

// TestMain has the properties tried more often than rapid would by itself. -rapid.checks still decides.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "300"); err != nil {
		panic(err)
	}
	m.Run()
}
