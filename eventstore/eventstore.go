// Package eventstore is the port to the log: append with the revision that was read, read a stream or everything,
// subscribe. Package eventstoretest holds the contract below as one suite; embedded and kurrent are its adapters.
//
// Not here: what events mean (domain), who may append (commands), and how a read model is fed (projections).
package eventstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Limits that every adapter enforces with ErrInvalid. They are below KurrentDB's defaults, so that whatever the embedded
// store took can be copied there. That refuses an append from 1,048,576 bytes on.
const (
	AppendBytesMax = 1_000_000 // of all events of one append together, each as NewEvent.Size counts
	AppendMax      = 10_000    // events in one append
	StreamNameMax  = 512       // bytes
	TypeNameMax    = 128       // bytes
)

// Revision numbers the events of one stream from 0, without gaps.
type Revision int64

// NoStream is the revision of a stream that has no event yet. As an expectation it means: the stream must not exist.
const NoStream Revision = -1

// Position is a place in the log's total order. Positions grow from event to event but are not dense: nothing may be
// computed from their difference. The zero Position is before the first event. KurrentDB has two numbers, and both are
// kept; the embedded store uses one number for both.
type Position struct {
	Commit, Prepare uint64
}

// Compare returns -1, 0 or +1 as p is before, at or after q.
func (p Position) Compare(q Position) int {
	switch {
	case p == q:
		return 0
	case p.Commit < q.Commit || p.Commit == q.Commit && p.Prepare < q.Prepare:
		return -1
	}
	return 1
}

// Before reports whether p is strictly before q.
func (p Position) Before(q Position) bool { return p.Compare(q) < 0 }

// IsZero reports whether p is before the first event.
func (p Position) IsZero() bool { return p == Position{} }

// String writes p as clients see it in Daybook-Position: "commit" or, where the two differ, "commit.prepare".
func (p Position) String() string {
	if p.Commit == p.Prepare {
		return strconv.FormatUint(p.Commit, 10)
	}
	return strconv.FormatUint(p.Commit, 10) + "." + strconv.FormatUint(p.Prepare, 10)
}

// ParsePosition reads what Position.String wrote. Anything else is ErrInvalid.
func ParsePosition(s string) (Position, error) {
	commit, prepare, two := strings.Cut(s, ".")
	if !two {
		prepare = commit
	}
	c, errC := strconv.ParseUint(commit, 10, 64)
	p, errP := strconv.ParseUint(prepare, 10, 64)
	if errC != nil || errP != nil || (Position{c, p}).String() != s {
		return Position{}, fmt.Errorf("%w: %q is not a position", ErrInvalid, s)
	}
	return Position{c, p}, nil
}

// NewEvent is an event that is about to be appended.
type NewEvent struct {
	ID       uuid.UUID // the caller's; a repeated append is recognised by it
	Type     string    // the stored name, for example tab.opened.v1
	Data     []byte    // JSON
	Metadata []byte    // JSON, or nil
}

// Size is how many bytes an event counts for in the limit of an append: those of its data and its metadata, and its
// type's twice, because KurrentDB keeps names in UTF-16.
func (e NewEvent) Size() int { return len(e.Data) + len(e.Metadata) + 2*len(e.Type) }

// Event is an event of the log. Its slices belong to the caller, who must not change them.
type Event struct {
	Stream   string
	Revision Revision
	Position Position
	ID       uuid.UUID
	Type     string
	Created  time.Time // when the log took it, UTC; what happened when is told by Data
	Data     []byte
	Metadata []byte // nil if none was given
}

// Appended tells where the last event of an append stands.
type Appended struct {
	Revision Revision
	Position Position
}

// Direction of a read.
type Direction bool

const (
	Forward  Direction = false
	Backward Direction = true
)

// StreamRead says what ReadStream yields. The zero value is the whole stream, oldest first.
type StreamRead struct {
	// From is the first revision to yield, inclusive. Backward, a From of Last starts at the end.
	From      Revision
	Direction Direction
	Limit     int // 0: no limit
	// Fresh demands the newest state (in a cluster: the leader's). Commands set it for what they decide on.
	Fresh bool
}

// Last, as the From of a backward read, is the end of the stream.
const Last Revision = -1

// LogRead says what ReadAll yields. The zero value is the whole log, oldest first.
type LogRead struct {
	// After is exclusive: forward, events after it; backward, events before it, where the zero Position is the end.
	After     Position
	Direction Direction
	Filter    Filter
	Limit     int // 0: no limit
}

// Filter chooses events by stream and type. Both parts must match; an empty part matches all.
type Filter struct {
	// Prefixes of stream names. A prefix that reaches past the second '-' or to the end of a name, as "tab-S-" and
	// "store-S" do, names one store's events, and an adapter reads those without looking at other stores'.
	Prefixes []string
	Types    []string // exact type names
}

// Matches reports whether an event of this stream and type passes.
func (f Filter) Matches(stream, typ string) bool {
	return matches(f.Prefixes, stream, strings.HasPrefix) && matches(f.Types, typ, func(a, b string) bool { return a == b })
}

func matches(wanted []string, s string, match func(s, want string) bool) bool {
	for _, want := range wanted {
		if match(s, want) {
			return true
		}
	}
	return len(wanted) == 0
}

// Store is a log of events.
//
// Every method obeys its context: it returns within 50 ms of the context's end, with the context's error. All methods
// may be called concurrently. After Close they return ErrClosed.
type Store interface {
	// Identity names this log for ever. Positions mean nothing in a log of another identity.
	Identity(ctx context.Context) (string, error)

	// Append writes events atomically and in order at the end of a stream, whose last revision must be expected, and
	// returns once they are durable, with the place of the last. There is no "any revision".
	//
	// It returns a *Conflict, and writes nothing, unless the stream is at expected. The exception is repetition: if
	// expected is behind the end and the same event ids already stand at the places right after it, the append
	// succeeds with the old places and writes nothing. An expectation at the end appends without looking at ids. So
	// after an unknown outcome (a context's end, a lost connection) repeat the same call: same revision, same ids.
	//
	// At least one event is needed; ErrInvalid names what is wrong with the input.
	Append(ctx context.Context, stream string, expected Revision, events []NewEvent) (Appended, error)

	// ReadStream yields a stream's events. A stream that does not exist is empty. After yielding an error it stops.
	ReadStream(ctx context.Context, stream string, read StreamRead) iter.Seq2[Event, error]

	// ReadAll yields the log's events, up to the end as it was when the read began. After yielding an error it stops.
	ReadAll(ctx context.Context, read LogRead) iter.Seq2[Event, error]

	// At returns the event that stands exactly at a position, and false if none does: a position of another log, or of a
	// newer copy of this one, holds nothing here, or another event.
	At(ctx context.Context, position Position) (Event, bool, error)

	// Head is the position of the last event that reads can see, zero for an empty log.
	Head(ctx context.Context) (Position, error)

	// Subscribe follows the log from the first matching event after the given position, for ever; its context is for
	// the call only. An error is returned only for bad input or a closed store; anything else shows up in Next. A
	// position after the end of the log is bad input where the adapter can tell: it is of another log.
	Subscribe(ctx context.Context, after Position, filter Filter) (Subscription, error)

	// Close ends subscriptions and reads and releases what the store holds. It does not wait for those who handle an
	// event, and may be called again. An append that it meets may have been written; repeat it.
	Close() error
}

// Partitioned is a Store that keeps the events of each store and category together, and can read them apart from all
// others. A partition is named by what its streams' names begin with, up to (not including) the second '-': "tab-S" holds
// "tab-S-T.1". Reading a category partition by partition, several at a time, is the fast way through it; the order
// between partitions is not seen then.
//
// The positions of such a store count its events, 1, 2, 3, …, so a piece of the log can be cut in two.
type Partitioned interface {
	Store

	// Partitions returns the partitions of a category that hold an event, in byte order: for "tab" those of all stores.
	Partitions(ctx context.Context, category string) ([]string, error)

	// ReadPartition yields the events of one partition in log order, as ReadAll does. A partition that does not exist
	// is empty.
	ReadPartition(ctx context.Context, partition string, read PartitionRead) iter.Seq2[Event, error]
}

// PartitionRead says what ReadPartition yields. The zero value is the whole partition.
type PartitionRead struct {
	After Position // exclusive
	To    Position // inclusive; zero, or after the end: the end as it is when the read begins
	Types []string // exact type names; empty: all. Others are passed over without being looked at.
	// Reuse lets the read use the memory of Data and Metadata again: they are good until the next event is asked for.
	// Who reads millions of events and keeps none spares an allocation for each. Who reads so goes on at once: memory
	// and files of the log may be held for as long as the read is open.
	Reuse bool
}

// Indexed is a Store that knows for ever by the id of its first event whether an append was taken, wherever that
// event stands. It is what makes a command happen once across streams in one step.
type Indexed interface {
	Store

	// Find returns the first event of the append that began with an id, and whether there is one. If several plain
	// appends began with it, the newest is returned.
	Find(ctx context.Context, id uuid.UUID) (Event, bool, error)

	// AppendOnce is Append, but returns ErrTaken, and writes nothing, if an append that began with the same id was taken
	// before, by whichever method and in whichever stream, this one included: unlike Append, it does not take a repetition
	// for success. Of several calls at once with one id, one writes.
	AppendOnce(ctx context.Context, stream string, expected Revision, events []NewEvent) (Appended, error)
}

// Restorable is a Store on a server, where an older copy of the log may be put in its place while the process runs.
type Restorable interface {
	Store

	// History counts how often that was noticed. It is, before anything is read of the older copy: what was met before is
	// looked for at each connection. What was read at one count may be gone at another, and others may stand in its place.
	// Calls and subscriptions that go on from one to the other end with ErrUnavailable; begin again from what is known to
	// be of the log as it is.
	History() uint64
}

// HistoryOf returns a log's History, 0 if it cannot be replaced.
func HistoryOf(s Store) uint64 {
	if r, can := s.(Restorable); can {
		return r.History()
	}
	return 0
}

// Subscription is one follower of the log. Next may be called by one goroutine at a time; Close from any, repeatedly.
type Subscription interface {
	// Next waits for the next batch. Batches arrive in log order, without gap or duplicate. After an error of its
	// context it can be called again and misses nothing. Any other error is final (ErrClosed after Close): Close, and
	// Subscribe again after the last batch that was handled.
	Next(ctx context.Context) (Batch, error)
	Close() error
}

// Batch is a piece of the log as a subscription sees it.
type Batch struct {
	Events []Event // matching ones, in log order; may be empty
	// Position is where the follower stands after this batch: every matching event at or before it was delivered.
	// It also moves past events that do not match, within 100 ms of their append.
	Position Position
	// CaughtUp says that at some moment since the previous batch, Position was the end of the log. A subscription
	// says so once when it first catches up (at once, with an empty batch, in an empty log), and with every batch
	// that reaches the end again.
	CaughtUp bool
}

// Errors. Adapters wrap them; test with errors.Is and errors.As.
var (
	// ErrInvalid: the input breaks a rule of the port. Nothing was written.
	ErrInvalid = errors.New("invalid")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("event store is closed")
	// ErrTaken: an append that began with this id was taken before. Find it.
	ErrTaken = errors.New("an append with this id was taken before")
	// ErrUnavailable: the store cannot be reached or cannot write now. The outcome of an append is unknown.
	ErrUnavailable = errors.New("event store is unavailable")
)

// Conflict is returned by Append when the stream is not at the expected revision. Read the stream and decide again.
type Conflict struct {
	Stream           string
	Expected, Actual Revision
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("stream %s is at revision %d, not at %d", c.Stream, c.Actual, c.Expected)
}

// Corruption is returned when stored data is damaged. It is never skipped: the read that met it ends there.
type Corruption struct {
	Place string // where: file, key or position, for the operator
	Err   error
}

func (c *Corruption) Error() string {
	return fmt.Sprintf("event log is damaged at %s: %v", c.Place, c.Err)
}
func (c *Corruption) Unwrap() error { return c.Err }

// CheckStreamRead returns ErrInvalid, naming the rule, for a read that no adapter may take.
func CheckStreamRead(stream string, read StreamRead) error {
	switch {
	case read.Limit < 0:
		return fmt.Errorf("%w: limit %d", ErrInvalid, read.Limit)
	case read.From < 0 && (read.From != Last || read.Direction == Forward):
		return fmt.Errorf("%w: read from revision %d", ErrInvalid, read.From)
	}
	return checkStream(stream)
}

// CheckLogRead returns ErrInvalid, naming the rule, for a read that no adapter may take.
func CheckLogRead(read LogRead) error {
	if read.Limit < 0 {
		return fmt.Errorf("%w: limit %d", ErrInvalid, read.Limit)
	}
	return nil
}

func checkStream(stream string) error {
	if stream == "" || len(stream) > StreamNameMax || strings.ContainsAny(stream, "\x00\n\r") {
		return fmt.Errorf("%w: stream name %.64q: 1 to %d bytes, no zero byte or line break", ErrInvalid, stream, StreamNameMax)
	}
	return nil
}

// Check returns ErrInvalid, naming the rule, for an append that no adapter may take.
func Check(stream string, expected Revision, events []NewEvent) error {
	return CheckWithin(AppendBytesMax, stream, expected, events)
}

// CheckWithin is Check with another limit of bytes.
func CheckWithin(bytesMax int, stream string, expected Revision, events []NewEvent) error {
	if err := checkStream(stream); err != nil {
		return err
	}
	switch {
	case expected < NoStream:
		return fmt.Errorf("%w: expected revision %d", ErrInvalid, expected)
	case len(events) == 0 || len(events) > AppendMax:
		return fmt.Errorf("%w: %d events in one append: 1 to %d", ErrInvalid, len(events), AppendMax)
	}
	total := 0
	for i, e := range events {
		total += e.Size()
		switch {
		case e.ID == uuid.Nil:
			return fmt.Errorf("%w: event %d has no id", ErrInvalid, i)
		case e.Type == "" || len(e.Type) > TypeNameMax || strings.ContainsAny(e.Type, "\x00\n\r"):
			return fmt.Errorf("%w: event %d: type %.64q: 1 to %d bytes, no zero byte or line break", ErrInvalid, i, e.Type, TypeNameMax)
		case total > bytesMax:
			return fmt.Errorf("%w: %d events, to the one at index %d, have %d bytes: at most %d in one append", ErrInvalid, i+1, i, total, bytesMax)
		}
	}
	return nil
}
