package embedded

import (
	"container/list"

	"daybook/eventstore"
)

// headsCached streams' last revisions are kept in memory, about 10 MiB. Tabs that are open are far fewer.
const headsCached = 65536

// heads is a bounded cache of streams' last revisions, the least recently used leaving first. Only the committer uses it.
type heads struct {
	max     int
	entries map[string]*list.Element
	order   list.List // of headEntry, most recently used in front
}

type headEntry struct {
	stream   string
	revision eventstore.Revision
}

func newHeads(max int) *heads {
	return &heads{max: max, entries: map[string]*list.Element{}}
}

func (h *heads) get(stream string) (eventstore.Revision, bool) {
	e, ok := h.entries[stream]
	if !ok {
		return 0, false
	}
	h.order.MoveToFront(e)
	return e.Value.(headEntry).revision, true
}

func (h *heads) put(stream string, revision eventstore.Revision) {
	if e, ok := h.entries[stream]; ok {
		e.Value = headEntry{stream, revision}
		h.order.MoveToFront(e)
		return
	}
	if len(h.entries) >= h.max {
		oldest := h.order.Back()
		delete(h.entries, h.order.Remove(oldest).(headEntry).stream)
	}
	h.entries[stream] = h.order.PushFront(headEntry{stream, revision})
}
