package readapi

import "encoding/json"

// incomplete says that an answer is what can be counted, and not all there is.
type incomplete struct {
	ParkedTabs    int `json:"parkedTabs"`    // tabs that stopped at an event which cannot be counted
	SkippedEvents int `json:"skippedEvents"` // events that the operator had left out
}

// whole makes an answer say what its figures lack: it gains a field "incomplete", absent if they lack nothing.
func whole(r Reader, ask func(query) (any, error)) func(query) (any, error) {
	return func(q query) (any, error) {
		// Asked before and after: a tab may be parked, or counted again, while the figures are read.
		before, err := r.LeftOut(q.ctx, q.at, q.store.StoreID)
		if err != nil {
			return nil, err
		}
		body, err := ask(q)
		if err != nil {
			return nil, err
		}
		after, err := r.LeftOut(q.ctx, q.at, q.store.StoreID)
		if err != nil {
			return nil, err
		}
		lacks := incomplete{max(before.Parked, after.Parked), max(before.Skipped, after.Skipped)}
		if lacks == (incomplete{}) {
			return body, nil
		}
		return partial{body, lacks}, nil
	}
}

// partial is an answer, an object that is not empty, with what it lacks.
type partial struct {
	body  any
	lacks incomplete
}

// MarshalJSON writes the answer's own fields, and then the one that says what it lacks.
func (p partial) MarshalJSON() ([]byte, error) {
	body, err := json.Marshal(p.body)
	if err != nil {
		return nil, err
	}
	lacks, err := json.Marshal(p.lacks)
	if err != nil {
		return nil, err
	}
	body = append(body[:len(body)-1], `,"incomplete":`...)
	return append(append(body, lacks...), '}'), nil
}
