package command_test

import (
	"testing"

	"daybook/domain/command"
	"daybook/domain/domaintest"
	"daybook/domain/event"
)

func TestFrozenSamples(t *testing.T) {
	domaintest.Frozen(t, event.Widen(command.Catalog), map[string]domaintest.Sample{
		"command.unchanged.v1": {Complete: command.Unchanged{}, Minimal: command.Unchanged{}},
		"command.claimed.v1": {
			Complete: command.Claimed{Stream: "tab-k3v9qd-t1.7"},
			Minimal:  command.Claimed{Stream: "menu-k3v9qd"},
		},
	})
}
