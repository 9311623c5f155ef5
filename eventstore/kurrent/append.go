package kurrent

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/eventstore"
)

// Append is eventstore.Store's.
//
// Where the answer is lost, it looks whether its events are in the stream, and if not, sends the same revision and ids
// again. That cannot append twice: the server, too, compares ids when the expected revision is behind the end.
func (s *Store) Append(ctx context.Context, stream string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	if err := eventstore.Check(stream, expected, events); err != nil {
		return eventstore.Appended{}, err
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return eventstore.Appended{}, err
	}
	defer done()
	a := &appending{store: s, stream: stream, expected: expected, events: proposals(events), history: s.History()}
	err = s.try(ctx, func(l *link) (bool, error) {
		err := a.attempt(ctx, l)
		if err == nil && s.ours(stream, "") {
			s.saw(l, witness{a.result.Position, a.events[len(events)-1].EventID})
		}
		return false, err
	})
	return a.result, err
}

// appending is one append, however many attempts it takes.
type appending struct {
	store    *Store
	stream   string
	expected eventstore.Revision
	events   []esdb.EventData
	history  uint64 // of the log, when what was expected was read
	unknown  bool   // an attempt may have succeeded
	result   eventstore.Appended
}

func (a *appending) attempt(ctx context.Context, l *link) error {
	if l.history != a.history {
		return errWentBack
	}
	if a.unknown {
		if found, err := a.look(ctx, l); found || err != nil {
			return err
		}
	}
	wrote, err := a.send(ctx, l)
	var wrong *wrongRevision
	switch {
	case errors.As(err, &wrong):
		return a.conflict(ctx, l, wrong)
	case err != nil:
		a.unknown = true
		return err
	}
	a.result = eventstore.Appended{Revision: a.last(), Position: place(esdb.Position{Commit: wrote.CommitPosition, Prepare: wrote.PreparePosition})}
	if at := eventstore.Revision(wrote.NextExpectedVersion); a.expected == eventstore.NoStream && at > a.last() { //nolint:gosec // revisions are below 1<<63
		return lostBeginning(a.stream, at-eventstore.Revision(len(a.events))+1, 0) // a deleted stream counts on
	}
	if wrote.NextExpectedVersion == uint64(a.last()) && known(esdb.Position{Commit: wrote.CommitPosition, Prepare: wrote.PreparePosition}) {
		return nil
	}
	found, err := a.look(ctx, l) // the server did not say where they stand
	if err == nil && !found {
		err = &lost{fmt.Errorf("the server says that it appended to %s, and the events are not there", a.stream)}
	}
	return err
}

// last is the revision that the last event gets.
func (a *appending) last() eventstore.Revision {
	return a.expected + eventstore.Revision(len(a.events))
}

// send makes the call in a goroutine of its own.
func (a *appending) send(ctx context.Context, l *link) (esdb.WriteResult, error) {
	type answer struct {
		result esdb.WriteResult
		err    error
	}
	answered := make(chan answer, 1)
	options := esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}, RequiresLeader: true}
	if a.expected != eventstore.NoStream {
		options.ExpectedRevision = esdb.Revision(uint64(a.expected))
	}
	if !a.store.spawn(func() {
		result, err := guard(toLeader(ctx), l, func(ctx context.Context) (esdb.WriteResult, error) {
			result, err := l.client.AppendToStream(ctx, a.stream, options, a.events...)
			if err != nil {
				return esdb.WriteResult{}, err
			}
			l.heard()
			return *result, nil
		})
		answered <- answer{result, err}
	}) {
		return esdb.WriteResult{}, eventstore.ErrClosed
	}
	select {
	case got := <-answered:
		return got.result, got.err
	case <-ctx.Done():
		return esdb.WriteResult{}, ended(ctx)
	}
}

// look looks for the events at the places that they would have, and fills the result if all are there.
func (a *appending) look(ctx context.Context, l *link) (found bool, err error) {
	n := 0
	for e, err := range a.store.page(ctx, l, streamPage(a.stream, eventstore.StreamRead{From: a.expected + 1, Fresh: true}, len(a.events))) {
		if err != nil {
			return false, err
		}
		if e.ID != a.events[n].EventID || e.Revision != a.expected+1+eventstore.Revision(n) {
			return false, nil
		}
		a.result = eventstore.Appended{Revision: e.Revision, Position: e.Position}
		if n++; n == len(a.events) {
			return true, nil
		}
	}
	return false, nil
}

// conflict is the answer to a refused append, unless the events are there already.
func (a *appending) conflict(ctx context.Context, l *link, wrong *wrongRevision) error {
	actual, ok := revisionIn(wrong.Error())
	if !ok || actual == a.expected {
		var err error
		if actual, err = a.end(ctx, l); err != nil {
			return err
		}
		if actual == a.expected {
			return &lost{wrong} // it moved meanwhile, or the server is confused
		}
	}
	if behind := actual - a.expected; behind >= eventstore.Revision(len(a.events)) { // an expectation may be as high as there are numbers
		if found, err := a.look(ctx, l); found || err != nil {
			return err
		}
	}
	return &eventstore.Conflict{Stream: a.stream, Expected: a.expected, Actual: actual}
}

// end reads the stream's last revision.
func (a *appending) end(ctx context.Context, l *link) (eventstore.Revision, error) {
	for e, err := range a.store.page(ctx, l, streamPage(a.stream, eventstore.StreamRead{From: eventstore.Last, Direction: eventstore.Backward, Fresh: true}, 1)) {
		return e.Revision, err
	}
	return eventstore.NoStream, nil
}

var currentRevision = regexp.MustCompile(`^.*wrong expected version: expecting '(?:any|no_stream|stream_exists|-?[0-9]+)' but got '(no_stream|[0-9]{1,19})'$`)

// revisionIn takes the current revision out of the library's text, which is the only place where it stands.
func revisionIn(text string) (eventstore.Revision, bool) {
	match := currentRevision.FindStringSubmatch(text)
	if match == nil {
		return 0, false
	}
	if match[1] == "no_stream" {
		return eventstore.NoStream, true
	}
	n, err := strconv.ParseInt(match[1], 10, 64)
	return eventstore.Revision(n), err == nil
}
