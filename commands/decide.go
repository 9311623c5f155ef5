package commands

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"daybook/domain/command"
	"daybook/domain/event"
	"daybook/domain/refusal"
	"daybook/eventstore"
)

// attemptsMax bounds how often a command is decided again after a conflict with another process.
const attemptsMax = 8

// decision is what a use case tells execute: what is wanted, given the present state, and what to answer. With no
// events, the intended state already held, and a command with a key is recorded as having changed nothing.
type decision[S, C any, E event.Stored] struct {
	decide func(S) (C, error)
	answer func(S, []E) (body any, err error)
	status int  // of the answer
	secret bool // the answer must not stand readable in the log
	// begins: the stream is not there, as far as the caller knows. It is read only if that turns out to be wrong.
	begins bool
	// final, if not nil, is a refusal that stays right for ever once it was, and after which the caller asks elsewhere:
	// it is not looked at again, neither whether it is right nor whether the key is claimed for another stream.
	final error
}

// errUnsure: a decision that appends nothing was made on a state that may not be the newest.
var errUnsure = errors.New("the state may not be the newest")

// execute carries out a command: decide, append, answer. A command that was carried out before is answered as the first
// time. Errors: refusals, ErrKeyReused, and the event store's.
//
// It decides on the state that is folded. What is appended is right because nothing else was appended since; before
// anything else is answered, the log is read.
func (a *aggregate[S, C, E]) execute(ctx context.Context, name string, req Request, d decision[S, C, E]) (Answer, error) {
	s, release, err := a.hold(ctx, name)
	if err != nil {
		return Answer{}, err
	}
	defer release()
	sure := false
	for attempt := 1; ; attempt++ {
		if !sure && s.behind() && (!d.begins || s.revision != eventstore.NoStream) {
			sure = true
		}
		if sure {
			if answer, found, err := a.catchUp(ctx, name, s, req); found || err != nil {
				return answer, err
			}
		}
		revision, repeated := s.commands[req.CommandID]
		switch {
		case repeated && !req.Keyed: // of a policy, which asks for no answer
			return Answer{Position: s.position}, nil
		case repeated:
			return firstAnswer(ctx, a.log, name, revision, req)
		}
		answer, err := a.attempt(ctx, name, s, req, d, sure)
		var conflict *eventstore.Conflict
		switch {
		case errors.Is(err, errUnsure):
		case !errors.As(err, &conflict) && !errors.Is(err, eventstore.ErrTaken), attempt == attemptsMax:
			return answer, err
		default:
			if err := pause(ctx, attempt); err != nil {
				return Answer{}, err
			}
		}
		if conflict != nil && conflict.Stream == name {
			req.claimed = name // before the append that met the conflict
			if conflict.Actual < s.revision {
				a.others.went()
				a.begin(s)
			}
		}
		sure = true
	}
}

// pause lets others finish before a command is decided again.
func pause(ctx context.Context, attempt int) error {
	if attempt == 1 {
		return nil
	}
	select {
	case <-time.After(time.Duration(rand.Int64N(int64(attempt) * int64(2*time.Millisecond)))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// catchUp reads what the log knows of a command and of the stream that it is for. It returns the answer of a command that
// was carried out in another stream.
func (a *aggregate[S, C, E]) catchUp(ctx context.Context, name string, s *foldedStream[S], req Request) (Answer, bool, error) {
	if answer, found, err := a.keys.answered(ctx, req); found || err != nil {
		return answer, found, err
	}
	return Answer{}, false, a.refresh(ctx, name, s)
}

// attempt decides on what is folded. Unless that is sure to be the newest, errUnsure takes the place of what would be
// answered without an append.
func (a *aggregate[S, C, E]) attempt(ctx context.Context, name string, s *foldedStream[S], req Request, d decision[S, C, E], sure bool) (Answer, error) {
	events, err := a.decideOn(s.state, d)
	var no *refusal.Refusal
	switch {
	case err != nil && d.final != nil && errors.Is(err, d.final):
		return Answer{}, err
	case !sure && (errors.As(err, &no) || err == nil && len(events) == 0 && !req.Keyed):
		return Answer{}, errUnsure
	case err != nil:
		return Answer{}, a.keys.refused(ctx, req, name, err)
	}
	next := a.decider.Fold(s.state, events...)
	body, err := d.answer(next, events)
	if err != nil {
		return Answer{}, err
	}
	answer, err := newAnswer(d.status, body)
	if err != nil {
		return Answer{}, err
	}
	if len(events) == 0 && !req.Keyed {
		answer.Position = s.position
		return answer, nil
	}
	if s.revision != eventstore.NoStream {
		req.before = nil
	}
	written := toStore(events)
	encoded, err := encodeAll(req, written, len(written)-1, req.recorded(answer, d.secret))
	if err != nil {
		return Answer{}, err
	}
	if a.others.dropped(s.began) {
		return Answer{}, errDropped
	}
	asked := a.others.tick()
	at, err := a.keys.append(ctx, req, name, s.revision, encoded)
	if err != nil {
		s.read = 0 // whether it was appended is not known
		return Answer{}, err
	}
	s.state, s.revision, s.position, s.read = next, at.Revision, at.Position, asked // there was nothing more to read
	s.commands[req.CommandID] = at.Revision
	answer.Position = at.Position
	return answer, nil
}

func (a *aggregate[S, C, E]) decideOn(state S, d decision[S, C, E]) ([]E, error) {
	wanted, err := d.decide(state)
	if err != nil {
		return nil, err
	}
	return a.decider.Decide(state, wanted)
}

// toStore is what is written for a command's events: that nothing changed, if there are none, so that the key of the
// command is known for ever.
func toStore[E event.Stored](events []E) []event.Stored {
	if len(events) == 0 {
		return []event.Stored{command.Unchanged{}}
	}
	stored := make([]event.Stored, len(events))
	for i, e := range events {
		stored[i] = e
	}
	return stored
}

// encodeAll makes a command's events ready for the log. If the command has a key, the event by which it is found again
// says what was wanted, and what was answered unless that is nil.
func encodeAll[E event.Stored](req Request, events []E, foundBy int, answered *recordedAnswer) ([]eventstore.NewEvent, error) {
	encoded := make([]eventstore.NewEvent, len(events))
	for i, e := range events {
		data, err := event.Encode(e)
		if err != nil {
			return nil, err
		}
		meta := req.metadata()
		if i == 0 {
			meta.Before = req.before
		}
		if req.Keyed && i == foundBy {
			meta.Fingerprint, meta.Answer, meta.Batch = req.Fingerprint, answered, req.Batch
		}
		written, err := json.Marshal(meta)
		if err != nil {
			return nil, err
		}
		encoded[i] = eventstore.NewEvent{ID: req.eventID(i), Type: e.EventType(), Data: data, Metadata: written}
	}
	return encoded, nil
}
