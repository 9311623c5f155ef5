package kurrent

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/eventstore"
)

const (
	metadataPrefix = "$$"
	tombstoneType  = "$streamDeleted"
)

// Meddled names, in byte order, the streams of this log whose events an operator of the server may have hidden or deleted:
// those that have metadata ($maxCount, $maxAge, $tb, which a soft delete sets, too), and those that were tombstoned.
// Whether events are missing is told by reading them. A server before 23.10 cannot be asked; then none are named.
func (s *Store) Meddled(ctx context.Context) ([]string, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var found map[string]bool
	filter := &esdb.SubscriptionFilter{Type: esdb.EventFilterType, Regex: `^\$(metadata|streamDeleted)$`}
	err = s.try(ctx, func(l *link) (bool, error) {
		found = map[string]bool{}
		if !l.version.saysCaughtUp() {
			return false, nil
		}
		for e, err := range s.filtered(ctx, l, eventstore.Position{}, filter) {
			if err != nil {
				return false, err
			}
			name, isMetadata := strings.CutPrefix(e.Stream, metadataPrefix)
			if (isMetadata || e.Type == tombstoneType) && s.ours(name, "") {
				found[name] = true
			}
		}
		return false, nil
	})
	return slices.Sorted(maps.Keys(found)), err
}
