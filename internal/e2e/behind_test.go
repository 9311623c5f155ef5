package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"daybook/eventstore"
	embeddedlog "daybook/eventstore/embedded"
	"daybook/eventstore/esdbserver"
)

// node is a log served over EventStoreDB's protocol, at one address whenever it runs.
type node struct {
	*testing.T
	log     *embeddedlog.Store
	address string
	front   *esdbserver.Front // before it, while it runs
	stop    func()
}

func newNode(t *testing.T) *node {
	t.Helper()
	log, err := embeddedlog.Open(embeddedlog.Options{Dir: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{T: t, log: log, address: "127.0.0.1:0"}
	n.start(esdbserver.Hostile{})
	t.Cleanup(func() {
		n.stop()
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func (n *node) start(hostile esdbserver.Hostile) {
	n.Helper()
	listener, err := net.Listen("tcp", n.address)
	if err != nil {
		n.Fatal(err)
	}
	n.address, n.front = listener.Addr().String(), new(esdbserver.Front)
	hostile.Front = n.front
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	server := esdbserver.New(n.log, esdbserver.Options{Hostile: &hostile})
	go func() { done <- server.Serve(ctx, listener) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			n.Error(err)
		}
	})
}

func (n *node) env() []string {
	return []string{"DAYBOOK_EVENTSTORE=esdb://" + n.address + "?tls=false", "DAYBOOK_LOCAL_SIGN_IN=true"}
}

// others writes so many events of the server's own and of another application, half of each.
func (n *node) others(count int) {
	n.Helper()
	const batch = 5000
	for _, stream := range []string{"$stats-" + uuid.NewString(), "billing-" + uuid.NewString()} {
		for at := 0; at < count/2; at += batch {
			events := make([]eventstore.NewEvent, min(batch, count/2-at))
			for i := range events {
				events[i] = eventstore.NewEvent{ID: uuid.New(), Type: "billed", Data: []byte(`{"sys-freeMem":1}`)}
			}
			if _, err := n.log.Append(n.Context(), stream, eventstore.Revision(at-1), events); err != nil {
				n.Fatal(err)
			}
		}
	}
}

// TestARestartBehindOthersEvents: a night's statistics and another application's events stand behind our last one. The
// figures are there at once; and again when the server has scavenged what stood there.
// DAYBOOK_TEST_OTHERS is how many.
func TestARestartBehindOthersEvents(t *testing.T) {
	count := 40_000
	if given := os.Getenv("DAYBOOK_TEST_OTHERS"); given != "" {
		var err error
		if count, err = strconv.Atoi(given); err != nil {
			t.Fatal(err)
		}
	}
	n := newNode(t)
	in := install(t, n.env()...)
	s := in.serve()
	f := newFloor(t, in.owner("anna").cafe(t, 2), 5)
	f.serveGuests(20)
	restart := func(what string) {
		t.Helper()
		if code := s.stop(); code != 0 {
			t.Fatalf("exit code %d after SIGTERM", code)
		}
		began := time.Now()
		s = in.serve()
		listens := time.Since(began)
		in.awaitReady()
		t.Logf("%s: ready after %v, of which it took %v to listen", what, time.Since(began), listens)
		f.r.checkAll(t, "", wanted{f.closed, "KRW", 15000, 1}, today(t))
	}
	n.others(count)
	restart(fmt.Sprint("behind ", count))
	in.verify()
	n.stop()
	n.start(esdbserver.Hostile{Scavenged: func(e eventstore.Event) bool {
		return strings.HasPrefix(e.Stream, "$stats-") || strings.HasPrefix(e.Stream, "billing-")
	}})
	restart("scavenged")
	f.serveGuests(10)
	f.r.checkAll(t, f.last, wanted{f.closed, "KRW", 15000, 1}, today(t))
	in.verify()
}

// TestTheEventStoreIsFarAway: an answer takes 400 ms, and others' events come in all the time, as the server's statistics do.
// Being slow is not being down.
func TestTheEventStoreIsFarAway(t *testing.T) {
	n := newNode(t)
	in := install(t, n.env()...)
	s := in.serve()
	f := newFloor(t, in.owner("anna").cafe(t, 1), 5)
	f.serveGuests(3)
	s.stop()
	n.front.Far(400 * time.Millisecond)
	began := time.Now()
	s = in.serve()
	in.awaitReady()
	t.Logf("ready after %v", time.Since(began))
	for range 3 {
		began = time.Now()
		f.order(f.r.tablets[0])
		t.Logf("an order took %v", time.Since(began))
	}
	for range 2 {
		n.others(60)
		if !slices.ContainsFunc(make([]struct{}, 5), func(struct{}) bool {
			status, parts, err := in.parts()
			t.Logf("/readyz: %d %v %v", status, parts["log"], err)
			return status == http.StatusOK
		}) {
			t.Error("it is not ready any more")
		}
	}
	f.r.checkAll(t, f.last, wanted{f.closed, "KRW", 15000, 1}, today(t))
	if said := s.said.String(); strings.Contains(said, "cannot be used") {
		t.Errorf("the operator is told: %s", said)
	}
}

// TestTheEventStoreHangs: it stays silent, with its connections open. Who orders is told so, and when it goes on, orders do.
func TestTheEventStoreHangs(t *testing.T) {
	n := newNode(t)
	in := install(t, n.env()...)
	s := in.serve()
	in.awaitReady()
	r := in.owner("anna").cafe(t, 1)
	offer := func(key string) (reply, time.Duration) {
		t.Helper()
		began := time.Now()
		answer, err := r.owner.try(http.MethodPost, r.path("/products"), key, map[string]any{"name": key, "category": "DRINK", "price": 3000})
		if err != nil {
			t.Fatal(err)
		}
		return answer, time.Since(began)
	}
	n.front.Silent(true)
	for i := range 3 {
		answer, took := offer(fmt.Sprint("hangs-", i))
		if answer.status != http.StatusServiceUnavailable || !strings.Contains(string(answer.body), "log_unavailable") || took > 15*time.Second {
			t.Errorf("after %v: %v", took, answer)
		}
		t.Logf("after %v: %d", took, answer.status)
	}
	status, parts, err := in.parts()
	if err != nil || status != http.StatusServiceUnavailable || parts["log"] != "unavailable" {
		t.Errorf("/readyz: %d %v, %v", status, parts, err)
	}
	n.front.Silent(false)
	began := time.Now()
	eventually(t, startMax, "orders", func() error {
		if answer, _ := offer("hangs-0"); answer.status != http.StatusCreated {
			return fmt.Errorf("%v", answer)
		}
		return nil
	})
	t.Logf("orders are back after %v", time.Since(began))
	in.awaitReady()
	if said := s.said.String(); strings.Count(said, "cannot be used") != 1 || strings.Count(said, "event store: back") != 1 {
		t.Errorf("the operator is told: %s", said)
	}
}

// TestAStartWithoutTheEventStore: one line says what is wrong, and when the store is there, all goes on.
func TestAStartWithoutTheEventStore(t *testing.T) {
	n := newNode(t)
	n.stop()
	in := install(t, n.env()...)
	s := in.serve()
	if status, _, err := in.parts(); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d, %v", status, err)
	}
	n.start(esdbserver.Hostile{})
	in.awaitReady()
	if said := s.said.String(); strings.Count(said, "level=WARN") != 1 || strings.Count(said, "nothing listens there") != 1 ||
		strings.Count(said, "event store: back") != 1 {
		t.Errorf("the operator is told: %s", said)
	}
}
