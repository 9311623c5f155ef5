package projections

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Net returns what the batch's changes come to: at most one change for each field, in the order in which fields are
// first touched. Sinks store that, so all agree on the corner cases:
//
//   - a Put, Delete or Set makes earlier changes of its field void;
//   - Adds of one field are added up in their order; ErrOverflow if that sum leaves the int64 range;
//   - an Add after a Delete or a Set counts on from there and becomes a Set; after a Put it is ErrNotCounter;
//   - in a target's first batch every Add is a Set: fields come and go with their checkpoint, so there is none yet, and
//     a sink need not look.
//
// It returns ErrInvalid, naming the rule, for a batch that no sink takes, and looks at the context now and then, as
// a large batch takes its time.
func (b Batch) Net(ctx context.Context) ([]Change, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	net := make([]Change, 0, len(b.Changes))
	var places map[fieldName]int // of fields in net, once they are not in byte order any more: until then none comes twice
	for i, change := range b.Changes {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := change.check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnfit, err)
		}
		if change.Op == Put {
			change.Row = trimJSON(change.Row)
		}
		if places == nil && i > 0 && change.Compare(b.Changes[i-1]) <= 0 {
			places = placesOf(net, len(b.Changes))
		}
		if place, touched := places[change.name()]; touched {
			merged, err := net[place].followedBy(change)
			if err != nil {
				return nil, fmt.Errorf("partition %q, field %q: %w", change.Partition, change.Field, err)
			}
			net[place] = merged
			continue
		}
		if change.Op == Add && b.From == (Checkpoint{}) {
			change.Op = Set
		}
		if places != nil {
			places[change.name()] = len(net)
		}
		net = append(net, change)
	}
	return net, nil
}

type fieldName struct{ partition, field string }

func (c Change) name() fieldName { return fieldName{c.Partition, c.Field} }

// Compare orders changes by partition and field, as bytes.
func (c Change) Compare(d Change) int {
	if c.Partition == d.Partition {
		return strings.Compare(c.Field, d.Field)
	}
	return strings.Compare(c.Partition, d.Partition)
}

// placesOf says where the fields are in changes of which none is of the field of another. room is for how many.
func placesOf(changes []Change, room int) map[fieldName]int {
	places := make(map[fieldName]int, room)
	for i, c := range changes {
		places[c.name()] = i
	}
	return places
}

// followedBy is the one change that does what c and then next, of the same field, do.
func (c Change) followedBy(next Change) (Change, error) {
	if next.Op != Add {
		return next, nil
	}
	switch c.Op {
	case Put:
		return c, ErrNotCounter
	case Delete:
		next.Op = Set
		return next, nil
	}
	sum, err := AddCounter(c.Delta, next.Delta)
	c.Delta = sum
	return c, err
}

// AddCounter is a + b, or ErrOverflow.
func AddCounter(a, b int64) (int64, error) {
	sum := a + b
	if (sum > a) != (b > 0) && b != 0 {
		return 0, ErrOverflow
	}
	return sum, nil
}

func (b Batch) check() error {
	first := b.From == Checkpoint{}
	sameLog := b.From.Log == b.To.Log && b.From.Version == b.To.Version
	switch {
	case len(b.Changes) > ChangesMax:
		return fmt.Errorf("%w: %d changes in one batch: at most %d", ErrInvalid, len(b.Changes), ChangesMax)
	case b.To.Version < 0 || b.To.Version > math.MaxInt32 || b.To.Resumed < 0 || b.To.Resumed > math.MaxInt32:
		return fmt.Errorf("%w: version %d, resumed %d: 0 to %d", ErrInvalid, b.To.Version, b.To.Resumed, math.MaxInt32)
	case !first && !sameLog:
		return fmt.Errorf("%w: a batch is of one log and version: from %+v to %+v", ErrInvalid, b.From, b.To)
	case !first && !b.From.before(b.To):
		return fmt.Errorf("%w: a batch moves forward: from %+v to %+v", ErrInvalid, b.From, b.To)
	}
	return checkName("log", b.To.Log)
}

// before reports whether a batch may lead from c to d: to a later position, or to the same one with a stream resumed, or
// with its event named for the first time.
func (c Checkpoint) before(d Checkpoint) bool {
	if c.Position == d.Position {
		named := c.Event == uuid.Nil && d.Event != uuid.Nil
		return (named || c.Event == d.Event) && (c.Resumed < d.Resumed || c.Resumed == d.Resumed && named)
	}
	return c.Position.Before(d.Position) && c.Resumed <= d.Resumed
}

func (c Change) check() error {
	if err := checkName("partition", c.Partition); err != nil {
		return err
	}
	if err := checkName("field", c.Field); err != nil {
		return err
	}
	switch c.Op {
	case Put:
		if err := checkRow(c.Row); err != nil {
			return fmt.Errorf("%w: partition %q, field %q: %w", ErrInvalid, c.Partition, c.Field, err)
		}
		return nil
	case Delete, Add, Set:
		return nil
	}
	return fmt.Errorf("%w: operation %d", ErrInvalid, c.Op)
}

// Check returns ErrInvalid, naming the rule, for a target that no sink takes.
func (t Target) Check() error {
	if err := CheckModel(t.Model); err != nil {
		return err
	}
	if t.Generation < 1 || t.Generation > math.MaxInt32 {
		return fmt.Errorf("%w: generation %d: 1 to %d", ErrInvalid, t.Generation, math.MaxInt32)
	}
	return nil
}

// CheckModel returns ErrInvalid for what cannot be a read model's name.
func CheckModel(model string) error {
	outside := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_')
	}
	if model == "" || len(model) > ModelBytesMax || strings.ContainsFunc(model, outside) {
		return fmt.Errorf("%w: read model %.80q: 1 to %d letters, digits and '_'", ErrInvalid, model, ModelBytesMax)
	}
	return nil
}

// CheckGet returns ErrInvalid, naming the rule, for what no sink's Get takes.
func CheckGet(target Target, partition string, fields []string) error {
	return CheckGetEach(target, []string{partition}, fields)
}

// CheckGetEach returns ErrInvalid, naming the rule, for what no sink's GetEach takes.
func CheckGetEach(target Target, partitions, fields []string) error {
	if len(partitions) > PartitionsMax {
		return fmt.Errorf("%w: %d partitions: at most %d", ErrInvalid, len(partitions), PartitionsMax)
	}
	if err := target.Check(); err != nil {
		return err
	}
	for _, partition := range partitions {
		if err := checkName("partition", partition); err != nil {
			return err
		}
	}
	for _, field := range fields {
		if err := checkName("field", field); err != nil {
			return err
		}
	}
	return nil
}

// CheckList returns ErrInvalid, naming the rule, for what no sink's List takes.
func CheckList(target Target, partition, after string, limit int) error {
	if limit < 0 {
		return fmt.Errorf("%w: limit %d", ErrInvalid, limit)
	}
	if after == "" {
		return CheckGet(target, partition, nil)
	}
	return CheckGet(target, partition, []string{after})
}

func checkName(what, name string) error {
	if name == "" || len(name) > NameBytesMax || strings.IndexByte(name, 0) >= 0 || !utf8.ValidString(name) {
		return fmt.Errorf("%w: %s %.64q: 1 to %d bytes of UTF-8 without NUL", ErrInvalid, what, name, NameBytesMax)
	}
	return nil
}

func trimJSON(row []byte) []byte { return bytes.Trim(row, " \t\r\n") }

func checkRow(row []byte) error {
	if len(row) > RowBytesMax {
		return fmt.Errorf("a row of %d bytes: at most %d", len(row), RowBytesMax)
	}
	trimmed := trimJSON(row)
	if len(trimmed) == 0 || !strings.ContainsRune(`{["`, rune(trimmed[0])) {
		return fmt.Errorf("a row is a JSON object, array or string, not %.32q", row)
	}
	if !json.Valid(trimmed) || !utf8.Valid(trimmed) {
		return fmt.Errorf("row is not valid JSON: %.32q", row)
	}
	return checkEscapes(trimmed)
}

// checkEscapes looks for what is valid JSON but no text: NUL, and halves of surrogate pairs. row is valid JSON.
func checkEscapes(row []byte) error {
	for {
		start := bytes.IndexByte(row, '\\')
		if start < 0 {
			return nil
		}
		row = row[start:]
		unit, length := escaped(row)
		switch {
		case unit == 0:
			return fmt.Errorf("row holds an escaped NUL")
		case 0xdc00 <= unit && unit <= 0xdfff:
			return fmt.Errorf("row holds half a surrogate pair")
		case 0xd800 <= unit && unit <= 0xdbff:
			low, lowLength := escaped(row[length:])
			if low < 0xdc00 || low > 0xdfff {
				return fmt.Errorf("row holds half a surrogate pair")
			}
			length += lowLength
		}
		row = row[length:]
	}
}

// escaped returns the UTF-16 unit of the \uXXXX that row begins with, and its length; -1 and 2 for anything else.
func escaped(row []byte) (unit, length int) {
	if len(row) < 6 || row[0] != '\\' || row[1] != 'u' {
		return -1, 2
	}
	parsed, err := strconv.ParseUint(string(row[2:6]), 16, 16)
	if err != nil {
		return -1, 2
	}
	return int(parsed), 6
}
