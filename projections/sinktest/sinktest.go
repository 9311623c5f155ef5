// Package sinktest is the contract of projections.Sink as a suite. Each adapter's test calls Run; a fault that is found
// in one adapter becomes a case here before it is fixed.
//
// Not here: what happens when a server behind a sink dies. That is tested with each adapter.
package sinktest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"daybook/eventstore"
	"daybook/projections"
)

// Storage is what a sink keeps its data in. It may hold data of other runs: the suite makes up its models' names.
type Storage struct {
	// Open returns a sink on the storage. The suite opens it many times and closes what it opened.
	Open func(t testing.TB) projections.Sink
	// Shared says that several sinks may be open on the storage at once, as several processes would.
	Shared bool
}

// A testCase is a sentence of the contract and its test.
type testCase struct {
	name string
	test func(*fixture)
}

// Run runs the suite.
func Run(t *testing.T, storage Storage) {
	before := goleak.IgnoreCurrent()
	// First, as it opens the storage often, which is fast while there is little in it.
	t.Run("any sequence of calls does what a map would do", func(t *testing.T) { runModel(t, storage) })
	for _, cases := range [][]testCase{applyCases, refusalCases, valueCases, readCases, scanCases, generationCases, lifeCases} {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				f := newFixture(t, storage)
				defer func() { f.sink.Close() }()
				c.test(f)
			})
		}
	}
	t.Run("close leaves nothing running", func(t *testing.T) { goleak.VerifyNone(t, before) })
}

// A fixture is one case's sink, its own target, and where that target stands.
type fixture struct {
	*testing.T
	storage Storage
	sink    projections.Sink
	target  projections.Target
	at      projections.Checkpoint
}

func newFixture(t *testing.T, storage Storage) *fixture {
	t.Helper()
	return &fixture{T: t, storage: storage, sink: storage.Open(t), target: projections.Target{Model: modelName(), Generation: 1}}
}

func modelName() string {
	random := make([]byte, 8)
	rand.Read(random)
	return "sinktest_" + hex.EncodeToString(random)
}

// reopen closes the sink and opens the storage again.
func (f *fixture) reopen() {
	f.Helper()
	f.ok(f.sink.Close())
	f.sink = f.storage.Open(f.T)
}

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) is(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("error is %v, want %v", err, want)
	}
}

// next is the checkpoint one event further.
func next(at projections.Checkpoint) projections.Checkpoint {
	at.Log, at.Version = "test log", 3
	at.Position.Commit++
	at.Position.Prepare++
	at.Event = eventAt(at.Position)
	return at
}

// eventAt is the id of the test log's event at a position.
func eventAt(p eventstore.Position) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(p.String()))
}

// batch is what takes a target one event further.
func batch(from projections.Checkpoint, changes ...projections.Change) projections.Batch {
	return projections.Batch{From: from, To: next(from), Changes: changes}
}

// apply applies changes to the fixture's target, which must succeed.
func (f *fixture) apply(changes ...projections.Change) {
	f.Helper()
	f.ok(applyPatiently(f.Context(), f.sink, f.target, batch(f.at, changes...)))
	f.at = next(f.at)
}

// applyPatiently applies as a projection does: while a scan holds the target, it tries again.
func applyPatiently(ctx context.Context, sink projections.Sink, target projections.Target, b projections.Batch) error {
	for {
		err := sink.Apply(ctx, target, b)
		if !errors.Is(err, projections.ErrHeld) {
			return err
		}
		time.Sleep(time.Millisecond) // the end of a hold is not signalled: a projection polls, too
	}
}

// content is a target's partitions, fields and values as text: a counter's digits or a row's canonical JSON.
type content map[string]map[string]string

func (c content) clone() content {
	clone := content{}
	for partition, fields := range c {
		clone[partition] = maps.Clone(fields)
	}
	return clone
}

// scan reads all of a target.
func (f *fixture) scan(sink projections.Sink, target projections.Target) (content, projections.Checkpoint) {
	f.Helper()
	all := content{}
	at, err := sink.Scan(f.Context(), target, func(partition string, entry projections.Entry) error {
		if all[partition] == nil {
			all[partition] = map[string]string{}
		}
		all[partition][entry.Field] = text(entry.Value)
		return nil
	})
	f.ok(err)
	return all, at
}

// holds checks the whole content and the checkpoint of the fixture's target.
func (f *fixture) holds(want content) {
	f.Helper()
	f.holdsIn(f.sink, f.target, f.at, want)
}

func (f *fixture) holdsIn(sink projections.Sink, target projections.Target, at projections.Checkpoint, want content) {
	f.Helper()
	got, scanned := f.scan(sink, target)
	f.same(got, want)
	f.same(scanned, at)
	stored, err := sink.Checkpoint(f.Context(), target)
	f.ok(err)
	f.same(stored, at)
}

func (f *fixture) same(got, want any) {
	f.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		f.Fatalf("(-want +got)\n%s", diff)
	}
}

// text writes a value so that equal values are equal texts.
func text(v projections.Value) string {
	if v.Row == nil {
		return strconv.FormatInt(v.Counter, 10)
	}
	return canonical(v.Row)
}

// canonical writes a JSON value with sorted keys and without spaces, its numbers untouched.
func canonical(row []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(row))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "not JSON: " + string(row)
	}
	written, err := json.Marshal(value)
	if err != nil {
		return "not JSON: " + string(row)
	}
	return string(written)
}

func put(partition, field, row string) projections.Change {
	return projections.Change{Partition: partition, Field: field, Op: projections.Put, Row: json.RawMessage(row)}
}

func remove(partition, field string) projections.Change {
	return projections.Change{Partition: partition, Field: field, Op: projections.Delete}
}

func add(partition, field string, delta int64) projections.Change {
	return projections.Change{Partition: partition, Field: field, Op: projections.Add, Delta: delta}
}

func set(partition, field string, counter int64) projections.Change {
	return projections.Change{Partition: partition, Field: field, Op: projections.Set, Delta: counter}
}

// at is a checkpoint of the test log.
func at(commit, prepare uint64) projections.Checkpoint {
	p := eventstore.Position{Commit: commit, Prepare: prepare}
	return projections.Checkpoint{Log: "test log", Version: 3, Position: p, Event: eventAt(p)}
}
