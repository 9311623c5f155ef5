package store

import (
	"time"

	"daybook/domain/event"
	"daybook/domain/refusal"
)

// CodeLifetime is how long a pairing code can be redeemed.
const CodeLifetime = 10 * time.Minute

// Code is a pairing code as the log knows it: by its PairingID, a hash. Its stream is found by that hash, because a
// tablet that knows a code does not know its store. That a code is good once is the store's rule, not the code's.
// The zero Code was never issued.
type Code struct {
	PairingID, StoreID, TableID string
	ExpiresAt                   time.Time
}

// CodeIssued: an owner asked for a code for a table.
type CodeIssued struct {
	PairingID string    `json:"pairingId"`
	StoreID   string    `json:"storeId"`
	TableID   string    `json:"tableId"`
	ExpiresAt time.Time `json:"expiresAt"`
	At        time.Time `json:"at"`
}

// EventType is the stored name.
func (CodeIssued) EventType() string { return "pairing.code_issued.v1" }

// IssueCode asks for a pairing code for a table of a store.
type IssueCode struct {
	Store     State
	PairingID string
	TableID   string
	At        time.Time
}

// CodeDecider is the behaviour of a pairing code.
var CodeDecider = event.Decider[Code, IssueCode, CodeIssued]{
	Initial: func() Code { return Code{} },
	Decide:  issueCode,
	Evolve:  func(_ Code, e CodeIssued) Code { return Code{e.PairingID, e.StoreID, e.TableID, e.ExpiresAt} },
	Catalog: event.Catalog[CodeIssued]{"pairing.code_issued.v1": event.As[CodeIssued, CodeIssued]},
}

// ErrCodeTaken: by chance the code was issued before. Ask again.
var ErrCodeTaken = refusal.New(refusal.Conflict, "pairing_code_taken", "the pairing code was issued before; ask again")

func issueCode(s Code, c IssueCode) ([]CodeIssued, error) {
	_, known := c.Store.Table(c.TableID)
	switch {
	case !known:
		return nil, ErrTable
	case s.PairingID != "":
		return nil, ErrCodeTaken
	}
	return []CodeIssued{{
		PairingID: c.PairingID, StoreID: c.Store.StoreID, TableID: c.TableID,
		ExpiresAt: c.At.Add(CodeLifetime), At: c.At,
	}}, nil
}
