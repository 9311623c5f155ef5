package kurrent_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/embedded"
	"daybook/eventstore/esdbserver"
	"daybook/eventstore/kurrent"
	"daybook/internal/logtest"
)

// These are the ways in which EventStoreDB 24.10 was seen to fail, one node and three, and where each is tested:
//
//	a node is killed and restarted         TestANodeIsKilled, TestSubscriptionsSurviveTenRestarts
//	the leader is killed                   TestTheLeaderIsKilled, TestTenLeaderKillsLeaveNothingBehind
//	the leader hangs                       TestAHungLeader, TestAHungServer
//	it comes back with what was never
//	  replicated                           TestWhatWasNeverReplicated; see also the head, TestTheHeadOfALogThatWentBack
//	there is no quorum                     TestNoQuorum
//	a follower is asked for what is the
//	  leader's                             TestWritesAndFreshReadsGoToTheLeader, TestAnyAddressWorksAfterABreak,
//	                                         TestAFollowerThatIsPreferredHangs
//	many hosts in esdb+discover://         TestAnyAddressWorksAfterABreak
//	keep-alive below 10 s                  TestASilentConnectionThatNobodyWaitsFor, TestOpenRefusesABadAddressAndHidesThePassword
//	$maxCount, $maxAge, deletion           TestAStreamThatLostItsBeginning, TestAStreamWhoseBeginningIsTooOld
//	the server's and others' events        TestARestartBehindOthersEvents, TestTheHeadBehindOthersEventsIsSoughtOnce,
//	                                         TestOthersLargeEventsStayOnTheServer, TestTheServersOwnEventsAreNotShown
//	a scavenge                             TestAfterAScavenge
//	100 calls at once on a connection      TestMoreCallsThanAConnectionTakes, TestASlowServerIsNotSilent
//	its disk is full                       TestANodeIsKilled
//	certificates are renewed               TestCertificatesRenewed, TestACARenewed
//	an ingress answers in its place        TestAnIngressesWordIsNotTheServers
//	it is far away                         TestFarAway
//
// What it answers to each call is held by esdbserver's own tests, TestAnswer…. What the whole program makes of it, by those
// of internal/e2e: TestTheEventStoreIsGone, TestTheEventStoreHangs, TestTheEventStoreIsFarAway, TestAStartWithoutTheEventStore,
// TestARestartBehindOthersEvents (and after a scavenge), TestHostileEventStore.

// soonMax bounds what takes a second or two, on a busy machine with the race detector. The times themselves are logged.
const soonMax = 15 * time.Second

// append1 appends one event behind a revision and returns how long that took.
func append1(t *testing.T, store *kurrent.Store, stream string, expected eventstore.Revision) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := store.Append(within(t, soonMax), stream, expected, []eventstore.NewEvent{event("x")}); err != nil {
		t.Fatalf("append after %d: %v", expected, err)
	}
	return time.Since(began)
}

// again appends one event as who orders does: until it is acknowledged, with the same id.
func again(t *testing.T, store *kurrent.Store, stream string, expected eventstore.Revision) {
	t.Helper()
	given := []eventstore.NewEvent{event("x")}
	for ctx := within(t, soonMax); ; {
		_, err := store.Append(ctx, stream, expected, given)
		if err == nil {
			return
		}
		if !errors.Is(err, eventstore.ErrUnavailable) || ctx.Err() != nil {
			t.Fatalf("append after %d: %v", expected, err)
		}
	}
}

// TestANodeIsKilled while four write and three follow: nothing acknowledged is lost, nothing is there twice. A full disk ends
// a node, too; it is started again when there is room.
func TestANodeIsKilled(t *testing.T) {
	for name, away := range map[string]time.Duration{"and restarted": 0, "until its disk has room": 500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t, esdbserver.Options{})
			underTrouble(t, server, func() {
				for range 3 {
					server.grows(100)
					server.kill()
					time.Sleep(away)
					server.start()
					began := time.Now()
					server.grows(1)
					t.Logf("first success %v after it was back", time.Since(began))
				}
				server.grows(100)
			})
		})
	}
}

// cluster is a leader and a follower over one log.
type cluster struct {
	*testing.T
	nodes [2]*server
}

func newCluster(t *testing.T) *cluster {
	first := newServer(t, esdbserver.Options{})
	second := &server{TB: t, log: first.log, address: "127.0.0.1:0", options: esdbserver.Options{Logger: logger()}}
	second.start()
	t.Cleanup(func() { second.down() })
	c := &cluster{t, [2]*server{first, second}}
	c.lead(0, 0)
	return c
}

// lead makes a node the leader, after an election of so long in which nobody is ready. The other node follows, if it runs.
func (c *cluster) lead(leader int, election time.Duration) {
	c.Helper()
	members := []string{c.nodes[leader].address, c.nodes[1-leader].address}
	for i, node := range c.nodes {
		runs := node.stop != nil
		node.down()
		node.options.Members, node.options.Follower = members, i != leader
		node.options.Hostile = &esdbserver.Hostile{NotReadyFor: election}
		if runs {
			node.start()
		}
	}
}

// url names both nodes, the second first.
func (c *cluster) url(settings string) string {
	return "esdb://" + c.nodes[1].address + "," + c.nodes[0].address + "?tls=false" + settings
}

// TestTheLeaderIsKilled: the others elect for a second, in which they are not ready; orders are back at once after that,
// whichever node is preferred.
func TestTheLeaderIsKilled(t *testing.T) {
	const election = time.Second
	for _, preference := range []string{"", "&nodePreference=follower"} {
		t.Run("prefers "+strings.TrimPrefix(preference, "&nodePreference="), func(t *testing.T) {
			c := newCluster(t)
			store := open(t, kurrent.Options{URL: c.url(preference), Logger: logger()})
			append1(t, store, "tab-s-1", eventstore.NoStream)
			c.nodes[0].kill()
			c.lead(1, election)
			took := append1(t, store, "tab-s-1", 0)
			t.Logf("orders are back %v after the election", took-election)
			c.nodes[0].start() // it follows now
			append1(t, store, "tab-s-1", 1)
			c.nodes[1].kill() // and leads again
			c.lead(0, election)
			took = append1(t, store, "tab-s-1", 2)
			t.Logf("orders are back %v after the second", took-election)
			if n := count(t, c.nodes[0], "tab-s-1"); n != 4 {
				t.Errorf("%d events", n)
			}
		})
	}
}

// TestAFollowerThatIsPreferredHangs: it is alive for the cluster, which takes seconds to notice, and another node is used.
func TestAFollowerThatIsPreferredHangs(t *testing.T) {
	for name, end := range map[string]func(*server){
		"hangs":     func(s *server) { s.front.Silent(true) },
		"is killed": func(s *server) { s.kill() },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			store := open(t, kurrent.Options{URL: c.url("&nodePreference=follower"), Logger: logger()})
			for e, err := range store.ReadStream(within(t, soonMax), "tab-s-1", eventstore.StreamRead{}) {
				t.Fatalf("got %+v, %v", e, err)
			}
			end(c.nodes[1])
			began := time.Now()
			again(t, store, "tab-s-1", eventstore.NoStream)
			append1(t, store, "tab-s-1", 0)
			for _, err := range store.ReadStream(within(t, soonMax), "tab-s-1", eventstore.StreamRead{}) {
				if err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("all is well %v after it", time.Since(began))
		})
	}
}

// replica is another log with the same events.
func (s *server) replica() *server {
	s.Helper()
	t, is := s.TB.(*testing.T)
	if !is {
		s.Fatal("not in a test")
	}
	other := newServer(t, esdbserver.Options{})
	for e, err := range s.log.ReadAll(context.Background(), eventstore.LogRead{}) {
		if err != nil {
			s.Fatal(err)
		}
		same := eventstore.NewEvent{ID: e.ID, Type: e.Type, Data: e.Data, Metadata: e.Metadata}
		if _, err := other.log.Append(context.Background(), e.Stream, e.Revision-1, []eventstore.NewEvent{same}); err != nil {
			s.Fatal(err)
		}
	}
	return other
}

// TestWhatWasNeverReplicated: the leader dies with an event that no other node has, and whose answer was lost. The new leader
// gets it by the repetition; behind it, others' events stand where the old leader had it. When the old leader has cut its log
// off and follows, nothing is there twice, and a subscription has it once.
func TestWhatWasNeverReplicated(t *testing.T) {
	old := newServer(t, esdbserver.Options{})
	store := old.open()
	append1(t, store, "tab-s-1", eventstore.NoStream)
	sub, err := store.Subscribe(t.Context(), eventstore.Position{}, eventstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	elected := old.replica()
	elected.down()
	elected.seed(3, "$stats-1")
	elected.address = old.address

	old.front.Silent(true) // it hangs with the order; nobody is told of it
	given := event("x")
	var ordered sync.WaitGroup
	ordered.Go(func() {
		if _, err := store.Append(within(t, 2*soonMax), "tab-s-1", 0, []eventstore.NewEvent{given}); err != nil {
			t.Errorf("the order: %v", err)
		}
	})
	if _, err := old.log.Append(t.Context(), "tab-s-1", 0, []eventstore.NewEvent{given}); err != nil {
		t.Fatal(err)
	}
	old.kill()
	elected.start()
	ordered.Wait()
	if n := count(t, elected, "tab-s-1"); n != 2 {
		t.Errorf("%d events of the order's stream", n)
	}
	append1(t, store, "tab-s-1", 1)
	want := elected.everything()
	var got []eventstore.Event
	for ctx := within(t, soonMax); len(got) < len(want); {
		b, err := sub.Next(ctx)
		if err != nil {
			t.Fatalf("after %d of %d events: %v", len(got), len(want), err)
		}
		got = append(got, b.Events...)
	}
	checkDelivered(t, 0, got, want, len(want))
}

// TestNoQuorum: fewer than half of the nodes run, and none is ready. Who orders is told so soon; when there is a quorum
// again, orders are back.
func TestNoQuorum(t *testing.T) {
	c := newCluster(t)
	var told logtest.Lines
	store := open(t, kurrent.Options{URL: c.url(""), Logger: told.Logger(slog.LevelInfo)})
	append1(t, store, "tab-s-1", eventstore.NoStream)
	c.nodes[0].kill()
	c.lead(1, time.Hour)
	for range 3 {
		began := time.Now()
		_, err := store.Append(within(t, 2*soonMax), "tab-s-1", 0, []eventstore.NewEvent{event("x")})
		if took := time.Since(began); !errors.Is(err, eventstore.ErrUnavailable) || took > soonMax {
			t.Errorf("got %v after %v", err, took)
		}
		t.Logf("told so after %v", time.Since(began))
	}
	says(t, &told, "more than half of the nodes run", 0)
	c.nodes[0].start()
	c.lead(1, 0)
	t.Logf("orders are back %v after the quorum", append1(t, store, "tab-s-1", 0))
	says(t, &told, "event store: back", soonMax)
	if n := count(t, c.nodes[1], "tab-s-1"); n != 2 {
		t.Errorf("%d events", n)
	}
}

// TestASilentConnectionThatNobodyWaitsFor is found by gRPC's keep-alive, which comes each 10 s, whatever shorter interval
// is asked for.
func TestASilentConnectionThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	for _, interval := range []string{"0", "1000"} {
		t.Run("keepAliveInterval="+interval, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			store := open(t, kurrent.Options{URL: c.url("&keepAliveTimeout=1000&keepAliveInterval=" + interval), Logger: logger()})
			a, err := store.Append(within(t, soonMax), "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")})
			if err != nil {
				t.Fatal(err)
			}
			sub, err := store.Subscribe(t.Context(), a.Position, eventstore.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Close()
			if b, err := sub.Next(within(t, soonMax)); err != nil || !b.CaughtUp {
				t.Fatalf("got %+v, %v", b, err)
			}
			if b, err := sub.Next(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) { // what was asked is answered
				t.Fatalf("got %+v, %v", b, err)
			}
			c.nodes[0].front.Silent(true)
			c.nodes[1].down()
			c.nodes[1].options.Members, c.nodes[1].options.Follower = []string{c.nodes[1].address}, false
			c.nodes[1].start()
			if _, err := c.nodes[1].log.Append(t.Context(), "tab-s-1", 0, []eventstore.NewEvent{event("x")}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for ctx := within(t, time.Minute); ; {
				b, err := sub.Next(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if len(b.Events) > 0 {
					break
				}
			}
			t.Logf("the event came %v after the leader had begun to hang", time.Since(began))
		})
	}
}

// TestAStreamWhoseBeginningIsTooOld: $maxAge hides one event after the other; what is left is not taken for the whole.
func TestAStreamWhoseBeginningIsTooOld(t *testing.T) {
	var passed atomic.Int64 // nanoseconds
	now := func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
	server := newServerOf(t, embedded.Options{Dir: "log", FS: vfs.NewMem(), Now: now, Logger: logger()}, esdbserver.Options{Now: now})
	store := server.open()
	append1(t, store, "tab-s-1", eventstore.NoStream)
	metadata := eventstore.NewEvent{ID: uuid.New(), Type: "$metadata", Data: []byte(`{"$maxAge":3600}`)}
	if _, err := server.log.Append(t.Context(), "$$tab-s-1", eventstore.NoStream, []eventstore.NewEvent{metadata}); err != nil {
		t.Fatal(err)
	}
	passed.Store(int64(2 * time.Hour))
	append1(t, store, "tab-s-1", 0)
	for e, err := range store.ReadStream(within(t, soonMax), "tab-s-1", eventstore.StreamRead{Fresh: true}) {
		if damage := (*eventstore.Corruption)(nil); !errors.As(err, &damage) || !strings.Contains(err.Error(), "tab-s-1, revision 1") {
			t.Errorf("got event %d, %v", e.Revision, err)
		}
	}
	passed.Store(int64(4 * time.Hour)) // nothing is left, which looks as if nothing had ever been
	var conflict *eventstore.Conflict
	_, err := store.Append(within(t, soonMax), "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")})
	if !errors.As(err, &conflict) || conflict.Actual != 1 {
		t.Errorf("an append to what looks new: %v", err)
	}
}

// TestAfterAScavenge: where an event stood that is gone, no event begins, and what is known of it does not hide the head.
func TestAfterAScavenge(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	store := open(t, kurrent.Options{URL: server.url(), Logger: logger(), Prefixes: prefixes})
	append1(t, store, "tab-s-1", eventstore.NoStream)
	server.seed(200, "billing-1", "$stats-1")
	gone, err := store.Append(within(t, soonMax), "tab-s-2", eventstore.NoStream, []eventstore.NewEvent{event("x")})
	if err != nil {
		t.Fatal(err)
	}
	if head, err := store.Head(within(t, soonMax)); err != nil || head != gone.Position {
		t.Fatalf("head is %v, %v", head, err)
	}
	server.seed(200, "billing-2", "$stats-2")
	server.down()
	server.options.Hostile = &esdbserver.Hostile{Scavenged: func(e eventstore.Event) bool {
		return e.Stream == "tab-s-2" || strings.HasPrefix(e.Stream, "billing-")
	}}
	server.start()
	if _, is, err := store.At(within(t, soonMax), gone.Position); is || err != nil {
		t.Errorf("an event that is gone: %v, %v", is, err)
	}
	sub, err := store.Subscribe(t.Context(), gone.Position, eventstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for ctx := within(t, soonMax); err == nil; {
		_, err = sub.Next(ctx)
	}
	if !errors.Is(err, eventstore.ErrInvalid) {
		t.Errorf("a subscription from there: %v", err)
	}
	next, err := store.Append(within(t, soonMax), "tab-s-1", 0, []eventstore.NewEvent{event("x")})
	if err != nil {
		t.Fatal(err)
	}
	server.seed(200, "$stats-3")
	fresh := open(t, kurrent.Options{URL: server.url(), Logger: logger(), Prefixes: prefixes})
	for name, s := range map[string]*kurrent.Store{"that knew it": store, "that did not": fresh} {
		if head, err := s.Head(within(t, soonMax)); err != nil || head != next.Position {
			t.Errorf("the head of a store %s is %v, %v, want %v", name, head, err, next.Position)
		}
	}
}

// TestMoreCallsThanAConnectionTakes: the others wait in the client, and none fails, nor is the connection given up.
func TestMoreCallsThanAConnectionTakes(t *testing.T) {
	server := newServer(t, esdbserver.Options{Hostile: &esdbserver.Hostile{CallsMax: 100, Slow: 1, SlowFor: 100 * time.Millisecond}})
	var told logtest.Lines
	store := open(t, kurrent.Options{URL: server.url(), Logger: told.Logger(slog.LevelInfo)})
	for range 7 {
		sub, err := store.Subscribe(t.Context(), eventstore.Position{}, eventstore.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		if _, err := sub.Next(within(t, soonMax)); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if slowest, failed := appendMany(t, store, "m", 500, 2*soonMax); failed > 0 {
		t.Errorf("%d of 500 failed, the slowest took %v", failed, slowest)
	}
	t.Logf("500 at once took %v", time.Since(began))
	if told.Count("\n") != 1 {
		t.Errorf("it was said:\n%s", &told)
	}
}

// TestASlowServerIsNotSilent: all calls that a connection takes are under way, and each takes longer than a link may be
// silent. It is not given up: the calls would only begin anew.
func TestASlowServerIsNotSilent(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	var told logtest.Lines
	store := open(t, kurrent.Options{URL: server.url(), Logger: told.Logger(slog.LevelInfo)})
	append1(t, store, "tab-s-0", eventstore.NoStream)
	server.down()
	server.options.Hostile = &esdbserver.Hostile{CallsMax: 100, SlowAppends: true, Slow: 1, SlowFor: 2500 * time.Millisecond}
	server.start()
	began := time.Now()
	if slowest, failed := appendMany(t, store, "slow", 120, time.Minute); failed > 0 {
		t.Errorf("%d of 120 failed, the slowest took %v", failed, slowest)
	}
	t.Logf("120 at once took %v", time.Since(began))
	if told.Count("nothing answers") > 0 {
		t.Errorf("it was said:\n%s", &told)
	}
}

// TestCertificatesRenewed: connections that are open live on, and the next one sees what is new on both sides.
func TestCertificatesRenewed(t *testing.T) {
	old, caFile := certificate(t, "127.0.0.1")
	renewed, renewedFile := certificate(t, "127.0.0.1")
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(&old)
	server := newServer(t, esdbserver.Options{TLS: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return shown.Load(), nil
	}}})
	var told logtest.Lines
	store := open(t, kurrent.Options{URL: "esdb://" + server.address + "?tlsCAFile=" + caFile, Logger: told.Logger(slog.LevelInfo)})
	append1(t, store, "tab-s-1", eventstore.NoStream)
	shown.Store(&renewed)
	append1(t, store, "tab-s-1", 0)
	server.front.Break()
	_, err := store.Append(within(t, 3*time.Second), "tab-s-1", 1, []eventstore.NewEvent{event("x")})
	if !errors.Is(err, eventstore.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "certificate") {
		t.Errorf("with the old authority's file: %v", err)
	}
	says(t, &told, "check tlsCAFile", soonMax)
	pem, err := os.ReadFile(renewedFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(caFile, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("orders are back %v after the file was renewed", append1(t, store, "tab-s-1", 1))
}
