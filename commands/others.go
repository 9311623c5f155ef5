package commands

import (
	"fmt"
	"sync/atomic"
	"time"

	"daybook/eventstore"
)

// lateMax is how late a decision may learn what another process appended to a stream that the decision reads and does not
// append to: the price of a product, or that a tablet was revoked. It learns what this process appended at once.
const lateMax = time.Second

// moment counts what happens in a service, so that of two things it can be said which was first. 0 is before all.
type moment uint64

// others is what a service knows of other processes that append to its log. Make it with newOthers.
type others struct {
	late   time.Duration // lateMax
	clock  atomic.Uint64
	alone  atomic.Bool   // there are none
	since  atomic.Uint64 // the moment from which on they are followed without a gap; 0: they are not
	proved atomic.Int64  // when it was last shown that what they had appended was folded, since processBegan
	cut    atomic.Uint64 // the moment at which all that was folded before was dropped
	place  *place        // up to where they are followed
	went   func()        // is called when a stream turns out to be shorter than it was, or the log says that it has gone back

	history func() uint64 // the log's, see eventstore.Restorable
	seen    atomic.Uint64 // the history that what is folded is of
}

func newOthers() *others { return &others{late: lateMax, place: newPlace()} }

var processBegan = time.Now()

func (o *others) tick() moment { return moment(o.clock.Add(1)) }

func (o *others) none() bool { return o.alone.Load() }

// followed says whether a stream that was read then has been kept up to date, but for the last lateMax.
func (o *others) followed(read moment) bool {
	since := moment(o.since.Load())
	return o.none() || since != 0 && read > since && o.unproved() <= o.late
}

// unproved is how long ago it was last shown that what others had appended was folded.
func (o *others) unproved() time.Duration {
	return time.Since(processBegan) - time.Duration(o.proved.Load())
}

// prove notes that all that was appended before a time is folded.
func (o *others) prove(at time.Time) { o.proved.Store(int64(at.Sub(processBegan))) }

// begin and end note that following begins, with the moment from which on nothing is missed, and that it ends.
func (o *others) begin(from moment) { o.since.Store(uint64(from)) }
func (o *others) end()              { o.since.Store(0) }

func (o *others) drop() { o.cut.Store(uint64(o.tick())) }

// asks is the moment at which something begins that must not go on once the log goes back.
func (o *others) asks() moment {
	o.look()
	return o.tick()
}

// look drops all that is folded if the log has gone back since the last look.
func (o *others) look() {
	if now := o.history(); o.seen.Swap(now) != now {
		o.went()
	}
}

// dropped says whether what was folded or known at a moment is void.
func (o *others) dropped(began moment) bool {
	o.look()
	return began < moment(o.cut.Load())
}

// errDropped: a command was decided on what an older copy of the log, which was put in its place, need not hold.
var errDropped = fmt.Errorf("%w: %w", eventstore.ErrUnavailable, errWentBack)
