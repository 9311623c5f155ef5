package projections

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"

	"daybook/eventstore"
)

// Verify folds the log afresh into a scratch sink and compares the result with what is served, as of one position.
// The scratch sink must be empty; the caller throws it away.
func Verify(ctx context.Context, store eventstore.Store, sink, scratch Sink, model Model, log *slog.Logger, progress Progress) (Report, error) {
	served, err := active(ctx, sink, model)
	if err != nil {
		return Report{}, err
	}
	w, err := openWriter(ctx, store, scratch, model, model.Target(1), log)
	if err != nil {
		return Report{}, err
	}
	w.log = slog.New(slog.DiscardHandler) // what is parked is known already
	return compareWith(ctx, store, sink, w, served, progress)
}

// compareServed compares a writer's target with the served one of the same sink, unless that one is of another log, or
// knows more than this one.
func compareServed(ctx context.Context, store eventstore.Store, w *writer, served Target, progress Progress) (Report, error) {
	at, err := standing(ctx, store, w.sink, served)
	if errors.Is(err, ErrForeign) || errors.Is(err, ErrOlder) || err == nil && (at.Log == "" || at.Version != w.model.Version) {
		return Report{Model: w.model.Name}, nil
	}
	if err != nil {
		return Report{}, err
	}
	if err := w.fill(ctx, store, at.Position, progress); err != nil {
		return Report{}, err
	}
	return compareWith(ctx, store, w.sink, w, served, progress)
}

// compareWith takes the digest of what is served, brings the writer to the same position, and compares.
func compareWith(ctx context.Context, store eventstore.Store, sink Sink, w *writer, served Target, progress Progress) (Report, error) {
	seed := maphash.MakeSeed()
	were, at, err := digest(ctx, sink, served, seed)
	if err != nil {
		return Report{}, err
	}
	if err := belongs(ctx, store, sink, served, at); err != nil {
		return Report{}, err
	}
	if at.Position.Before(w.at.Position) {
		return Report{}, fmt.Errorf("%w: %s lost its data while it was compared; try again", ErrNotCurrent, served.Model)
	}
	if err := w.fill(ctx, store, at.Position, progress); err != nil {
		return Report{}, err
	}
	are, _, err := digest(ctx, w.sink, w.target, seed)
	if err != nil {
		return Report{}, err
	}
	report := Report{Model: w.model.Name, Position: at.Position, Entries: are.entries, Compared: true}
	if partition, differ := were.firstDifference(are); differ {
		report.Difference, err = describe(ctx, sink, served, w, partition)
	}
	return report, err
}

// digests sums up a target partition by partition, so that two large ones are compared in little memory.
type digests struct {
	seed       maphash.Seed
	partitions map[string]uint64
	entries    int
}

func newDigests(seed maphash.Seed) digests {
	return digests{seed: seed, partitions: map[string]uint64{}}
}

func (d *digests) add(partition string, e Entry) error {
	text, err := canonical(e.Value)
	if err != nil {
		return fmt.Errorf("%s %s: %w", partition, e.Field, err)
	}
	var h maphash.Hash
	h.SetSeed(d.seed)
	h.WriteString(e.Field)
	h.WriteByte(0)
	h.Write(text)
	d.partitions[partition] += h.Sum64() // a sum does not depend on the order
	d.entries++
	return nil
}

func digest(ctx context.Context, sink Sink, target Target, seed maphash.Seed) (digests, Checkpoint, error) {
	d := newDigests(seed)
	at, err := sink.Scan(ctx, target, func(partition string, e Entry) error {
		if partition == keptPartition { // what is noted of the target is nothing of the log
			return nil
		}
		return d.add(partition, e)
	})
	return d, at, err
}

// canonical writes a value so that equal values are equal texts, whatever a sink made of the JSON.
func canonical(v Value) ([]byte, error) {
	if v.Row == nil {
		return fmt.Append(nil, v.Counter), nil
	}
	decoder := json.NewDecoder(bytes.NewReader(v.Row))
	decoder.UseNumber()
	var row any
	if err := decoder.Decode(&row); err != nil {
		return nil, err
	}
	return json.Marshal(row)
}

// firstDifference names the first partition, in byte order, in which two differ.
func (d digests) firstDifference(other digests) (string, bool) {
	var differ []string
	for partition, sum := range d.partitions {
		if other.partitions[partition] != sum {
			differ = append(differ, partition)
		}
	}
	for partition := range other.partitions {
		if _, is := d.partitions[partition]; !is {
			differ = append(differ, partition)
		}
	}
	if len(differ) == 0 {
		return "", false
	}
	return slices.Min(differ), true
}

// describe names the first field of a partition in which what is served differs from the fresh fold.
func describe(ctx context.Context, sink Sink, served Target, w *writer, partition string) (string, error) {
	was, _, err := sink.List(ctx, served, partition, "", 0)
	if err != nil {
		return "", err
	}
	is, _, err := w.sink.List(ctx, w.target, partition, "", 0)
	if err != nil {
		return "", err
	}
	place := served.Model + " in " + sink.Name() + ": " + partition
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(is) == 0 || len(was) > 0 && was[0].Field < is[0].Field:
			return fmt.Sprintf("%s: %s is there, and should not be", place, was[0].Field), nil
		case len(was) == 0 || is[0].Field < was[0].Field:
			return fmt.Sprintf("%s: %s is missing", place, is[0].Field), nil
		}
		a, errA := canonical(was[0].Value)
		b, errB := canonical(is[0].Value)
		if err := errors.Join(errA, errB); err != nil {
			return "", err
		}
		if !bytes.Equal(a, b) {
			return fmt.Sprintf("%s: %s is %s, a fresh fold of the log gives %s", place, was[0].Field, a, b), nil
		}
		was, is = was[1:], is[1:]
	}
	return place + " changed while it was compared; verify again", nil
}
