package esdbserver_test

import (
	"fmt"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
)

// BenchmarkAppend appends one event of 460 bytes at a time, in many streams at once, to a log in memory.
func BenchmarkAppend(b *testing.B) {
	client, _ := start(b, esdbserver.Options{})
	event := func() esdb.EventData {
		return esdb.EventData{EventID: uuid.New(), EventType: "noted.v1", Data: make([]byte, 460)}
	}
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			opts := esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}
			if _, err := client.AppendToStream(b.Context(), uuid.NewString(), opts, event()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkSubscription delivers events of 460 bytes of the past to one subscription.
func BenchmarkSubscription(b *testing.B) {
	client, store := start(b, esdbserver.Options{})
	for at := 0; at < b.N; at += 1000 {
		batch := make([]eventstore.NewEvent, 1000)
		for i := range batch {
			batch[i] = eventstore.NewEvent{ID: uuid.New(), Type: "noted.v1", Data: make([]byte, 460)}
		}
		if _, err := store.Append(b.Context(), fmt.Sprint("s", at), eventstore.NoStream, batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	s, err := client.SubscribeToAll(b.Context(), esdb.SubscribeToAllOptions{From: esdb.Start{}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for got := 0; got < b.N; {
		e := s.Recv()
		if e.SubscriptionDropped != nil {
			b.Fatal(e.SubscriptionDropped.Error)
		}
		if e.EventAppeared != nil {
			got++
		}
	}
}
