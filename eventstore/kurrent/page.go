package kurrent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/eventstore"
)

// pageEvents is how many events are asked for at once.
const pageEvents = 4096

// opener asks the library for events.
type opener func(ctx context.Context, l *link) (*esdb.ReadStream, error)

func streamPage(stream string, read eventstore.StreamRead, count int) opener {
	options := esdb.ReadStreamOptions{From: esdb.Revision(uint64(read.From)), RequiresLeader: read.Fresh}
	if read.Direction == eventstore.Backward {
		options.Direction = esdb.Backwards
		if read.From == eventstore.Last {
			options.From = esdb.End{}
		}
	}
	return func(ctx context.Context, l *link) (*esdb.ReadStream, error) {
		if read.Fresh {
			ctx = toLeader(ctx)
		}
		return guard(ctx, l, func(ctx context.Context) (*esdb.ReadStream, error) {
			return l.client.ReadStream(ctx, stream, options, uint64(count))
		})
	}
}

// logPage reads from a position on; the server may or may not include it. The zero Position is the start or the end.
func logPage(from eventstore.Position, direction eventstore.Direction, count int) opener {
	return logPageOf(from, direction, count, true)
}

// logPageOf is logPage; unless it shall be fresh, any node may answer.
func logPageOf(from eventstore.Position, direction eventstore.Direction, count int, fresh bool) opener {
	options := esdb.ReadAllOptions{From: esdb.Position{Commit: from.Commit, Prepare: from.Prepare}, RequiresLeader: fresh}
	if direction == eventstore.Backward {
		options.Direction = esdb.Backwards
	}
	switch {
	case from.IsZero() && direction == eventstore.Backward:
		options.From = esdb.End{}
	case from.IsZero():
		options.From = esdb.Start{}
	}
	return func(ctx context.Context, l *link) (*esdb.ReadStream, error) {
		if fresh {
			ctx = toLeader(ctx)
		}
		return guard(ctx, l, func(ctx context.Context) (*esdb.ReadStream, error) {
			return l.client.ReadAll(ctx, options, uint64(count))
		})
	}
}

// page yields what open gives, everything, as it comes, until its end. It stops after yielding an error.
func (s *Store) page(ctx context.Context, l *link, open opener) iter.Seq2[eventstore.Event, error] {
	return s.pull(ctx, func(ctx context.Context, box *inbox) error {
		stream, err := open(ctx, l)
		if err != nil {
			return err
		}
		defer stream.Close()
		for {
			e, err := l.receive(stream)
			switch {
			case errors.Is(err, io.EOF), errors.Is(err, errNoStream):
				return nil
			case errors.Is(err, errNotAnEvent):
				continue
			case err != nil:
				return err
			}
			if !box.put(ctx, e, true) {
				return ctx.Err()
			}
		}
	})
}

// errNotAnEvent is received for a message that the library does not know: newer servers tell more than events.
var errNotAnEvent = errors.New("not an event")

func (l *link) receive(stream *esdb.ReadStream) (e eventstore.Event, err error) {
	r, err := l.receiveRaw(stream)
	if err != nil {
		return e, err
	}
	return l.event(r)
}

func (l *link) receiveRaw(stream *esdb.ReadStream) (r *esdb.ResolvedEvent, err error) {
	defer func() {
		if p := recover(); p == "unreachable code" { // what the library says to a message that it does not know
			err = errNotAnEvent
		} else if p != nil {
			l.kill(fmt.Errorf("the client panicked: %v", p))
			err = &lost{l.causeOfDeath()}
		}
	}()
	defer l.waits()()
	r, err = stream.Recv()
	if err == nil || answered(err) {
		l.heard()
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = cmp.Or(l.stillTied(), err)
	}
	return r, l.judge(err)
}

// event takes over an event. Its position may be missing if it is one of the server's own.
func (l *link) event(r *esdb.ResolvedEvent) (eventstore.Event, error) {
	original := r.OriginalEvent()
	if original == nil {
		return eventstore.Event{}, errNotAnEvent
	}
	e, err := received(original)
	if err != nil && !ours(e.Stream, e.Type) {
		err = nil
	}
	return e, err
}

// pull runs produce in a goroutine of its own and yields what it puts, then its error. It returns as soon as the
// context ends, even if produce hangs in the library.
func (s *Store) pull(ctx context.Context, produce func(ctx context.Context, box *inbox) error) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		box := newInbox(eventstore.Position{})
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if !s.spawn(func() { box.finish(produce(ctx, box)) }) {
			yield(eventstore.Event{}, eventstore.ErrClosed)
			return
		}
		for {
			events, _, _, over, err := box.take()
			for _, e := range events {
				if ctx.Err() != nil {
					yield(eventstore.Event{}, ended(ctx))
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			switch {
			case ctx.Err() != nil:
				yield(eventstore.Event{}, ended(ctx))
				return
			case over:
				if err != nil {
					yield(eventstore.Event{}, err)
				}
				return
			}
			select {
			case <-box.more:
			case <-ctx.Done():
			}
		}
	}
}
