package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"daybook/commands"
	"daybook/commands/policies"
	"daybook/domain/event"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/eventstore"
	feeds "daybook/follow"
)

// marks are checkpoints that are gone with the test.
type marks struct {
	mu   sync.Mutex
	at   map[string]eventstore.Position
	fail bool
}

func newMarks() *marks { return &marks{at: map[string]eventstore.Position{}} }

func (m *marks) Load(_ context.Context, consumer string) (eventstore.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at[consumer], nil
}

func (m *marks) Save(_ context.Context, consumer string, at eventstore.Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail {
		return errors.New("no checkpoint can be kept")
	}
	m.at[consumer] = at
	return nil
}

// reacting is a process that keeps policies at work.
type reacting struct {
	t        *testing.T
	registry *prometheus.Registry
	marks    *marks
	cancel   context.CancelFunc
	done     chan error
}

func react(t *testing.T, r *restaurant, log eventstore.Store, m *marks, all ...policies.Policy) *reacting {
	t.Helper()
	if all == nil {
		all = policies.All
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &reacting{t, prometheus.NewRegistry(), m, cancel, make(chan error, 1)}
	service := commands.New(log, r.secret, func() time.Time { return r.now })
	if r.shared {
		service.Share()
	}
	metrics := commands.NewPolicyMetrics(p.registry)
	go func() { p.done <- service.React(ctx, feeds.NewFeed(log), m, all, metrics, quiet) }()
	t.Cleanup(p.stop)
	return p
}

func (p *reacting) stop() {
	p.t.Helper()
	p.cancel()
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Error(err)
		}
		p.done <- nil
	case <-time.After(time.Minute):
		p.t.Fatal("policies do not stop")
	}
}

// reaches waits until the policies have handled the whole log.
func (p *reacting) reaches(head eventstore.Position) {
	p.t.Helper()
	waitUntil(p.t, "the policy has handled the log", func() bool {
		at, _ := p.marks.Load(context.Background(), policies.OwnedStores.Name)
		return !at.Before(head)
	})
}

// metric is the sum of a metric's values, over all its labels but those that are named.
func (p *reacting) metric(name string, labels ...string) (sum float64) {
	p.t.Helper()
	families := must(p.registry.Gather())
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			named := 0
			for _, l := range m.GetLabel() {
				if slices.Contains(labels, l.GetValue()) {
					named++
				}
			}
			if named == len(labels) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// opened appends what a program wrote that did not count an owner's stores.
func opened(t *testing.T, log eventstore.Store, ownerID string, storeIDs ...string) {
	t.Helper()
	for _, id := range storeIDs {
		e := store.Opened{StoreID: id, OwnerID: ownerID, Name: "Cafe " + id, At: time.Date(2024, 11, 1, 3, 0, 0, 0, time.UTC)}
		data := must(event.Encode(e))
		meta := []byte(`{"schema":1,"commandId":"6f4a1c52-70c1-5be9-9d4e-0f7a2f0c9d77","actor":"owner:x","correlationId":"request-` + id + `"}`)
		must(log.Append(t.Context(), stream.Store(id), eventstore.NoStream, []eventstore.NewEvent{{ID: uuid.New(), Type: e.EventType(), Data: data, Metadata: meta}}))
	}
}

// claims are the stores that count as an owner's, in the order in which they were counted.
func claims(t *testing.T, log eventstore.Store, ownerID string) (ids []string) {
	t.Helper()
	for e, err := range log.ReadStream(t.Context(), stream.Owner(ownerID), eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, must(store.OwnerDecider.Catalog.Decode(e.Type, e.Data)).StoreID)
	}
	return ids
}

// TestPolicy: what an earlier program left undone is done, once, and the log tells why; again, nothing is left to do.
func TestPolicy(t *testing.T) {
	t.Parallel()
	overEveryLog(t, func(t *testing.T, r *restaurant) {
		opened(t, r.log, "o9", "a", "b")
		m := newMarks()
		p := react(t, r, r.log, m)
		waitUntil(t, "the stores are counted", func() bool { return len(claims(t, r.log, "o9")) == 2 })
		for e, err := range r.log.ReadStream(t.Context(), stream.Owner("o9"), eventstore.StreamRead{Limit: 1}) {
			if err != nil {
				t.Fatal(err)
			}
			checkTold(t, r.log, e)
		}
		head := must(r.log.Head(t.Context()))
		p.reaches(head)
		p.stop()
		lost := newMarks()
		again := react(t, r, r.log, lost)
		again.reaches(head)
		if now := must(r.log.Head(t.Context())); now != head {
			t.Errorf("after its checkpoint was lost, the policy wrote up to %v; the log ended at %v", now, head)
		}
		if got := again.metric("daybook_policy_events_total"); got != 3 {
			t.Errorf("after its checkpoint was lost, %v events came", got)
		}
		again.stop()
		react(t, r, r.log, lost).stop()
		if diff := cmp.Diff([]string{"a", "b"}, claims(t, r.log, "o9")); diff != "" || len(claims(t, r.log, "o1")) != 1 {
			t.Errorf("%s, and of o1 %v", diff, claims(t, r.log, "o1"))
		}
	})
}

// checkTold: the event of a policy says from what it follows.
func checkTold(t *testing.T, log eventstore.Store, e eventstore.Event) {
	t.Helper()
	var meta map[string]any
	if err := json.Unmarshal(e.Metadata, &meta); err != nil {
		t.Fatal(err)
	}
	for cause, err := range log.ReadStream(t.Context(), stream.Store("a"), eventstore.StreamRead{}) {
		if err != nil || meta["causationId"] != cause.ID.String() {
			t.Errorf("caused by %v, want %v: %v", meta["causationId"], cause.ID, err)
		}
	}
	if meta["correlationId"] != "request-a" || meta["actor"] != "policy:owned_stores" || meta["storeId"] != "a" {
		t.Errorf("metadata: %s", e.Metadata)
	}
}

// TestPolicyInAnyOrder: events that come again and in another order between streams have the effect of each coming once.
func TestPolicyInAnyOrder(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	opened(t, r.log, "o9", "a", "b", "c", "d")
	opened(t, r.log, "o8", "e", "f")
	var events []eventstore.Event
	for e, err := range r.log.ReadAll(t.Context(), eventstore.LogRead{Filter: eventstore.Filter{Types: policies.OwnedStores.Types}}) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e, e, e)
	}
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for _, e := range events {
		if random.IntN(4) == 0 {
			r.restart()
		}
		if err := r.service.Handle(t.Context(), policies.OwnedStores, e); err != nil {
			t.Fatal(err)
		}
	}
	for ownerID, want := range map[string][]string{"o9": {"a", "b", "c", "d"}, "o8": {"e", "f"}} {
		if got := slices.Sorted(slices.Values(claims(t, r.log, ownerID))); !slices.Equal(got, want) {
			t.Errorf("of %s are counted %v, want %v", ownerID, got, want)
		}
	}
}

// dying is a log whose process dies with its first append, just before or just after it is written.
type dying struct {
	eventstore.Store
	before bool
	die    func()
}

func (d *dying) Append(ctx context.Context, name string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	if !d.before {
		must(d.Store.Append(ctx, name, expected, events))
	}
	d.die()
	return eventstore.Appended{}, context.Canceled
}

// TestPolicyKilled before an append, or between it and its checkpoint, and started again, does everything once.
func TestPolicyKilled(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	want := []string{"a", "b", "c", "d"}
	opened(t, r.log, "o9", want...)
	m := newMarks()
	for n := range 2 * len(want) {
		dies := make(chan struct{})
		log := &dying{Store: r.log, before: n%2 == 0, die: sync.OnceFunc(func() { close(dies) })}
		p := react(t, r, log, m)
		select {
		case <-dies:
		case <-time.After(time.Minute):
			t.Fatal("the policy appends nothing")
		}
		p.stop()
	}
	p := react(t, r, r.log, m)
	p.reaches(must(r.log.Head(t.Context())))
	if got := claims(t, r.log, "o9"); !slices.Equal(got, want) {
		t.Errorf("counted are %v, want %v", got, want)
	}
}

// TestPolicyTwice: two processes at once, of which one can keep no checkpoint, do everything once.
func TestPolicyTwice(t *testing.T) {
	t.Parallel()
	overEveryLog(t, func(t *testing.T, r *restaurant) {
		m, none := newMarks(), newMarks()
		none.fail = true
		p := react(t, r, r.log, m)
		react(t, r, r.log, none)
		want := map[string][]string{}
		for n := range 30 {
			ownerID, id := fmt.Sprintf("p%d", n%3), fmt.Sprintf("s%02d", n)
			opened(t, r.log, ownerID, id)
			want[ownerID] = append(want[ownerID], id)
		}
		p.reaches(must(r.log.Head(t.Context())))
		for ownerID, ids := range want {
			if got := slices.Sorted(slices.Values(claims(t, r.log, ownerID))); !slices.Equal(got, ids) {
				t.Errorf("of %s are counted %v, want %v", ownerID, got, ids)
			}
		}
	})
}

// TestPolicyRefused: what the domain refuses is an answer, and others' events go on.
func TestPolicyRefused(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	var full []eventstore.NewEvent
	for n := range store.OwnedMax {
		data := must(event.Encode(store.StoreClaimed{StoreID: fmt.Sprint("x", n), At: r.now}))
		full = append(full, eventstore.NewEvent{ID: uuid.New(), Type: store.StoreClaimed{}.EventType(), Data: data})
	}
	must(r.log.Append(t.Context(), stream.Owner("o7"), eventstore.NoStream, full))
	opened(t, r.log, "o7", "one-too-many")
	opened(t, r.log, "o9", "a")
	p := react(t, r, r.log, newMarks())
	p.reaches(must(r.log.Head(t.Context())))
	if n := len(claims(t, r.log, "o7")); n != store.OwnedMax || !slices.Equal(claims(t, r.log, "o9"), []string{"a"}) {
		t.Errorf("of o7 are counted %d, of o9 %v", n, claims(t, r.log, "o9"))
	}
	if refused := p.metric("daybook_policy_commands_total", "refused"); refused != 1 {
		t.Errorf("%v commands were refused", refused)
	}
}

// TestPolicyStopsOneStream: an event that cannot be handled, be it unreadable or the policy's own fault, stops its stream.
// The others go on, and a restart begins before it.
func TestPolicyStopsOneStream(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	bad := eventstore.NewEvent{ID: uuid.New(), Type: store.Opened{}.EventType(), Data: []byte(`{"ownerId":7}`)}
	must(r.log.Append(t.Context(), stream.Store("bad"), eventstore.NoStream, []eventstore.NewEvent{bad}))
	opened(t, r.log, "o9", "a", "wild")
	wild := policies.OwnedStores
	wild.React = func(e eventstore.Event) ([]policies.Command, error) {
		if e.Stream == stream.Store("wild") {
			panic("wild")
		}
		return policies.OwnedStores.React(e)
	}
	m := newMarks()
	p := react(t, r, r.log, m, wild)
	waitUntil(t, "two streams are stopped", func() bool { return p.metric("daybook_policy_stopped_streams") == 2 })
	opened(t, r.log, "o9", "b")
	waitUntil(t, "the others are counted", func() bool { return slices.Equal(claims(t, r.log, "o9"), []string{"a", "b"}) })
	p.stop()
	again := react(t, r, r.log, m)
	waitUntil(t, "a mended policy has done what was left", func() bool { return len(claims(t, r.log, "o9")) == 3 })
	if stopped := again.metric("daybook_policy_stopped_streams"); stopped != 1 {
		t.Errorf("%v streams are stopped after a restart", stopped)
	}
}

// unwritable is a log that cannot be written for some appends.
type unwritable struct {
	eventstore.Store
	left atomic.Int64
}

func (f *unwritable) Append(ctx context.Context, name string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	if f.left.Add(-1) >= 0 {
		return eventstore.Appended{}, fmt.Errorf("%w: a test", eventstore.ErrUnavailable)
	}
	return f.Store.Append(ctx, name, expected, events)
}

// TestPolicyGoesOnAfterAnOutage of the log, with the event that it was at.
func TestPolicyGoesOnAfterAnOutage(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	opened(t, r.log, "o9", "a", "b")
	log := &unwritable{Store: r.log}
	log.left.Store(7) // more than one round of attempts
	p := react(t, r, log, newMarks())
	p.reaches(must(r.log.Head(t.Context())))
	if got := claims(t, r.log, "o9"); !slices.Equal(got, []string{"a", "b"}) || p.metric("daybook_policy_stopped_streams") != 0 {
		t.Errorf("counted are %v", got)
	}
}
