// Package refusal declares what the domain says when it says no. A refusal is an answer, not a failure: it changes
// nothing, is never retried and never logged as an error.
//
// Not here: the refusals themselves, which stand beside the rules that make them, and HTTP, which maps kinds to
// statuses in one table.
package refusal

import "fmt"

// Kind groups refusals by what the caller can do about them.
type Kind uint8

const (
	Invalid  Kind = iota + 1 // the request breaks a rule of form: correct it
	Unknown                  // what it names does not exist for this caller
	Conflict                 // it does not fit the present state: look again
	TooMuch                  // a limit is reached
)

// Refusal is one declared "no". Compare with errors.Is, which compares codes.
type Refusal struct {
	Kind   Kind
	Code   string // stable, snake_case, for programs
	Detail string // prose, for people; may change
}

// New declares a refusal.
func New(kind Kind, code, detail string) *Refusal {
	return &Refusal{Kind: kind, Code: code, Detail: detail}
}

// With returns the same refusal with prose that names the case at hand.
func (r *Refusal) With(format string, args ...any) *Refusal {
	return New(r.Kind, r.Code, fmt.Sprintf(format, args...))
}

func (r *Refusal) Error() string { return r.Detail }

// Is reports whether target is a refusal of the same code.
func (r *Refusal) Is(target error) bool {
	other, ok := target.(*Refusal)
	return ok && other.Code == r.Code
}
