package follow_test

import (
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/follow"
)

// placed is an event as commands write it.
func placed() eventstore.NewEvent {
	return eventstore.NewEvent{
		ID: uuid.New(), Type: "tab.order_placed.v1", Data: []byte(`{"orderId":"o1"}`),
		Metadata: []byte(`{"schema":1,"commandId":"c1","actor":"device:d1","correlationId":"r1","causationId":"e0","answer":{"status":201}}`),
	}
}

// TestMessageOfAnEvent: a message tells everything of its event, by names that do not depend on Daybook's JSON, and the
// event can be made of it again.
func TestMessageOfAnEvent(t *testing.T) {
	log := newLog(t)
	appendTo(t, log, "tab-s1-t1.1", placed(), event("bare", 10))
	for e, err := range log.ReadAll(t.Context(), eventstore.LogRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		msg := follow.MessageOf(e)
		again, err := follow.EventOf(msg)
		if diff := cmp.Diff(e, again); err != nil || diff != "" {
			t.Errorf("%v: %s", err, diff)
		}
		if e.Type == "bare" {
			continue
		}
		want := message.Metadata{
			follow.EventName: "tab.order_placed.v1", follow.Stream: "tab-s1-t1.1", follow.Revision: "0", follow.Position: "1",
			follow.Created: e.Created.Format(time.RFC3339Nano), follow.StoreID: "s1", follow.Correlation: "r1", follow.Causation: "e0",
			follow.EventMetadata: string(e.Metadata), "commandId": "c1", "actor": "device:d1",
		}
		if diff := cmp.Diff(want, msg.Metadata); diff != "" || msg.UUID != e.ID.String() || string(msg.Payload) != string(e.Data) {
			t.Errorf("%s %s: %s", msg.UUID, msg.Payload, diff)
		}
	}
	for _, name := range []string{follow.Revision, follow.Position, follow.Created} {
		msg := follow.MessageOf(eventstore.Event{ID: uuid.New(), Stream: "s", Type: "t"})
		delete(msg.Metadata, name)
		if e, err := follow.EventOf(msg); err == nil {
			t.Errorf("without %s: %+v", name, e)
		}
	}
	if e, err := follow.EventOf(message.NewMessage("no id", nil)); err == nil {
		t.Errorf("without an id: %+v", e)
	}
}

// TestForwardedToAnotherLog: a router takes events from one log to another, through Watermill's middleware, and they are
// the same there but for their places; done twice, they are there once.
func TestForwardedToAnotherLog(t *testing.T) {
	from, to := newLog(t), newLog(t)
	appendTo(t, from, "tab-s1-t1.1", placed(), event("other.v1", 10), placed())
	for range 2 {
		forward(t, follow.NewSubscriber(follow.NewFeed(from), follow.SubscriberOptions{Types: []string{"tab.order_placed.v1"}}), follow.NewPublisher(to), 2)
	}
	var got []eventstore.Event
	for e, err := range to.ReadAll(t.Context(), eventstore.LogRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	n := 0
	for e, err := range from.ReadAll(t.Context(), eventstore.LogRead{Filter: eventstore.Filter{Types: []string{"tab.order_placed.v1"}}}) {
		if err != nil || n == len(got) {
			t.Fatalf("%d events arrived, %v", len(got), err)
		}
		if e.ID != got[n].ID || e.Type != got[n].Type || string(e.Data) != string(got[n].Data) || !sameJSON(t, e.Metadata, got[n].Metadata) {
			t.Errorf("%+v became %+v", e, got[n])
		}
		n++
	}
	if n != len(got) {
		t.Errorf("%d events arrived, %d were sent", len(got), n)
	}
}

// forward runs a router until so many messages were published.
func forward(t *testing.T, sub message.Subscriber, pub message.Publisher, messages int64) {
	t.Helper()
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: patience}, watermill.NopLogger{})
	if err != nil {
		t.Fatal(err)
	}
	router.AddMiddleware(middleware.CorrelationID, middleware.Retry{MaxRetries: 3}.Middleware, middleware.Recoverer)
	var handled, failed atomic.Int64
	router.AddHandler("forward", "tab", sub, "copied-s1", pub, func(msg *message.Message) ([]*message.Message, error) {
		if failed.Add(1) == 1 {
			return nil, errors.New("once")
		}
		if got := middleware.MessageCorrelationID(msg); got != "r1" {
			t.Errorf("the middleware sees correlation %q", got)
		}
		handled.Add(1)
		return []*message.Message{msg.Copy()}, nil
	})
	done := make(chan error, 1)
	go func() { done <- router.Run(t.Context()) }()
	<-router.Running()
	waitFor(t, func() bool { return handled.Load() >= messages })
	if err := router.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(x, y)
}

// staysOpen is a publisher that a router does not close.
type staysOpen struct{ message.Publisher }

func (staysOpen) Close() error { return nil }

// TestToAnotherBroker: what the subscriber delivers goes through any publisher of Watermill's as it is.
func TestToAnotherBroker(t *testing.T) {
	log := newLog(t)
	appendTo(t, log, "tab-s1-t1.1", placed())
	broker := gochannel.NewGoChannel(gochannel.Config{Persistent: true, OutputChannelBuffer: 10}, watermill.NopLogger{})
	defer broker.Close()
	forward(t, follow.NewSubscriber(follow.NewFeed(log), follow.SubscriberOptions{}), staysOpen{broker}, 1)
	messages, err := broker.Subscribe(t.Context(), "copied-s1")
	if err != nil {
		t.Fatal(err)
	}
	msg := <-messages
	msg.Ack()
	e, err := follow.EventOf(msg)
	if err != nil || e.Stream != "tab-s1-t1.1" || e.Type != "tab.order_placed.v1" || e.Revision != 0 {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestSubscriberGoesOnFromItsCheckpoint, and what it did not acknowledge comes again.
func TestSubscriberGoesOnFromItsCheckpoint(t *testing.T) {
	log, marks := newLog(t), newCheckpoints()
	feed := follow.NewFeed(log)
	take := func(n int, ackLast bool) (types []string) {
		s := follow.NewSubscriber(feed, follow.SubscriberOptions{Consumer: "c", Checkpoints: marks, Log: quiet})
		defer s.Close()
		messages, err := s.Subscribe(t.Context(), follow.AllStreams)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			msg := <-messages
			types = append(types, msg.Metadata[follow.EventName])
			if i < n-1 || ackLast {
				msg.Ack()
			}
		}
		if ackLast {
			waitFor(t, func() bool { at, _ := marks.Load(t.Context(), "c"); return at == head(t, log) })
		}
		return types
	}
	appendTo(t, log, "tab-s-1", event("a", 10), event("b", 10))
	if got := take(2, false); !cmp.Equal(got, []string{"a", "b"}) {
		t.Error(got)
	}
	if got := take(2, true); !cmp.Equal(got, []string{"a", "b"}) {
		t.Errorf("after the last was not acknowledged: %v", got)
	}
	appendTo(t, log, "tab-s-1", event("c", 10))
	if got := take(1, true); !cmp.Equal(got, []string{"c"}) {
		t.Errorf("after the checkpoint: %v", got)
	}
}
