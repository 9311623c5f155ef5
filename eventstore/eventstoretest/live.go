package eventstoretest

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"daybook/eventstore"
)

// testGoesLive subscribes at random moments, at random positions and with random pauses in Next while writers append,
// and compares with reading afterwards.
func testGoesLive(f *fixture) {
	const each, followers = 120, 6
	fill(f, 5)
	begin := f.head()
	ctx := f.ctx()
	filters := []eventstore.Filter{f.mine(), {Prefixes: []string{"tab-" + f.store(1) + "-"}}, {Prefixes: f.mine().Prefixes, Types: []string{"type0.v1"}}}
	results := inParallel(f.options.Writers+followers, func(i int) (*follower, error) {
		if i < f.options.Writers {
			end := eventstore.NoStream
			for n := range each {
				a, err := f.Append(ctx, f.stream(100+i), end, events(1+n%3))
				if err != nil {
					return nil, err
				}
				end = a.Revision
			}
			return nil, nil
		}
		random := rand.New(rand.NewPCG(uint64(i), 1))
		after := eventstore.Position{}
		if i%2 == 0 {
			after = begin
		}
		sub, err := f.Subscribe(ctx, after, filters[i%len(filters)])
		if err != nil {
			return nil, err
		}
		l := &follower{f: f, sub: sub, position: after}
		for range 10 + random.IntN(30) { // stop somewhere in the middle of the writing
			short, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(20))*time.Millisecond)
			_, err := l.next(short)
			cancel()
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return nil, err
			}
		}
		return l, nil
	})
	head := f.head()
	for i, r := range results {
		if r.err != nil {
			f.Fatal(r.err)
		}
		if l := r.value; l != nil {
			l.untilPosition(head)
			after := eventstore.Position{}
			if i%2 == 0 {
				after = begin
			}
			f.wantEqual(l.events, f.readAll(eventstore.LogRead{After: after, Filter: filters[i%len(filters)]}))
			_ = l.sub.Close()
		}
	}
}
