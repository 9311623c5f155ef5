package stream_test

import (
	"slices"
	"strings"
	"testing"

	"daybook/domain/stream"
)

func TestEveryStreamHasAPrefix(t *testing.T) {
	names := append(stream.Own("S"), stream.Store("S"), stream.Menu("S"), stream.Tab("S", "T"), stream.Import("S", "B"),
		stream.Owner("O"), stream.Pairing("P"), stream.Claim("S", "C"), stream.Parked("tabs"))
	for _, name := range names {
		if !slices.ContainsFunc(stream.Prefixes(), func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			t.Errorf("stream %s has none of the prefixes %v", name, stream.Prefixes())
		}
	}
}
