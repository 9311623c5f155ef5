package parked_test

import (
	"testing"

	"daybook/domain/domaintest"
	"daybook/domain/event"
	"daybook/domain/parked"
)

func TestFrozenSamples(t *testing.T) {
	domaintest.Frozen(t, event.Widen(parked.Catalog), map[string]domaintest.Sample{
		"parked.skipped.v1": {
			Complete: parked.Skipped{
				Stream: "tab-k3v9qd-t1.42", Revision: 3, Type: "tab.closed.v1", Error: `beyond the limits of a tab: "비빔밥"`,
			},
			Minimal: parked.Skipped{Stream: "tab-k3v9qd-t1.42", Type: "tab.closed.v1"},
		},
	})
}
