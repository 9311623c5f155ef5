package follow_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"daybook/eventstore"
	"daybook/follow"
)

// telling keeps outcomes told until the test ends.
func telling(t *testing.T, feed *follow.Feed) *follow.Outcomes {
	t.Helper()
	o := follow.NewOutcomes(feed, quiet)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if n := o.Waiting(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
	return o
}

func accepted(e eventstore.Event) bool { return e.Type == "accepted" }

// TestAwait: an outcome that is there is returned at once, and one that comes, when it comes; other streams and other
// events of the same one do not count.
func TestAwait(t *testing.T) {
	overEveryLog(t, func(t *testing.T, log eventstore.Store) {
		feed := follow.NewFeed(log)
		o := telling(t, feed)
		appendTo(t, log, "tab-s-0", event("accepted", 10), event("placed", 10), event("accepted", 10))
		if e, err := o.Await(within(t), "tab-s-0", 1, accepted); err != nil || e.Revision != 2 {
			t.Errorf("what was there: %+v, %v", e, err)
		}
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() {
				e, err := o.Await(within(t), fmt.Sprintf("tab-s-1.%d", n%10), 0, accepted)
				if err != nil || e.Revision != 2 || e.Type != "accepted" {
					t.Errorf("%d: %+v, %v", n, e, err)
				}
			})
		}
		waitFor(t, func() bool { return o.Waiting() == 20 })
		for _, typ := range []string{"placed", "priced", "accepted", "accepted"} {
			for n := range 10 {
				appendTo(t, log, fmt.Sprintf("tab-s-1.%d", n), event(typ, 10))
				appendTo(t, log, "tab-s-other", event("accepted", 10))
			}
		}
		all.Wait()
		if e, err := o.Await(within(t), "tab-s-1.3", 1, accepted); err != nil || e.Revision != 2 {
			t.Errorf("what was told before: %+v, %v", e, err)
		}
		waitFor(t, func() bool { return feed.Subscriptions() == 1 })
	})
}

// TestAwaitMissesNothing: whether the outcome comes just before, while or after the waiting begins, and however many
// events come with it, each is asked about once, in order.
func TestAwaitMissesNothing(t *testing.T) {
	log := newLog(t)
	o := telling(t, follow.NewFeed(log))
	for n := range 100 {
		stream := fmt.Sprintf("tab-s-%d", n)
		appended := make(chan struct{})
		go func() {
			defer close(appended)
			for range n % 70 {
				appendTo(t, log, stream, event("placed", 10))
			}
			appendTo(t, log, stream, event("accepted", 10))
		}()
		next := eventstore.Revision(0)
		_, err := o.Await(within(t), stream, 0, func(e eventstore.Event) bool {
			if e.Revision != next {
				t.Errorf("asked about revision %d after %d", e.Revision, next-1)
			}
			next++
			return accepted(e)
		})
		if err != nil {
			t.Fatalf("round %d: %v", n, err)
		}
		<-appended
	}
}

// TestAwaitOfABusyStream: whoever is slow with what it is told still sees all of it, and holds up nobody.
func TestAwaitOfABusyStream(t *testing.T) {
	log := newLog(t)
	o := telling(t, follow.NewFeed(log))
	appendTo(t, log, "tab-s-busy", event("placed", 10))
	met, release, got := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	asked := 0
	go func() {
		_, err := o.Await(within(t), "tab-s-busy", 0, func(e eventstore.Event) bool {
			if asked++; asked == 1 {
				close(met)
				<-release
			}
			return accepted(e)
		})
		got <- err
	}()
	<-met
	for range 200 {
		appendTo(t, log, "tab-s-busy", event("placed", 10))
	}
	appendTo(t, log, "tab-s-busy", event("accepted", 10))
	other := make(chan error, 1)
	go func() {
		_, err := o.Await(within(t), "tab-s-other", 0, accepted)
		other <- err
	}()
	waitFor(t, func() bool { return o.Waiting() == 2 })
	appendTo(t, log, "tab-s-other", event("accepted", 10))
	if err := <-other; err != nil { // it is told in the log's order, so the busy one was told everything
		t.Error(err)
	}
	close(release)
	if err := <-got; err != nil || asked != 202 {
		t.Errorf("asked about %d events, %v", asked, err)
	}
}

// TestAwaitIsBounded by its context.
func TestAwaitIsBounded(t *testing.T) {
	o := telling(t, follow.NewFeed(newLog(t)))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if e, err := o.Await(ctx, "tab-s-1", 0, accepted); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestAwaitThroughABreak: what is appended while nobody can follow the log is told afterwards.
func TestAwaitThroughABreak(t *testing.T) {
	log := &breaking{Store: newLog(t), broken: make(chan struct{})}
	o := telling(t, follow.NewFeed(log))
	for n := range 20 {
		stream, got := fmt.Sprintf("tab-s-%d", n), make(chan error, 1)
		go func() {
			_, err := o.Await(within(t), stream, 0, accepted)
			got <- err
		}()
		waitFor(t, func() bool { return o.Waiting() == 1 })
		log.breakAll()
		appendTo(t, log, stream, event("placed", 10), event("accepted", 10))
		if err := <-got; err != nil {
			t.Fatal(err)
		}
	}
}
