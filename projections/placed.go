package projections

import (
	"encoding/json"
	"fmt"
	"hash/maphash"

	"daybook/domain/tab"
	"daybook/eventstore"
)

// places remembers in which stream each command, order and payment of one store stands. Each stands in one: whatever
// stands in two happened twice. Of ids and streams their hashes are kept, 16 bytes, so that a million sales take some
// 50 MB; that two of ten million ids are taken for one has a chance of a few in a million.
type places struct {
	seed    maphash.Seed
	streams map[uint64]uint64 // by id
}

func newPlaces() *places { return &places{maphash.MakeSeed(), map[uint64]uint64{}} }

// command notes the command that an event is of. Events that no command of ours wrote have none.
func (p *places) command(e eventstore.Event) error {
	var meta struct {
		CommandID string `json:"commandId"`
	}
	if len(e.Metadata) == 0 {
		return nil
	}
	if err := json.Unmarshal(e.Metadata, &meta); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if meta.CommandID == "" {
		return nil
	}
	return p.note("command", meta.CommandID, e.Stream)
}

// fact notes the order or payment that an event of a tab tells of.
func (p *places) fact(name string, e tab.Event) error {
	switch e := e.(type) {
	case tab.OrderPlaced:
		return p.note("order", e.OrderID, name)
	case tab.PaymentCompleted:
		return p.note("payment", e.PaymentID, name)
	case tab.Opened, tab.Closed:
	}
	return nil
}

func (p *places) note(kind, id, name string) error {
	key, at := maphash.String(p.seed, kind+" "+id), maphash.String(p.seed, name)
	if before, known := p.streams[key]; known && before != at {
		return fmt.Errorf("%s %s stands in another stream, too: it happened twice", kind, id)
	}
	p.streams[key] = at
	return nil
}
