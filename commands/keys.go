package commands

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"daybook/domain/command"
	"daybook/domain/event"
	"daybook/domain/refusal"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
)

// keys decides from the log alone whether a command with a key was carried out before (docs/decisions/002).
//
// The stream that a command is for recognises the command while it is folded. What is left is the key that comes back
// when its command is for another stream by now (an order whose tab was closed meanwhile), or with something else.
// A log that is indexed answers that in one step. Over any other, orders are looked for on their table's tabs
// (tableKeys), and any other key is claimed before its effect: the claim is a stream named by the key, appended expecting
// no stream, and says which stream the effect belongs to. Whoever finds the claim of its own request finishes it.
type keys struct {
	log     eventstore.Store
	indexed eventstore.Indexed // nil: the log does not find an append by its id
	claims  func() bool        // whether others append to the log, who can only find claims
}

// answered returns the first answer to a command that the log finds by its id. Error: ErrKeyReused.
func (k *keys) answered(ctx context.Context, req Request) (Answer, bool, error) {
	if !req.Keyed || k.indexed == nil {
		return Answer{}, false, nil
	}
	first, found, err := k.indexed.Find(ctx, req.eventID(0))
	if err != nil || !found {
		return Answer{}, false, err
	}
	answer, err := firstAnswer(ctx, k.log, first.Stream, first.Revision, req)
	return answer, true, err
}

// append appends a command's events, unless the key of the command was used before. Errors: those of Append,
// eventstore.ErrTaken if the command was carried out meanwhile, and ErrKeyReused.
func (k *keys) append(ctx context.Context, req Request, stream string, expected eventstore.Revision, events []eventstore.NewEvent) (eventstore.Appended, error) {
	if !req.Keyed {
		return k.log.Append(ctx, stream, expected, events)
	}
	if k.claims() && !req.known && req.claimed != stream {
		if err := k.claim(ctx, req, stream); err != nil {
			return eventstore.Appended{}, err
		}
	}
	if k.indexed != nil {
		return k.indexed.AppendOnce(ctx, stream, expected, events)
	}
	return k.log.Append(ctx, stream, expected, exactly(events))
}

// exactly gives events ids that follow from all that is written. An append that stands in the log already succeeds
// without writing, and must not do so for a process that has decided otherwise, or would answer otherwise.
func exactly(events []eventstore.NewEvent) []eventstore.NewEvent {
	for i := range events {
		e := &events[i]
		e.ID = uuid.NewSHA1(e.ID, slices.Concat(e.Data, e.Metadata))
	}
	return events
}

// claim makes sure that a key is claimed for its request and a stream. Error: ErrKeyReused.
func (k *keys) claim(ctx context.Context, req Request, target string) error {
	err := k.appendClaim(ctx, req, target)
	var taken *eventstore.Conflict
	if !errors.As(err, &taken) {
		return err
	}
	claimed, err := k.claimed(ctx, req)
	if err == nil && claimed != target {
		err = elsewhere(claimed)
	}
	return err
}

// elsewhere: the same request names the same stream, always.
func elsewhere(stream string) error {
	return fmt.Errorf("the key of this request is claimed for stream %s", stream)
}

// refused returns what to answer if a decision was a refusal: that, unless the key is claimed for something else.
func (k *keys) refused(ctx context.Context, req Request, target string, err error) error {
	var no *refusal.Refusal
	if !req.Keyed || req.known || !k.claims() || !errors.As(err, &no) {
		return err
	}
	claimed, readErr := k.claimed(ctx, req)
	switch {
	case readErr != nil:
		return readErr
	case claimed == "" || claimed == target:
		return err
	}
	return elsewhere(claimed)
}

// claimed returns the stream that a key is claimed for, "" if it is not. Error: ErrKeyReused.
func (k *keys) claimed(ctx context.Context, req Request) (target string, err error) {
	for e, err := range k.log.ReadStream(ctx, claimStream(req), eventstore.StreamRead{Fresh: true}) {
		if err != nil {
			return "", err
		}
		meta, err := readMetadata(e)
		if err != nil {
			return "", err
		}
		if meta.Fingerprint != req.Fingerprint {
			return "", ErrKeyReused
		}
		decoded, err := command.Catalog.Decode(e.Type, e.Data)
		if err != nil {
			return "", fmt.Errorf("stream %s revision %d: %w", e.Stream, e.Revision, err)
		}
		claim, is := decoded.(command.Claimed)
		if !is {
			return "", fmt.Errorf("stream %s revision %d: a %s is no claim", e.Stream, e.Revision, e.Type)
		}
		target = claim.Stream
	}
	return target, nil
}

func claimStream(req Request) string {
	return stream.Claim(req.StoreID, hex.EncodeToString(req.CommandID[:]))
}

// appendClaim appends a claim. Its id follows from the request and the target, so that the same claim, repeated, is
// one, and another request's is a conflict.
func (k *keys) appendClaim(ctx context.Context, req Request, target string) error {
	meta := req.metadata()
	meta.Fingerprint = req.Fingerprint
	claim, err := newClaim(meta, target)
	if err != nil {
		return err
	}
	_, err = k.log.Append(ctx, claimStream(req), eventstore.NoStream, []eventstore.NewEvent{claim})
	return err
}

func newClaim(meta metadata, target string) (eventstore.NewEvent, error) {
	data, err := event.Encode(command.Claimed{Stream: target})
	if err != nil {
		return eventstore.NewEvent{}, err
	}
	written, err := json.Marshal(meta)
	id := uuid.NewSHA1(meta.CommandID, fmt.Appendf(nil, "claim %d %s %s", eventstore.NoStream, meta.Fingerprint, target))
	return eventstore.NewEvent{ID: id, Type: command.ClaimedType, Data: data, Metadata: written}, err
}

// ClaimOf makes the claim of the command that an event of a log without claims answered: the stream that it belongs in,
// which must not exist, and the event. There is none for most events: those that answered no command with a key, imported
// sales, which are known by their own streams, and tablets' orders, which are looked for on their table's tabs.
func ClaimOf(e eventstore.Event) (name string, claim eventstore.NewEvent, is bool, err error) {
	meta, err := readMetadata(e)
	_, _, rest := stream.Parse(e.Stream)
	if err != nil || meta.Answer == nil || meta.StoreID == "" ||
		stream.IsAside(e.Stream) || tab.TableOf(rest) == importTable || strings.HasPrefix(meta.Actor, devicePrefix) {
		return "", claim, false, err
	}
	meta.Answer = nil
	claim, err = newClaim(meta, e.Stream)
	return stream.Claim(meta.StoreID, hex.EncodeToString(meta.CommandID[:])), claim, err == nil, err
}

// firstAnswer reads the answer that was recorded with a command whose events stand from a revision on. Error: ErrKeyReused.
func firstAnswer(ctx context.Context, log eventstore.Store, name string, from eventstore.Revision, req Request) (Answer, error) {
	for e, err := range log.ReadStream(ctx, name, eventstore.StreamRead{From: from}) {
		if err != nil {
			return Answer{}, err
		}
		meta, err := readMetadata(e)
		if err != nil {
			return Answer{}, err
		}
		if meta.CommandID != req.CommandID {
			break
		}
		if meta.Fingerprint != "" {
			return req.repeated(e, meta)
		}
	}
	return Answer{}, fmt.Errorf("stream %s has no recorded answer of the command at revision %d", name, from)
}
