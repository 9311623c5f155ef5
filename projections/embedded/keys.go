package embedded

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"daybook/projections"
)

// The first bytes of keys.
const (
	activeKind     = 'a'
	checkpointKind = 'c'
	fieldKind      = 'f'
)

// The first bytes of values.
const (
	rowKind     = 'r'
	counterKind = 'c'
)

const generationBytes = 4

func activeKey(model string) []byte { return append([]byte{activeKind}, model...) }

// checkpointsPrefix begins the keys of the checkpoints of a model's generations.
func checkpointsPrefix(model string) []byte {
	return append(append([]byte{checkpointKind}, model...), 0)
}

func checkpointKey(target projections.Target) []byte {
	return binary.BigEndian.AppendUint32(checkpointsPrefix(target.Model), uint32(target.Generation))
}

// splitCheckpointKey takes a checkpointKey apart.
func splitCheckpointKey(key []byte) (model string, generation int, err error) {
	rest := key[1:]
	end := bytes.IndexByte(rest, 0)
	if end < 0 || len(rest) != end+1+generationBytes {
		return "", 0, errDamaged
	}
	return string(rest[:end]), int(binary.BigEndian.Uint32(rest[end+1:])), nil
}

// targetPrefix begins the keys of a target's fields.
func targetPrefix(target projections.Target) []byte {
	key := append(append([]byte{fieldKind}, target.Model...), 0)
	return binary.BigEndian.AppendUint32(key, uint32(target.Generation))
}

// partitionPrefix begins the keys of a partition's fields.
func partitionPrefix(target projections.Target, partition string) []byte {
	return append(append(targetPrefix(target), partition...), 0)
}

// end is the first key after those that begin with a prefix.
func end(prefix []byte) []byte {
	after := append([]byte(nil), prefix...)
	for i := len(after) - 1; ; i-- { // the first byte is a letter, so it never runs out
		if after[i]++; after[i] != 0 {
			return after[:i+1]
		}
	}
}

func appendCounter(to []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(append(to, counterKind), uint64(n))
}

var errDamaged = errors.New("not a value of this program")

// splitValue takes apart what a field holds: the row, good as long as stored is, or the counter.
func splitValue(stored []byte) (kind byte, row []byte, counter int64, err error) {
	switch {
	case len(stored) == 9 && stored[0] == counterKind:
		return counterKind, nil, int64(binary.BigEndian.Uint64(stored[1:])), nil
	case len(stored) > 1 && stored[0] == rowKind:
		return rowKind, stored[1:], 0, nil
	}
	return 0, nil, 0, errDamaged
}

// parseValue reads what a field holds. The row is a copy.
func parseValue(stored []byte) (projections.Value, error) {
	kind, row, counter, err := splitValue(stored)
	if kind == rowKind {
		return projections.Value{Row: append(json.RawMessage(nil), row...)}, nil
	}
	return projections.Value{Counter: counter}, err
}

func parseCheckpoint(stored []byte) (at projections.Checkpoint, err error) {
	if err := json.Unmarshal(stored, &at); err != nil {
		return at, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return at, nil
}
