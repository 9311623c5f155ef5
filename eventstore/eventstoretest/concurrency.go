package eventstoretest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"daybook/eventstore"
)

type result[T any] struct {
	value T
	err   error
}

// inParallel runs n goroutines at once and waits for all.
func inParallel[T any](n int, work func(i int) (T, error)) []result[T] {
	results := make([]result[T], n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			results[i].value, results[i].err = work(i)
		})
	}
	close(start)
	wg.Wait()
	return results
}

var concurrencyTests = []subtest{
	{name: "on one stream, exactly one wins each revision", run: func(f *fixture) {
		const rounds = 40
		ctx := f.ctx()
		for round := range rounds {
			won := 0
			for _, r := range inParallel(f.options.Writers, func(int) (eventstore.Appended, error) {
				return f.Append(ctx, f.stream(1), eventstore.Revision(round-1), []eventstore.NewEvent{event("x")})
			}) {
				var conflict *eventstore.Conflict
				switch {
				case r.err == nil && r.value.Revision == eventstore.Revision(round):
					won++
				case !errors.As(r.err, &conflict) || conflict.Actual != eventstore.Revision(round):
					f.Fatalf("round %d: got %+v, %v", round, r.value, r.err)
				}
			}
			if won != 1 {
				f.Fatalf("round %d: %d winners", round, won)
			}
		}
		if list := f.read(f.stream(1)); len(list) != rounds {
			f.Fatalf("%d events after %d rounds", len(list), rounds)
		}
	}},
	{name: "on one stream, racing from what they read, lose nothing", run: func(f *fixture) {
		const each = 15
		ctx := f.ctx()
		for _, r := range inParallel(f.options.Writers, func(i int) (int, error) {
			end, conflicts := eventstore.NoStream, 0
			for n := 0; n < each; {
				a, err := f.Append(ctx, f.stream(1), end, []eventstore.NewEvent{{ID: uuid.New(), Type: fmt.Sprint("writer", i), Data: fmt.Append(nil, n)}})
				var conflict *eventstore.Conflict
				switch {
				case errors.As(err, &conflict):
					conflicts++
					end = conflict.Actual
				case err != nil:
					return conflicts, err
				default:
					end = a.Revision
					n++
				}
			}
			return conflicts, nil
		}) {
			if r.err != nil {
				f.Fatal(r.err)
			}
		}
		next := map[string]int{}
		list := f.read(f.stream(1))
		for i, e := range list {
			if e.Revision != eventstore.Revision(i) || string(e.Data) != fmt.Sprint(next[e.Type]) {
				f.Fatalf("event %d: %s %s at revision %d", i, e.Type, e.Data, e.Revision)
			}
			next[e.Type]++
		}
		if len(list) != f.options.Writers*each {
			f.Fatalf("%d events, want %d", len(list), f.options.Writers*each)
		}
	}},
	{name: "on many streams, make one order without loss", run: func(f *fixture) {
		const each = 40
		ctx := f.ctx()
		results := inParallel(f.options.Writers, func(i int) (map[eventstore.Position]uuid.UUID, error) {
			places := map[eventstore.Position]uuid.UUID{}
			end := eventstore.NoStream
			for n := range each {
				given := events(1 + n%3)
				a, err := f.Append(ctx, f.stream(i), end, given)
				if err != nil {
					return nil, err
				}
				end = a.Revision
				places[a.Position] = given[len(given)-1].ID
			}
			return places, nil
		})
		log := f.readAll(eventstore.LogRead{Filter: f.mine()})
		at := map[eventstore.Position]uuid.UUID{}
		for i, e := range log {
			at[e.Position] = e.ID
			if i > 0 && !log[i-1].Position.Before(e.Position) {
				f.Fatalf("position %v after %v", e.Position, log[i-1].Position)
			}
		}
		want := 0
		for i, r := range results {
			if r.err != nil {
				f.Fatal(r.err)
			}
			for position, id := range r.value {
				if at[position] != id {
					f.Fatalf("writer %d: %v should be at %v", i, id, position)
				}
			}
			list := f.read(f.stream(i))
			want += len(list)
			if len(list) != 79 {
				f.Fatalf("stream %d has %d events", i, len(list))
			}
		}
		if len(log) != want {
			f.Fatalf("the log has %d events, the streams %d", len(log), want)
		}
	}},
	{name: "see their own append at once", run: func(f *fixture) {
		ctx := f.ctx()
		for _, r := range inParallel(f.options.Writers, func(i int) (struct{}, error) {
			for n := range 20 {
				a, err := f.Append(ctx, f.stream(i), eventstore.Revision(n-1), events(1))
				if err != nil {
					return struct{}{}, err
				}
				if head, err := f.Head(ctx); err != nil || head.Before(a.Position) {
					return struct{}{}, fmt.Errorf("head %v (%v) after an append at %v", head, err, a.Position)
				}
				list, err := collect(f.ReadStream(ctx, f.stream(i), eventstore.StreamRead{From: a.Revision, Fresh: true}))
				if err != nil || len(list) != 1 || list[0].Position != a.Position {
					return struct{}{}, fmt.Errorf("read %v (%v) after an append at %v", list, err, a.Position)
				}
			}
			return struct{}{}, nil
		}) {
			if r.err != nil {
				f.Error(r.err)
			}
		}
	}},
}
