package follow

import "daybook/eventstore"

// NewFeedOf is NewFeed with another bound of the window.
func NewFeedOf(store eventstore.Store, windowBytes int) *Feed {
	f := NewFeed(store)
	f.windowBytes = windowBytes
	return f
}

// Kept is how many bytes and batches the feed's window holds.
func (f *Feed) Kept() (bytes, batches int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shared == nil {
		return 0, 0
	}
	return f.shared.bytes, len(f.shared.window)
}

// Waiting is how many wait for an outcome.
func (o *Outcomes) Waiting() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, waiters := range o.waiting {
		n += len(waiters)
	}
	return n
}
