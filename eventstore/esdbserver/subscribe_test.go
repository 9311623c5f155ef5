package esdbserver_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
)

// heard is what a subscription says, in words.
func heard(t *testing.T, s *esdb.Subscription, n int) (all []string) {
	t.Helper()
	for len(all) < n {
		switch e := s.Recv(); {
		case e.EventAppeared != nil:
			all = append(all, string(e.EventAppeared.OriginalEvent().Data))
		case e.CheckPointReached != nil:
			all = append(all, place(e.CheckPointReached.Commit/esdbserver.Stride).String()+"!")
		case e.CaughtUp != nil:
			all = append(all, "caught up")
		case e.SubscriptionDropped != nil:
			return append(all, "dropped")
		}
	}
	return all
}

func TestSubscribeToAll(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	mustAppend(t, client, "s", esdb.NoStream{}, notes(0, 3)...)
	s, err := client.SubscribeToAll(context10(t), esdb.SubscribeToAllOptions{From: esdb.Position{Commit: esdbserver.Stride, Prepare: esdbserver.Stride}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wantEqual(t, "the past", heard(t, s, 3), []string{"1", "2", "caught up"})
	mustAppend(t, client, "t", esdb.NoStream{}, note(3))
	wantEqual(t, "the present", heard(t, s, 1), []string{"3"})
}

func TestSubscribeToAllFromTheEnd(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	mustAppend(t, client, "s", esdb.NoStream{}, notes(0, 3)...)
	s, err := client.SubscribeToAll(context10(t), esdb.SubscribeToAllOptions{From: esdb.End{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wantEqual(t, "at once", heard(t, s, 1), []string{"caught up"})
	mustAppend(t, client, "s", esdb.Revision(2), note(3))
	wantEqual(t, "then", heard(t, s, 1), []string{"3"})
}

func TestFilteredSubscriptionTellsItsPosition(t *testing.T) {
	for name, filter := range map[string]*esdb.SubscriptionFilter{
		"prefix of a stream": {Type: esdb.StreamFilterType, Prefixes: []string{"wanted"}},
		"pattern of streams": {Type: esdb.StreamFilterType, Regex: "^want.d$"},
		"prefix of a type":   {Type: esdb.EventFilterType, Prefixes: []string{"noted.v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := start(t, esdbserver.Options{})
			mustAppend(t, client, "wanted", esdb.NoStream{}, note(1))
			mustAppend(t, client, "other", esdb.NoStream{}, note(2), note(4))
			options := esdb.SubscribeToAllOptions{From: esdb.Start{}, Filter: filter, MaxSearchWindow: 1, CheckpointInterval: 1}
			s, err := client.SubscribeToAll(context10(t), options)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			wantEqual(t, "the past", untilCaughtUp(t, s), []string{"1", "3!"})
			mustAppend(t, client, "other", esdb.Revision(1), note(6))
			wantEqual(t, "what does not pass", heard(t, s, 1), []string{"4!"})
			mustAppend(t, client, "wanted", esdb.Revision(0), note(3))
			wantEqual(t, "what passes", heard(t, s, 2), []string{"3", "5!"})
		})
	}
}

// untilCaughtUp leaves out checkpoints that a later one covers.
func untilCaughtUp(t *testing.T, s *esdb.Subscription) (all []string) {
	t.Helper()
	for {
		word := heard(t, s, 1)[0]
		last := len(all) - 1
		switch {
		case word == "caught up", word == "dropped":
			return all
		case last >= 0 && word[len(word)-1] == '!' && all[last][len(all[last])-1] == '!':
			all[last] = word
		default:
			all = append(all, word)
		}
	}
}

func TestSubscribeToStream(t *testing.T) {
	client, _ := start(t, esdbserver.Options{})
	mustAppend(t, client, "s", esdb.NoStream{}, notes(0, 3)...)
	mustAppend(t, client, "s2", esdb.NoStream{}, note(9)) // begins like the other
	s, err := client.SubscribeToStream(context10(t), "s", esdb.SubscribeToStreamOptions{From: esdb.Revision(0)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wantEqual(t, "the past", heard(t, s, 3), []string{"1", "2", "caught up"})
	mustAppend(t, client, "s2", esdb.Revision(0), note(9))
	mustAppend(t, client, "s", esdb.Revision(2), note(3))
	wantEqual(t, "the present", heard(t, s, 1), []string{"3"})
	if _, err := client.TombstoneStream(context10(t), "s", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Revision(3)}); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "its end", heard(t, s, 1), []string{"dropped"})
}

func TestSubscriptionsEndWithTheServer(t *testing.T) {
	store := openStore(t)
	address, stop := serve(t, esdbserver.New(store, esdbserver.Options{Logger: quiet}), "127.0.0.1:0")
	s, err := dial(t, address).SubscribeToAll(context10(t), esdb.SubscribeToAllOptions{From: esdb.Start{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wantEqual(t, "an empty log", heard(t, s, 1), []string{"caught up"})
	stop()
	wantEqual(t, "after the server's end", heard(t, s, 1), []string{"dropped"})
	server := esdbserver.New(store, esdbserver.Options{Logger: quiet})
	if again, _ := serve(t, server, address); again != address {
		t.Fatalf("serves %s", again)
	}
	mustAppend(t, dial(t, address), "s", esdb.NoStream{}, note(0))
}

// A subscription begins in the past and goes on in the present; nothing is lost or repeated where they meet, also not
// while others append.
func TestPastMeetsPresent(t *testing.T) {
	client, store := start(t, esdbserver.Options{})
	mustAppend(t, client, "s", esdb.NoStream{}, note(0))
	var last atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for n := 1; ctx.Err() == nil; n++ {
			e := eventstore.NewEvent{ID: uuid.New(), Type: "noted.v1", Data: []byte(strconv.Itoa(n))}
			if _, err := store.Append(ctx, "s", eventstore.Revision(n-1), []eventstore.NewEvent{e}); err == nil {
				last.Store(int64(n))
			}
		}
	}()
	for range 50 {
		after := last.Load()
		s, err := client.SubscribeToStream(context10(t), "s", esdb.SubscribeToStreamOptions{From: esdb.Revision(uint64(after))})
		if err != nil {
			t.Fatal(err)
		}
		for want := after + 1; want < after+100; {
			if word := heard(t, s, 1)[0]; word != "caught up" {
				wantEqual(t, "the next event", word, strconv.FormatInt(want, 10))
				want++
			}
		}
		_ = s.Close()
	}
	stop()
	<-over
}

func TestCaughtUpFollowsACheckpoint(t *testing.T) {
	filter := &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"wanted"}}
	for _, c := range []struct {
		hostile *esdbserver.Hostile
		want    []string
	}{
		{nil, []string{"0", "3!", "caught up"}},
		{&esdbserver.Hostile{BareCaughtUp: true}, []string{"0", "caught up"}},
	} {
		client, _ := start(t, esdbserver.Options{Hostile: c.hostile})
		mustAppend(t, client, "wanted", esdb.NoStream{}, note(0))
		mustAppend(t, client, "other", esdb.NoStream{}, notes(0, 2)...)
		s, err := client.SubscribeToAll(context10(t), esdb.SubscribeToAllOptions{From: esdb.Start{}, Filter: filter})
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "what is heard", heard(t, s, len(c.want)), c.want)
		_ = s.Close()
	}
}
