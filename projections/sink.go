package projections

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"daybook/eventstore"
)

// A Sink keeps read models. To a sink, a read model is a set of hashes: a partition (say, one store's one month) has
// fields, and a field holds a row (a JSON document) or a counter (an int64). A sink knows nothing of what they mean.
//
// What it promises is the exactly-once half of a projection: Apply stores a batch's effects and its position in one
// atomic step, and refuses a batch that does not follow what it holds. Package sinktest is this contract as a suite;
// packages embedded, postgres and redis are its adapters.
//
// Partitions and fields are named by any valid UTF-8 of 1 to NameBytesMax bytes without NUL: ':', '/', '{', spaces and
// Korean are as good as letters, and names that differ in any byte are different. Byte order is the order everywhere.
//
// All methods may be called concurrently, by several processes where the storage allows it. They obey their context:
// they return within 50 ms of its end, with its error; of an Apply, an Activate or a Drop the outcome is then unknown,
// unless the context had ended before the call, which then does nothing.
// A sink that cannot be reached returns an error that wraps ErrSinkUnavailable; call again later, on the same Sink.
// Input that breaks a rule is refused with ErrInvalid, by every sink alike.
type Sink interface {
	// Name is what logs and /readyz call this sink: "embedded", "postgres" or "redis".
	Name() string

	// Ping returns nil if the sink can be used now.
	Ping(ctx context.Context) error

	// Checkpoint returns where a target stands; the zero Checkpoint if nothing was ever applied (or all was lost).
	Checkpoint(ctx context.Context, target Target) (Checkpoint, error)

	// Apply stores a batch's changes and batch.To, all or nothing, if and only if the target stands at batch.From.
	// Otherwise it changes nothing and returns ErrFenced: somebody else, or an earlier attempt whose answer was lost,
	// has moved the target, or it lost its data. Read the Checkpoint and fold again from there.
	//
	// Changes take effect in their order; Batch.Net says what several changes of one field come to.
	// A counter that would leave the int64 range fails the whole batch with ErrOverflow, an Add to a field that holds
	// a row fails it with ErrNotCounter. Neither goes away by trying again.
	// It returns ErrHeld, having changed nothing, while a Scan of the same target needs it to stand still.
	Apply(ctx context.Context, target Target, batch Batch) error

	// Get returns the named fields of a partition, those that exist, and the checkpoint that they are of. The map is
	// never nil on success.
	Get(ctx context.Context, target Target, partition string, fields ...string) (map[string]Value, Checkpoint, error)

	// GetEach returns the named fields of each of some partitions, those that exist, all as of one checkpoint, and that. There
	// is a map for each partition, in their order. At most PartitionsMax partitions.
	GetEach(ctx context.Context, target Target, partitions []string, fields ...string) ([]map[string]Value, Checkpoint, error)

	// List returns a partition's entries in byte order of their fields, those after a field (exclusive; "" for all),
	// at most limit (0: all), and the checkpoint that they are of.
	List(ctx context.Context, target Target, partition, after string, limit int) ([]Entry, Checkpoint, error)

	// Scan calls fn for every entry of a target, in byte order of partition and field, all as of one checkpoint, and
	// returns that checkpoint. An error from fn ends it and is returned. fn may take its time and may use the sink,
	// except that its changes to the same target may be refused with ErrHeld. If the sink cannot keep its promise to
	// the end (say, it was restarted meanwhile), Scan returns ErrSinkUnavailable: begin again.
	Scan(ctx context.Context, target Target, fn func(partition string, entry Entry) error) (Checkpoint, error)

	// Generations returns which generation of a read model is served, and which exist.
	Generations(ctx context.Context, model string) (Generations, error)

	// Activate serves another generation from now on, in one step. It must have a checkpoint, or be generation 1;
	// otherwise ErrNotBuilt.
	Activate(ctx context.Context, model string, generation int) error

	// Drop deletes a target, its checkpoint included. Dropping what does not exist is no error. The active
	// generation is refused with ErrActive, a target that is being scanned may be with ErrHeld.
	Drop(ctx context.Context, target Target) error

	// Close releases what the sink holds and ends its Scans. Later calls, except Close, fail with ErrSinkClosed.
	Close() error
}

// Limits of what a sink takes.
const (
	NameBytesMax  = 512     // of a partition's or a field's name
	ModelBytesMax = 64      // of a read model's name
	RowBytesMax   = 1 << 20 // of one row
	// ChangesMax is how many changes one batch may have.
	ChangesMax = 250_000
	// PartitionsMax is how many partitions one GetEach may name.
	PartitionsMax = 2000
)

// Target is one generation of one read model. Generations count from 1: a rebuild builds the next beside the one served.
type Target struct {
	Model      string // letters (ASCII), digits and '_', 1 to ModelBytesMax
	Generation int    // 1 to 2^31-1
}

// Checkpoint says which events a target holds: exactly those of log Log up to and including Position, folded by
// version Version of the read model.
type Checkpoint struct {
	Log      string // eventstore.Store.Identity; "" only in the zero Checkpoint
	Version  int
	Position eventstore.Position
	// Event is the id of the event at Position. It says of which history the target is: an older copy of the log that
	// has grown again has another event there. Nil at the zero Position, and in what an earlier program wrote.
	Event uuid.UUID `json:",omitzero"`
	// Resumed counts how often a parked stream was resumed. It makes such a change, which moves no position, visible to
	// whoever else writes to the target.
	Resumed int
}

// Batch is the effect of some events on one target: those after From up to To, of one log, folded by one version.
// A target's first batch has the zero Checkpoint as From. A batch without changes moves the position only.
type Batch struct {
	From, To Checkpoint
	Changes  []Change
}

// Change is one change of one field.
type Change struct {
	Partition, Field string
	Op               Op
	// Row, of a Put, is a JSON object, array or string. It is read back as the same value, not as the same bytes:
	// spaces and the order of keys may differ. Integers within int64 are exact. Because PostgreSQL has no place for
	// them, a string in it may not hold NUL or half a surrogate pair, not even escaped.
	Row   json.RawMessage
	Delta int64 // of an Add or a Set
}

// Op says what a Change does.
type Op uint8

const (
	Put    Op = iota + 1 // the field holds Row, whatever it held
	Delete               // the field is gone, if it was there
	Add                  // the field's counter grows by Delta, from zero if it was not there; it stays, even at zero
	Set                  // the field is a counter of Delta, whatever it held: a Delete and an Add in one
)

// Value is what a field holds: a row, or, where Row is nil, a counter.
type Value struct {
	Row     json.RawMessage
	Counter int64
}

// Entry is a field and its value.
type Entry struct {
	Field string
	Value
}

// Generations of a read model.
type Generations struct {
	Active int   // 1 before any rebuild
	All    []int // those with a checkpoint, ascending
}

// What a sink answers. Sinks wrap these; test with errors.Is.
var (
	// ErrFenced: the target does not stand where the batch begins.
	ErrFenced = errors.New("read model moved: fenced")
	// ErrOverflow: a counter would leave the int64 range.
	ErrOverflow = errors.New("counter would overflow")
	// ErrNotCounter: an Add to a field that holds a row.
	ErrNotCounter = errors.New("field holds a row, not a counter")
	// ErrHeld: the target is being scanned; try again shortly.
	ErrHeld = errors.New("read model is held by a scan")
	// ErrNotBuilt: the generation to activate has no checkpoint.
	ErrNotBuilt = errors.New("generation was never built")
	// ErrActive: the generation to drop is the one that is served.
	ErrActive = errors.New("generation is active")
	// ErrInvalid: the input breaks a rule of the port. Nothing was changed.
	ErrInvalid = errors.New("invalid")
	// ErrUnfit: ErrInvalid, and because of one of the changes: no sink has a place for its name or its row.
	ErrUnfit = errors.New("change does not fit")
	// ErrSinkUnavailable: the sink cannot be reached or refuses work for now.
	ErrSinkUnavailable = errors.New("sink is unavailable")
	// ErrSinkClosed: the sink was closed.
	ErrSinkClosed = errors.New("sink is closed")
)

// CallEnded is for sinks on a network: it returns why a call may not go on, or why it failed if that was only because its
// caller hung up. That is the context's error, or ErrSinkClosed once the sink's life is over; nil if neither is the case.
//
// A context whose deadline has passed has ended, even if its timer is late: a connection's timer, which is set to the same
// instant, may go off first. CallEnded waits for it then.
func CallEnded(ctx, life context.Context) error {
	if deadline, has := ctx.Deadline(); has && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case life.Err() != nil:
		return ErrSinkClosed
	}
	return nil
}
