package esdbserver_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
	"daybook/eventstore/esdbserver"
)

func head(t *testing.T, store *embedded.Store) eventstore.Position {
	t.Helper()
	at, err := store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestHostileLosesAnswersNotEvents(t *testing.T) {
	client, store := start(t, esdbserver.Options{Hostile: &esdbserver.Hostile{LoseAnswer: 1}})
	events := notes(0, 1)
	for range 2 {
		_, err := client.AppendToStream(context10(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, events...)
		wantCode(t, err, esdb.ErrorUnavailable)
	}
	wantEqual(t, "head", head(t, store), place(1))
}

func TestHostileAnswersLate(t *testing.T) {
	client, store := start(t, esdbserver.Options{Hostile: &esdbserver.Hostile{LateAnswer: 1}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := client.AppendToStream(ctx, "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, note(0))
	wantCode(t, err, esdb.ErrorCodeDeadlineExceeded)
	wantEqual(t, "head", head(t, store), place(1))
}

func TestHostileForgetsIDs(t *testing.T) {
	client, store := start(t, esdbserver.Options{Hostile: &esdbserver.Hostile{Forget: true}})
	once := note(0)
	mustAppend(t, client, "s", esdb.Any{}, once)
	mustAppend(t, client, "s", esdb.Any{}, once)
	wantEqual(t, "head", head(t, store), place(2))
	mustAppend(t, client, "s", esdb.NoStream{}, once)
	wantEqual(t, "head after a repetition at a revision", head(t, store), place(2))
}

// It is told the client also while that is still sending.
func TestHostileNamesTheLeader(t *testing.T) {
	client, store := start(t, esdbserver.Options{Hostile: &esdbserver.Hostile{NotLeader: 1}})
	for range 30 {
		_, err := client.AppendToStream(context10(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, notes(0, 50)...)
		wantCode(t, err, esdb.ErrorCodeNotLeader)
	}
	wantEqual(t, "head", head(t, store), place(0))
}

func TestHostileDropsSubscriptions(t *testing.T) {
	hostile := &esdbserver.Hostile{Seed: 1, DropSubscription: 5}
	client, store := start(t, esdbserver.Options{Hostile: hostile})
	mustAppend(t, client, "s", esdb.NoStream{}, notes(0, 100)...)
	got, drops := uint64(0), 0
	for got < head(t, store).Commit {
		s, err := client.SubscribeToAll(context10(t), esdb.SubscribeToAllOptions{From: esdb.Position{Commit: got * esdbserver.Stride, Prepare: got * esdbserver.Stride}})
		if err != nil {
			t.Fatal(err)
		}
		for got < head(t, store).Commit {
			e := s.Recv()
			if e.SubscriptionDropped != nil {
				drops++
				break
			}
			if e.EventAppeared != nil {
				got++
				wantEqual(t, "the next event", e.EventAppeared.OriginalEvent().Position.Commit, got*esdbserver.Stride)
			}
		}
		_ = s.Close()
	}
	if drops < 10 || drops > 50 {
		t.Errorf("%d drops in 100 events, one in 5 was asked for", drops)
	}
}

func TestHostileIsSlowAndDown(t *testing.T) {
	const slow = 50 * time.Millisecond
	client, _ := start(t, esdbserver.Options{Hostile: &esdbserver.Hostile{Slow: 1, SlowFor: slow}})
	begin := time.Now()
	mustAppend(t, client, "s", esdb.NoStream{}, note(0))
	if took := time.Since(begin); took < slow {
		t.Errorf("the append took %v", took)
	}
	client, _ = start(t, esdbserver.Options{Hostile: &esdbserver.Hostile{Down: 1, DownFor: time.Hour}})
	_, err := client.AppendToStream(context10(t), "s", esdb.AppendToStreamOptions{}, note(0))
	wantCode(t, err, esdb.ErrorUnavailable)
}

// What a hostile server does is decided by its seed: the same calls meet the same trouble.
func TestHostileIsDeterministic(t *testing.T) {
	outcomes := func(seed uint64) (all []bool) {
		client := connect(t, esdbserver.Options{Hostile: &esdbserver.Hostile{Seed: seed, NotLeader: 3}})
		for range 30 {
			_, err := client.Tombstone(context10(t), &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
				StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte(uuid.NewString())},
				ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}},
			}})
			all = append(all, status.Code(err) == codes.NotFound)
		}
		return all
	}
	first := outcomes(7)
	wantEqual(t, "the same seed", outcomes(7), first)
	if a, b := first, outcomes(8); slices.Equal(a, b) {
		t.Error("another seed decides the same")
	}
}
