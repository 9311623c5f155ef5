package embedded

import "context"

// MergingFrom makes reads of the log go along lanes from that many positions on, where few lanes can hold a match.
func MergingFrom(o Options, gap uint64) Options {
	o.mergeFromGap = gap
	return o
}

// Compact brings everything to the lowest level, where nearly all of a large log is.
func (s *Store) Compact(ctx context.Context) error {
	return s.db.Compact(ctx, []byte{0}, []byte{255}, true)
}
