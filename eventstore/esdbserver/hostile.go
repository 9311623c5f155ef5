package esdbserver

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/eventstore"
)

// Hostile makes a server give only what KurrentDB promises, for tests of clients. Each number N means: about one in N
// occasions, 0 for never. Which occasions is decided by the seed and by counting them, so that one client that makes
// the same calls meets the same trouble.
type Hostile struct {
	Seed uint64
	// Forget drops the memory of event ids that were appended without an exact expectation. Ids at an exact revision
	// are never forgotten: KurrentDB promises those.
	Forget bool
	// BareCaughtUp leaves out the checkpoint before caught-up, so that the client does not learn where it stands.
	BareCaughtUp bool
	// LoseAnswer ends an append that was committed with Unavailable; LateAnswer keeps the answer until the call's end.
	LoseAnswer, LateAnswer int
	// DropSubscription ends a subscription in place of an event.
	DropSubscription int
	// NotLeader refuses a write, naming the leader.
	NotLeader int
	// Slow lets a call wait for SlowFor before it begins; if SlowAppends, appends alone.
	Slow        int
	SlowFor     time.Duration
	SlowAppends bool
	// Down begins, with a call, a time of DownFor in which all calls and subscriptions end with Unavailable.
	Down    int
	DownFor time.Duration
	// NotReadyFor is how long after New all but gossip and the server's features is refused, as during an election.
	NotReadyFor time.Duration
	// Front stands before the server. nil: nothing does.
	Front *Front
	// Scavenged says which events are gone from $all, and their positions with them: no record begins there any more.
	// nil: none.
	Scavenged func(e eventstore.Event) bool
	// CallsMax is how many calls a connection takes at once; others wait in the client. EventStoreDB takes 100. 0: as
	// many as without a Hostile.
	CallsMax uint32
}

// trouble counts the occasions of a Hostile. nil makes none.
type trouble struct {
	Hostile
	lost, late, dropped, refused, slowed, downs atomic.Uint64
	downUntil                                   atomic.Int64 // nanoseconds since 1970
	readyFrom                                   time.Time
}

func newTrouble(h *Hostile) *trouble {
	if h == nil {
		return nil
	}
	return &trouble{Hostile: *h, readyFrom: time.Now().Add(h.NotReadyFor)}
}

// Salts keep the kinds of trouble apart that have the same N.
const (
	loseSalt uint64 = iota + 1
	lateSalt
	dropSalt
	leaderSalt
	slowSalt
	downSalt
)

func (t *trouble) happens(count *atomic.Uint64, every int, salt uint64) bool {
	if every <= 0 {
		return false
	}
	return mix(t.Seed^salt<<56^count.Add(1))%uint64(every) == 0
}

// mix is SplitMix64's finisher: it spreads consecutive numbers evenly.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func unavailable(why string) error { return status.Error(codes.Unavailable, "hostile: "+why) }

func (t *trouble) isDown() bool { return t != nil && time.Now().UnixNano() < t.downUntil.Load() }

// enter is the trouble at a call's beginning.
func (t *trouble) enter(ctx context.Context, method string) error {
	if t == nil {
		return nil
	}
	if !t.isDown() && t.happens(&t.downs, t.Down, downSalt) {
		t.downUntil.Store(time.Now().Add(t.DownFor).UnixNano())
	}
	if t.isDown() {
		return unavailable("down")
	}
	if t.SlowAppends && method != streams.Streams_Append_FullMethodName || !t.happens(&t.slowed, t.Slow, slowSalt) {
		return nil
	}
	timer := time.NewTimer(t.SlowFor)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loseAnswer is the trouble after an append was committed.
func (t *trouble) loseAnswer(ctx context.Context) error {
	switch {
	case t == nil:
		return nil
	case t.happens(&t.lost, t.LoseAnswer, loseSalt):
		return unavailable("the answer is lost")
	case t.happens(&t.late, t.LateAnswer, lateSalt):
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (t *trouble) dropSubscription() error {
	switch {
	case t.isDown():
		return unavailable("down")
	case t != nil && t.happens(&t.dropped, t.DropSubscription, dropSalt):
		return unavailable("the subscription is dropped")
	}
	return nil
}

// notReady is the trouble of a node that knows no leader.
func (t *trouble) notReady() error {
	if t == nil || !time.Now().Before(t.readyFrom) {
		return nil
	}
	return status.Error(codes.Unavailable, "Server Is Not Ready")
}

func (t *trouble) notLeader() bool {
	return t != nil && t.happens(&t.refused, t.NotLeader, leaderSalt)
}

func (t *trouble) forgets() bool { return t != nil && t.Forget }

func (t *trouble) bareCaughtUp() bool { return t != nil && t.BareCaughtUp }

func (t *trouble) scavenged(e eventstore.Event) bool {
	return t != nil && t.Scavenged != nil && t.Scavenged(e)
}

// scavengedAt says whether what stood at a position of the log is gone.
func (t *trouble) scavengedAt(ctx context.Context, store eventstore.Store, at eventstore.Position) (bool, error) {
	if t == nil || t.Scavenged == nil {
		return false, nil
	}
	e, is, err := store.At(ctx, at)
	return is && t.Scavenged(e), err
}

// behind is a listener behind the front, if there is one.
func (t *trouble) behind(listener net.Listener) net.Listener {
	if t == nil || t.Front == nil {
		return listener
	}
	return fronted{listener, t.Front}
}

// callsMax is how many calls a connection takes at once.
func (t *trouble) callsMax() uint32 {
	if t == nil || t.CallsMax == 0 {
		return callsMax
	}
	return t.CallsMax
}
