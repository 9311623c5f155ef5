package pebblefs

import (
	"sync/atomic"
	"time"
)

// seldomEvery is the least time between two messages that Seldom lets through.
const seldomEvery = 30 * time.Second

// Seldom lets one of many messages of a kind through, then none for half a minute. The zero value is ready; it may be
// used concurrently.
type Seldom struct{ last atomic.Int64 }

// Now says whether to tell it now.
func (s *Seldom) Now() bool {
	now, last := time.Now().UnixNano(), s.last.Load()
	return (last == 0 || now-last >= int64(seldomEvery)) && s.last.CompareAndSwap(last, now)
}
