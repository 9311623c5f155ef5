package kurrent

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"daybook/eventstore"
)

// ReadStream is eventstore.Store's. A read that is interrupted goes on behind what it has yielded.
func (s *Store) ReadStream(ctx context.Context, stream string, read eventstore.StreamRead) iter.Seq2[eventstore.Event, error] {
	return s.reading(ctx, eventstore.CheckStreamRead(stream, read), func(ctx context.Context, yield func(eventstore.Event) bool) error {
		r := &streamReader{store: s, stream: stream, next: read, left: read.Limit, yield: yield}
		return s.try(ctx, func(l *link) (bool, error) { return r.goOn(ctx, l) })
	})
}

// ReadAll is eventstore.Store's. A read that is interrupted goes on behind what it has yielded.
func (s *Store) ReadAll(ctx context.Context, read eventstore.LogRead) iter.Seq2[eventstore.Event, error] {
	return s.reading(ctx, eventstore.CheckLogRead(read), func(ctx context.Context, yield func(eventstore.Event) bool) error {
		r := &logReader{store: s, filter: read.Filter, next: read.After, left: read.Limit, limited: read.Limit > 0, yield: yield}
		if read.Direction == eventstore.Backward {
			return s.try(ctx, func(l *link) (bool, error) { return r.back(ctx, l) })
		}
		r.history = s.History()
		head, err := s.headOf(ctx)
		if err != nil {
			return err
		}
		r.end = head
		return s.try(ctx, func(l *link) (bool, error) { return r.forth(ctx, l) })
	})
}

// At is eventstore.Store's. Servers begin a read forward with the event at the position itself.
func (s *Store) At(ctx context.Context, position eventstore.Position) (found eventstore.Event, is bool, err error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return found, false, err
	}
	defer done()
	if position.IsZero() {
		return found, false, nil
	}
	err = s.try(ctx, func(l *link) (bool, error) {
		found, is = eventstore.Event{}, false
		last := s.met()
		for e, err := range s.page(ctx, l, logPage(position, eventstore.Forward, 1)) {
			if errors.Is(err, errPosition) {
				break
			}
			if err != nil {
				return false, err
			}
			if e.Position == position && s.ours(e.Stream, e.Type) {
				found, is = e, true
				s.meet(l, e)
			}
		}
		if position == last.position && found.ID != last.id {
			return false, s.suspect(ctx, l, last)
		}
		return false, nil
	})
	return found, is, err
}

// reading is what all reads have in common: work yields events until it is done or yield returns false.
func (s *Store) reading(ctx context.Context, bad error, work func(ctx context.Context, yield func(eventstore.Event) bool) error) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		if bad != nil {
			yield(eventstore.Event{}, bad)
			return
		}
		ctx, done, err := s.begin(ctx)
		if err != nil {
			yield(eventstore.Event{}, err)
			return
		}
		defer done()
		stopped := false
		err = work(ctx, func(e eventstore.Event) bool {
			stopped = stopped || !yield(e, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(eventstore.Event{}, err)
		}
	}
}

// streamReader remembers where a read of a stream stands.
type streamReader struct {
	store  *Store
	stream string
	next   eventstore.StreamRead // Limit stays; left counts
	left   int
	began  bool
	yield  func(eventstore.Event) bool
}

func (r *streamReader) goOn(ctx context.Context, l *link) (progress bool, err error) {
	for {
		count := pageEvents
		if r.next.Limit > 0 {
			count = min(count, r.left)
		}
		got := 0
		for e, err := range r.store.page(ctx, l, streamPage(r.stream, r.next, count)) {
			if err != nil {
				return progress, err
			}
			if !r.began && r.next.Direction == eventstore.Forward && e.Revision > r.next.From {
				return progress, lostBeginning(r.stream, e.Revision, r.next.From)
			}
			if r.began && e.Revision != r.next.From {
				return progress, &lost{fmt.Errorf("the server gave event %d of stream %s instead of %d", e.Revision, r.stream, r.next.From)}
			}
			got++
			progress = true
			if r.store.ours(e.Stream, e.Type) {
				r.store.saw(l, witness{e.Position, e.ID})
			}
			if !r.pass(e) {
				return true, nil
			}
		}
		if got < count {
			return progress, nil
		}
	}
}

// lostBeginning is the damage of a stream whose first events the server hides or has forgotten: it was truncated, has a
// $maxCount or $maxAge, or was deleted and written to again. What is left may not be taken for the whole.
func lostBeginning(stream string, first, wanted eventstore.Revision) error {
	return &eventstore.Corruption{
		Place: fmt.Sprintf("stream %s, revision %d", stream, first),
		Err:   fmt.Errorf("the events from revision %d on are missing before it: it was truncated ($maxCount, $maxAge, $tb) or deleted", wanted),
	}
}

// pass yields e and says whether there may be more.
func (r *streamReader) pass(e eventstore.Event) bool {
	r.began = true
	r.left--
	r.next.From = e.Revision + 1
	if r.next.Direction == eventstore.Backward {
		r.next.From = e.Revision - 1
	}
	return r.yield(e) && (r.next.Limit == 0 || r.left > 0) && r.next.From >= 0
}

// logReader remembers where a read of the log stands.
type logReader struct {
	store   *Store
	filter  eventstore.Filter
	next    eventstore.Position // exclusive
	end     eventstore.Position // inclusive, of a read forward
	history uint64              // of the log, when it was asked for the end
	left    int
	limited bool
	yield   func(eventstore.Event) bool
}

// pass yields e if it is wanted, and says whether there may be more.
func (r *logReader) pass(e eventstore.Event) bool {
	r.next = e.Position
	if !r.store.ours(e.Stream, e.Type) || !r.filter.Matches(e.Stream, e.Type) {
		return true
	}
	r.left--
	return r.yield(e) && (!r.limited || r.left > 0)
}

// count is how many events to ask for: not many more than wanted, where nearly all are.
func (r *logReader) count() int {
	if r.limited && len(r.filter.Prefixes)+len(r.filter.Types) == 0 {
		return min(pageEvents, r.left+1) // and one, as the server may begin with the event that was had
	}
	return pageEvents
}

func (r *logReader) back(ctx context.Context, l *link) (progress bool, err error) {
	for {
		got, count := 0, r.count()
		for e, err := range r.store.page(ctx, l, logPage(r.next, eventstore.Backward, count)) {
			if errors.Is(err, errBeyondEnd) && !r.next.IsZero() { // all that there is stands before it
				r.next = eventstore.Position{}
				return r.back(ctx, l)
			}
			if err != nil {
				return progress, err
			}
			got++
			if !r.next.IsZero() && !e.Position.Before(r.next) {
				continue
			}
			progress = true
			if !r.pass(e) {
				return true, nil
			}
		}
		if got < count {
			return progress, nil
		}
	}
}

// forth reads up to the end, which is an event's place, so that an answer that was cut short is noticed.
func (r *logReader) forth(ctx context.Context, l *link) (progress bool, err error) {
	if l.history != r.history {
		return false, errWentBack
	}
	filtered := len(r.filter.Prefixes)+len(r.filter.Types)+len(r.store.prefixes) > 0 && l.version.saysCaughtUp()
	for r.next.Before(r.end) {
		before, source := r.next, r.store.page(ctx, l, logPage(r.next, eventstore.Forward, r.count()))
		if filtered {
			source = r.store.filtered(ctx, l, r.next, r.store.serverFilter(r.filter))
		}
		for e, err := range source {
			switch {
			case err != nil:
				return progress, err
			case !r.next.Before(e.Position):
				continue
			case r.end.Before(e.Position):
				return true, nil
			}
			progress = true
			if !r.pass(e) {
				return true, nil
			}
		}
		if filtered { // the server said that there is no more
			return progress, nil
		}
		if r.next == before {
			return progress, &lost{fmt.Errorf("the server's log ends at %v, before %v", r.next, r.end)}
		}
	}
	return progress, nil
}
