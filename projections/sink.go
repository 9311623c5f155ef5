package projections

import (
	"context"
	"encoding/json"
	"errors"

	"daybook/eventstore"
)

// A Sink keeps read models. To a sink, a read model is a set of hashes: a partition (say, one store's one month) has
// fields, and a field holds a row (a JSON document) or a counter (an int64). A sink knows nothing of what they mean.
//
// What it promises is the exactly-once half of a projection: Apply stores a batch's effects and its position in one
// atomic step, and refuses a batch that does not follow what it holds. Package sinktest is this contract as a suite;
// packages embedded, postgres and redis are its adapters.
//
// All methods may be called concurrently, by several processes where the storage allows it, and obey their context.
// A sink that cannot be reached returns an error that wraps ErrSinkUnavailable; call again later.
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
	// An Add that would leave the int64 range fails the whole batch with ErrOverflow.
	// Changes take effect in their order: a Delete of a field followed by an Add counts from zero.
	// It returns ErrHeld, having changed nothing, while a Scan of the same target needs it to stand still.
	Apply(ctx context.Context, target Target, batch Batch) error

	// Get returns the named fields of a partition, those that exist, and the checkpoint that they are of.
	Get(ctx context.Context, target Target, partition string, fields ...string) (map[string]Value, Checkpoint, error)

	// List returns a partition's entries in byte order of their fields, those after a field (exclusive; "" for all),
	// at most limit (0: all), and the checkpoint that they are of.
	List(ctx context.Context, target Target, partition, after string, limit int) ([]Entry, Checkpoint, error)

	// Scan calls fn for every entry of a target, in byte order of partition and field, all as of one checkpoint, and
	// returns that checkpoint. An error from fn ends it and is returned.
	Scan(ctx context.Context, target Target, fn func(partition string, entry Entry) error) (Checkpoint, error)

	// Generations returns which generation of a read model is served, and which exist.
	Generations(ctx context.Context, model string) (Generations, error)

	// Activate serves another generation from now on, in one step. It must have a checkpoint, or be generation 1.
	Activate(ctx context.Context, model string, generation int) error

	// Drop deletes a target, its checkpoint included. Dropping what does not exist is no error. The active
	// generation is refused.
	Drop(ctx context.Context, target Target) error

	// Close releases what the sink holds. Later calls fail.
	Close() error
}

// Target is one generation of one read model. Generations count from 1: a rebuild builds the next beside the one served.
type Target struct {
	Model      string // letters, digits and '_'
	Generation int
}

// Checkpoint says which events a target holds: exactly those of log Log up to and including Position, folded by
// version Version of the read model.
type Checkpoint struct {
	Log      string // eventstore.Store.Identity; "" only in the zero Checkpoint
	Version  int
	Position eventstore.Position
}

// Batch is the net effect of some events on one target.
type Batch struct {
	From, To Checkpoint
	Changes  []Change
}

// Change is one change of one field.
type Change struct {
	Partition, Field string
	Op               Op
	Row              json.RawMessage // of a Put: a JSON object, array or string
	Delta            int64           // of an Add
}

// Op says what a Change does.
type Op uint8

const (
	Put    Op = iota + 1 // the field holds Row, whatever it held
	Delete               // the field is gone, if it was there
	Add                  // the field's counter grows by Delta, from zero if it was not there; it stays, even at zero
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

var (
	// ErrFenced: the target does not stand where the batch begins.
	ErrFenced = errors.New("read model moved: fenced")
	// ErrOverflow: a counter would leave the int64 range.
	ErrOverflow = errors.New("counter would overflow")
	// ErrHeld: the target is being scanned; try again shortly.
	ErrHeld = errors.New("read model is held by a scan")
	// ErrSinkUnavailable: the sink cannot be reached or refuses work for now.
	ErrSinkUnavailable = errors.New("sink is unavailable")
)
