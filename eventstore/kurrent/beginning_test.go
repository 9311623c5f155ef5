package kurrent_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
)

// TestAStreamThatLostItsBeginning: what an operator of the server can do to a stream is damage, and is never folded.
func TestAStreamThatLostItsBeginning(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	store := server.open()
	config, err := esdb.ParseConnectionString(server.url())
	if err != nil {
		t.Fatal(err)
	}
	client, err := esdb.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	truncate := func(stream string, set func(*esdb.StreamMetadata)) {
		t.Helper()
		var m esdb.StreamMetadata
		set(&m)
		if _, err := client.SetStreamMetadata(within(t, 5*time.Second), stream, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}}, m); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		lose  func(stream string)
		place string
	}{
		"$maxCount": {func(s string) { truncate(s, func(m *esdb.StreamMetadata) { m.SetMaxCount(1) }) }, "revision 2"},
		"$tb":       {func(s string) { truncate(s, func(m *esdb.StreamMetadata) { m.SetTruncateBefore(1) }) }, "revision 1"},
		"deleted, reborn": {func(s string) {
			if _, err := client.DeleteStream(within(t, 5*time.Second), s, esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
				t.Fatal(err)
			}
			_, err := store.Append(within(t, 5*time.Second), s, eventstore.NoStream, []eventstore.NewEvent{event("x")})
			if damage := (*eventstore.Corruption)(nil); !errors.As(err, &damage) || !strings.Contains(err.Error(), s) || !strings.Contains(err.Error(), "revision 3") {
				t.Errorf("the append says %v", err)
			}
		}, "revision 3"},
		"tombstoned": {func(s string) {
			if _, err := client.TombstoneStream(within(t, 5*time.Second), s, esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
				t.Fatal(err)
			}
			_, err := store.Append(within(t, 5*time.Second), s, 2, []eventstore.NewEvent{event("x")})
			if damage := (*eventstore.Corruption)(nil); !errors.As(err, &damage) || !strings.Contains(err.Error(), s) {
				t.Errorf("the append says %v", err)
			}
		}, "deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			stream := "tab-s-" + strings.Trim(strings.ReplaceAll(name, ", ", ""), "$")
			events := []eventstore.NewEvent{event("a"), event("b"), event("c")}
			if _, err := store.Append(within(t, 5*time.Second), stream, eventstore.NoStream, events); err != nil {
				t.Fatal(err)
			}
			c.lose(stream)
			for _, read := range []eventstore.StreamRead{{}, {Fresh: true}, {Limit: 1, Fresh: true}} {
				begin := time.Now()
				var got error
				for e, err := range store.ReadStream(within(t, 5*time.Second), stream, read) {
					if got = err; err == nil {
						t.Errorf("%+v: event %d of %s is given", read, e.Revision, e.Stream)
						break
					}
				}
				var damage *eventstore.Corruption
				if !errors.As(got, &damage) || !strings.Contains(got.Error(), stream) || !strings.Contains(got.Error(), c.place) {
					t.Errorf("%+v: got %v after %v", read, got, time.Since(begin))
				}
			}
		})
	}
}
