package clientsuite_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
)

// prepared stands for the database in the vendor's image, which cannot be had here. It has the streams, the numbers of
// events and their types that the tests name. Their ids and positions are its own, and so are the files that the tests
// compare with: they are made from what was appended and what Append answered, not from what is read.
type prepared struct {
	events []eventstore.Event // in log order
}

// created is in the year that the tests know the vendor's events by.
var created = time.Date(2020, time.January, 12, 18, 14, 13, 990951000, time.UTC)

// newPrepared makes what each opened copy will hold.
func newPrepared() (p prepared) {
	for _, s := range []struct {
		name         string
		first, count int
	}{{"dataset20M-0", 0, 6000}, {"dataset20M-1800", 1800, 2000}} {
		for i := range s.count {
			n := s.first + i%200
			p.events = append(p.events, eventstore.Event{
				Stream:   s.name,
				Revision: eventstore.Revision(i),
				ID:       uuid.NewSHA1(uuid.Nil, fmt.Append(nil, s.name, i)),
				Type:     fmt.Sprintf("eventType-%d", n),
				Created:  created,
				Data:     fmt.Appendf(nil, `{"some" : %d}`, n),
				Metadata: fmt.Appendf(nil, `{"metadata" : %d}`, n),
			})
		}
	}
	return p
}

// stride lies between two positions as the server serves them.
const stride = 2

// open makes a store of the events and notes the positions that they get.
func (p prepared) open() (*embedded.Store, error) {
	store, err := openStore(func() time.Time { return created })
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(p.events, 1000) { // each is of one stream
		batch := make([]eventstore.NewEvent, len(part))
		for i, e := range part {
			batch[i] = eventstore.NewEvent{ID: e.ID, Type: e.Type, Data: e.Data, Metadata: e.Metadata}
		}
		appended, err := store.Append(context.Background(), part[0].Stream, part[0].Revision-1, batch)
		if err != nil {
			return nil, errors.Join(err, store.Close())
		}
		for i := range part { // positions have no gaps where they are kept
			n := stride * (appended.Position.Commit - uint64(len(part)-1-i))
			part[i].Position = eventstore.Position{Commit: n, Prepare: n}
		}
	}
	return store, nil
}

// writeExpectations writes the files that the tests compare with into a folder.
func (p prepared) writeExpectations(t *testing.T, folder string) {
	store, err := p.open() // for the positions
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(folder, 0o700), store.Close()); err != nil {
		t.Fatal(err)
	}
	save := func(name string, content any) {
		text, err := json.Marshal(content)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	all, reversed := p.events, slices.Clone(p.events)
	slices.Reverse(reversed)
	big := slices.DeleteFunc(slices.Clone(all), func(e eventstore.Event) bool { return e.Stream != "dataset20M-1800" })
	last := slices.Clone(big)
	slices.Reverse(last)
	save("all-e0-e10.json", expectedEvents(all))
	save("all-c1788-p1788.json", expectedEvents(from(all, 1788)))
	save("all-back-e0-e10.json", expectedEvents(reversed))
	save("all-back-c3386-p3386.json", expectedEvents(from(reversed, 3386-stride)))
	save("dataset20M-1800-e0-e10.json", expectedEvents(big))
	save("dataset20M-1800-e1999-e1990.json", expectedEvents(last))
	positions, versions := p.filtered("eventType-194", 30)
	save("all-positions-filtered-stream-194-e0-e30.json", positions)
	save("all-versions-filtered-stream-194-e0-e30.json", versions)
}

func from(events []eventstore.Event, position uint64) []eventstore.Event {
	return events[slices.IndexFunc(events, func(e eventstore.Event) bool { return e.Position.Commit == position }):]
}

type expectedPosition struct {
	Prepare uint64 `json:"prepare"`
	Commit  uint64 `json:"commit"`
}

func (p prepared) filtered(typePrefix string, n int) (positions []expectedPosition, revisions []eventstore.Revision) {
	for _, e := range p.events {
		if strings.HasPrefix(e.Type, typePrefix) && len(positions) < n {
			positions = append(positions, expectedPosition{e.Position.Prepare, e.Position.Commit})
			revisions = append(revisions, e.Revision)
		}
	}
	return positions, revisions
}

// expectedEvents are the first ten, in the shape of the vendor's files.
func expectedEvents(events []eventstore.Event) (all []any) {
	for _, e := range events[:10] {
		all = append(all, map[string]any{"event": map[string]any{
			"streamId":       e.Stream,
			"streamRevision": map[string]any{"value": e.Revision},
			"eventId":        e.ID,
			"eventType":      e.Type,
			"eventData":      e.Data,
			"userMetadata":   e.Metadata,
			"contentType":    "application/json",
			"position":       expectedPosition{e.Position.Prepare, e.Position.Commit},
			"created":        map[string]any{"seconds": e.Created.Unix(), "nanos": e.Created.Nanosecond()},
		}})
	}
	return all
}
