package follow_test

import (
	"context"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"daybook/eventstore"
	"daybook/follow"
)

// TestPubSub has Watermill's own suite judge the publisher and the subscriber. What a log does not have:
//
//   - ExactlyOnceDelivery: what was handled after the last checkpoint comes again after a restart. Handlers decide by the
//     state of what they change.
//   - RestartServiceCommand: there is no service to restart; package kurrent's tests interrupt its server.
//   - GenerateTopicFunc, GenerateIDFunc: any stream name is a topic, any text an id.
//   - RequireSingleInstance: several subscribers are independent of each other, so it is false. Of one consumer, too, each
//     gets all messages: in a group, the suite's only use of it, they come more than once.
//   - GuaranteedOrderWithSingleSubscriber: the suite merges ten subscribers into one and drops what came before; between
//     ten of a log that each keep the order, it cannot see one.
//   - ContextPreserved: a message comes out of a log, not out of its publisher's call.
func TestPubSub(t *testing.T) {
	quietSuite(t)
	log := newLog(t)
	feed := follow.NewFeed(log)
	marks := newCheckpoints()
	tests.TestPubSub(t, tests.Features{
		ConsumerGroups:                      true,
		GuaranteedOrder:                     true,
		GuaranteedOrderWithSingleSubscriber: true,
		Persistent:                          true,
		NewSubscriberReceivesOldMessages:    true,
		ForceShort:                          true,
	}, func(t *testing.T) (message.Publisher, message.Subscriber) {
		return follow.NewPublisher(log), closing(t, follow.NewSubscriber(feed, follow.SubscriberOptions{Log: quiet}))
	}, func(t *testing.T, group string) (message.Publisher, message.Subscriber) {
		options := follow.SubscriberOptions{Consumer: group, Checkpoints: marks, Log: quiet}
		return follow.NewPublisher(log), closing(t, follow.NewSubscriber(feed, options))
	})
}

// closing closes a subscriber that the suite may leave open.
func closing(t *testing.T, s *follow.Subscriber) *follow.Subscriber {
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// quietSuite keeps what the suite prints off the tests' output.
func quietSuite(t *testing.T) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := os.Stdout
	os.Stdout = null
	stdlog.SetOutput(io.Discard)
	t.Cleanup(func() {
		os.Stdout = out
		stdlog.SetOutput(os.Stderr)
		_ = null.Close()
	})
}

// checkpoints are kept in memory.
type checkpoints struct {
	mu sync.Mutex
	at map[string]eventstore.Position
}

func newCheckpoints() *checkpoints { return &checkpoints{at: map[string]eventstore.Position{}} }

func (c *checkpoints) Load(_ context.Context, consumer string) (eventstore.Position, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[consumer], nil
}

func (c *checkpoints) Save(_ context.Context, consumer string, at eventstore.Position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[consumer] = at
	return nil
}

// BenchmarkPaths compares a message for each event with a message for each batch, which Run uses for read models.
func BenchmarkPaths(b *testing.B) {
	const events = 20_000
	log := newLog(b)
	for n := range events / 1000 {
		var some []eventstore.NewEvent
		for range 1000 {
			e := event("tab.order_placed.v1", 400)
			e.Metadata = []byte(`{"schema":1,"commandId":"6f4a1c52-70c1-5be9-9d4e-0f7a2f0c9d11","actor":"device:d1","correlationId":"r1"}`)
			some = append(some, e)
		}
		appendTo(b, log, fmt.Sprintf("tab-s-%d", n), some...)
	}
	count := func(cancel func(), got *int) func(n int) {
		return func(n int) {
			if *got += n; *got == events {
				cancel()
			}
		}
	}
	b.Run("a message for each event", func(b *testing.B) {
		for b.Loop() {
			s := follow.NewSubscriber(follow.NewFeed(log), follow.SubscriberOptions{})
			messages, err := s.Subscribe(b.Context(), follow.AllStreams)
			if err != nil {
				b.Fatal(err)
			}
			for range events {
				msg := <-messages
				msg.Ack()
			}
			_ = s.Close()
		}
		b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("a message for each batch", func(b *testing.B) {
		for b.Loop() {
			ctx, cancel := context.WithCancel(b.Context())
			got := 0
			add := count(cancel, &got)
			f := follower("all", func(batch eventstore.Batch) error {
				add(len(batch.Events))
				return nil
			})
			if err := follow.Run(ctx, follow.NewFeed(log), []follow.Follower{f}, quiet); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
	})
}
