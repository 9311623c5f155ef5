package commands

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/internal/auth"
	"daybook/internal/httpapi"
)

// Request is what is known of a command apart from what it wants.
type Request struct {
	CommandID   uuid.UUID
	Keyed       bool   // the caller gave an Idempotency-Key; CommandID follows from it
	Fingerprint string // of what is wanted: the same key must come with the same fingerprint
	Actor       string // "owner:…", "device:…", "policy:…" or "import"
	StoreID     string
	Correlation string // the HTTP request's id
	Causation   string // the id of the event that it follows from, "" if it is not of a policy
	Batch       string // the import that it is a part of, "" if none

	secret  auth.Secret
	known   bool   // the caller knows that no other stream holds the command: it needs no claim
	claimed string // the stream that the key is known to be claimed for, "": none
	before  []byte // what the first event of a stream repeats of those before it, nil: nothing
}

// devicePrefix begins the actor of a tablet's command.
const devicePrefix = "device:"

// namespace makes our UUIDs of version 5 differ from everybody else's.
var namespace = uuid.MustParse("6f4a1c52-70c1-5be9-9d4e-0f7a2f0c9d11")

// ErrKeyReused: an Idempotency-Key came before with something else.
var ErrKeyReused = httpapi.NewProblem(http.StatusUnprocessableEntity, "idempotency_key_reused",
	"this Idempotency-Key was used before for something else")

// newRequest makes the request of a caller. Keys of different scopes (a store and an actor, say) never meet. Without
// a key, every request is a command of its own.
func newRequest(secret auth.Secret, scope, key, actor, storeID, correlation, route string, wanted any) (Request, error) {
	text, err := json.Marshal(wanted)
	if err != nil {
		return Request{}, err
	}
	sum := sha256.Sum256(append([]byte(route+"\n"), text...))
	req := Request{
		CommandID: uuid.New(), Fingerprint: base64.RawStdEncoding.EncodeToString(sum[:]),
		Actor: actor, StoreID: storeID, Correlation: correlation, secret: secret,
	}
	if key != "" {
		req.Keyed = true
		req.CommandID = uuid.NewSHA1(namespace, []byte(scope+"\n"+key))
	}
	return req, nil
}

// eventID is the id of a command's n-th event: a repeated append is one append.
func (r Request) eventID(n int) uuid.UUID {
	return uuid.NewSHA1(r.CommandID, binary.BigEndian.AppendUint32(nil, uint32(n)))
}

// newID is an id for a thing that the command makes, the same in every attempt.
func (r Request) newID(prefix string) string {
	sum := sha256.Sum256([]byte("id " + prefix + " " + r.CommandID.String()))
	return prefix + auth.TextOf(sum[:10])
}

// metadata of an event: who, why, and, on the event by which a command with a key is found again, what was wanted and
// answered.
type metadata struct {
	Schema      int             `json:"schema"`
	CommandID   uuid.UUID       `json:"commandId"`
	Fingerprint string          `json:"fingerprint,omitempty"` // on that one only: it is a sixth of a small event
	Actor       string          `json:"actor"`
	StoreID     string          `json:"storeId,omitempty"`
	Correlation string          `json:"correlationId,omitempty"`
	Causation   string          `json:"causationId,omitempty"`
	Batch       string          `json:"batchId,omitempty"` // of an import; where the fingerprint is
	Answer      *recordedAnswer `json:"answer,omitempty"`
	// Before, on the event that opens some of a table's tabs, are the keys on those before it (tableKeys): 8 bytes of each
	// command id.
	Before []byte `json:"before,omitempty"`
}

// recordedAnswer is an answer as the log keeps it, so that a repeated command gets it byte for byte.
type recordedAnswer struct {
	Status int    `json:"status"`
	Body   string `json:"body,omitempty"`
	Sealed string `json:"sealed,omitempty"` // the body, encrypted: it holds a secret
}

const metadataSchema = 1

func (r Request) metadata() metadata {
	return metadata{
		Schema: metadataSchema, CommandID: r.CommandID, Actor: r.Actor, StoreID: r.StoreID,
		Correlation: r.Correlation, Causation: r.Causation,
	}
}

// recorded is an answer for the log, nil if the command has no key. It is encrypted if it holds a secret.
func (r Request) recorded(answer Answer, secret bool) *recordedAnswer {
	if !r.Keyed {
		return nil
	}
	if secret {
		return &recordedAnswer{Status: answer.Status, Sealed: r.secret.Seal(answer.Body)}
	}
	return &recordedAnswer{Status: answer.Status, Body: string(answer.Body)}
}

func readMetadata(e eventstore.Event) (metadata, error) {
	var meta metadata
	if len(e.Metadata) == 0 {
		return meta, nil
	}
	if err := json.Unmarshal(e.Metadata, &meta); err != nil {
		return meta, fmt.Errorf("stream %s revision %d: metadata: %w", e.Stream, e.Revision, err)
	}
	return meta, nil
}

// repeated returns the answer that was recorded with an event of this very command. Error: ErrKeyReused.
func (r Request) repeated(e eventstore.Event, meta metadata) (answer Answer, err error) {
	if meta.Fingerprint != r.Fingerprint {
		return Answer{}, ErrKeyReused
	}
	if meta.Answer == nil {
		return Answer{}, fmt.Errorf("stream %s revision %d has no recorded answer", e.Stream, e.Revision)
	}
	answer = Answer{Status: meta.Answer.Status, Body: []byte(meta.Answer.Body), Position: e.Position}
	if meta.Answer.Sealed != "" {
		if answer.Body, err = r.secret.Open(meta.Answer.Sealed); err != nil {
			return Answer{}, fmt.Errorf("stream %s revision %d: sealed answer: %w", e.Stream, e.Revision, err)
		}
	}
	return answer, nil
}

// Answer is what a command answers with.
type Answer struct {
	Status   int
	Body     []byte // JSON; empty for 204
	Position eventstore.Position
}

func newAnswer(status int, body any) (Answer, error) {
	if body == nil {
		return Answer{Status: status}, nil
	}
	text, err := json.Marshal(body)
	return Answer{Status: status, Body: text}, err
}
