package redis

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/projections"
)

func modelKey(model, name string) string { return "daybook:{" + model + "}:" + name }

func activeKey(model string) string      { return modelKey(model, "active") }
func generationsKey(model string) string { return modelKey(model, "generations") }

func targetKey(target projections.Target, name string) string {
	return modelKey(target.Model, strconv.Itoa(target.Generation)+":"+name)
}

func stateKey(target projections.Target) string      { return targetKey(target, "state") }
func partitionsKey(target projections.Target) string { return targetKey(target, "partitions") }
func holdsKey(target projections.Target) string      { return targetKey(target, "holds") }

// scratchKey exists only within a run of apply.lua.
func scratchKey(target projections.Target) string { return targetKey(target, "scratch") }

func partitionKey(target projections.Target, partition string) string {
	return targetKey(target, "p:"+partition)
}

// writeCheckpoint writes a checkpoint as it is stored and compared; "" for the zero one. Its event is named in front, where
// earlier programs, which knew of none, had a digit.
func writeCheckpoint(at projections.Checkpoint) string {
	if at == (projections.Checkpoint{}) {
		return ""
	}
	event := ""
	if at.Event != uuid.Nil {
		event = eventMark + at.Event.String() + " "
	}
	return event + fmt.Sprintf("%d %d %d %d %s", at.Version, at.Resumed, at.Position.Commit, at.Position.Prepare, at.Log)
}

const eventMark = "event:"

var errForeign = errors.New("not a value of this program")

// parseCheckpoint reads what writeCheckpoint wrote.
func parseCheckpoint(stored string) (at projections.Checkpoint, err error) {
	if stored == "" {
		return at, nil
	}
	var position eventstore.Position
	rest := stored
	if event, after, named := strings.Cut(strings.TrimPrefix(stored, eventMark), " "); named && strings.HasPrefix(stored, eventMark) {
		if at.Event, err = uuid.Parse(event); err != nil {
			return projections.Checkpoint{}, fmt.Errorf("redis: checkpoint %.64q is %w: %w", stored, errForeign, err)
		}
		rest = after
	}
	if _, err := fmt.Sscanf(rest, "%d %d %d %d", &at.Version, &at.Resumed, &position.Commit, &position.Prepare); err != nil {
		return projections.Checkpoint{}, fmt.Errorf("redis: checkpoint %.64q is %w: %w", stored, errForeign, err)
	}
	at.Position = position
	if numbers := writeCheckpoint(at); len(stored) > len(numbers) && stored[:len(numbers)] == numbers {
		at.Log = stored[len(numbers):]
		return at, nil
	}
	return projections.Checkpoint{}, fmt.Errorf("redis: checkpoint %.64q is %w", stored, errForeign)
}

// parseValue reads what a field of a hash holds.
func parseValue(stored string) (projections.Value, error) {
	if stored != "" && (stored[0] == '-' || '0' <= stored[0] && stored[0] <= '9') {
		n, err := strconv.ParseInt(stored, 10, 64)
		if err != nil {
			return projections.Value{}, fmt.Errorf("redis: %.64q is %w: %w", stored, errForeign, err)
		}
		return projections.Value{Counter: n}, nil
	}
	return projections.Value{Row: json.RawMessage(stored)}, nil
}
