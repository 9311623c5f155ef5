package esdbserver

import (
	"context"
	"strconv"
	"strings"

	"daybook/eventstore"
)

// linked fetches what a link event points at: its data is "revision@stream". It is false for a link that leads nowhere,
// as to a stream that was deleted.
func (n *node) linked(ctx context.Context, link eventstore.Event) (target eventstore.Event, ok bool, err error) {
	number, stream, found := strings.Cut(string(link.Data), "@")
	at, errNumber := strconv.ParseInt(number, 10, 64)
	if !found || errNumber != nil || at < 0 || stream == "" {
		return target, false, nil
	}
	state, err := n.state(ctx, stream)
	if err != nil || !state.exists() || eventstore.Revision(at) < state.first() {
		return target, false, err
	}
	read := eventstore.StreamRead{From: eventstore.Revision(at), Limit: 1}
	for e, err := range n.store.ReadStream(ctx, stream, read) {
		return e, err == nil, err
	}
	return target, false, nil
}
