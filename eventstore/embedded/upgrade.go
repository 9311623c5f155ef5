package embedded

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"daybook/eventstore"
)

// upgradeBytes is how much one write of an upgrade holds.
const upgradeBytes = 4 << 20

// upgrade brings a log of an earlier format to today's. Interrupted, it is begun again at the next Open: what it writes
// is the same each time, and the mark names the new format only after it.
//
// From 2 to 3: a log of format 2 does not say which event began an append, so each event gets an entry by its id.
func (s *Store) upgrade(m *mark) error {
	if m.Format == format {
		return nil
	}
	head := s.head.Load()
	s.log().Info("event log: upgrading its format", "dir", s.options.Dir, "from", m.Format, "to", format, "events", head)
	batch := s.db.NewBatch()
	for e, err := range s.ReadAll(context.Background(), eventstore.LogRead{}) {
		if err != nil {
			return err
		}
		key := appendIDKey(nil, e.ID)
		if err := batch.Set(key, appendIDValue(nil, key, e.Position.Commit), nil); err != nil {
			return err
		}
		if batch.Len() < upgradeBytes {
			continue
		}
		if err := batch.Commit(pebble.NoSync); err != nil {
			return err
		}
		batch = s.db.NewBatch()
		s.log().Info("event log: upgrading its format", "done", e.Position.Commit, "events", head)
	}
	if err := s.commit(batch); err != nil { // its sync covers all that was written before
		return err
	}
	m.Format = format
	return nil
}
