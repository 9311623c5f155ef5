package commands

import "context"

// turn lets goroutines take turns, and give up waiting when their context ends. Make it with newTurn.
type turn chan struct{} // holds one token while it is nobody's turn

func newTurn() turn {
	t := make(turn, 1)
	t <- struct{}{}
	return t
}

// take waits for the turn and returns how to give it back.
func (t turn) take(ctx context.Context) (release func(), err error) {
	select {
	case <-t:
		return t.release, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// try takes the turn if it is nobody's now.
func (t turn) try() (release func(), taken bool) {
	select {
	case <-t:
		return t.release, true
	default:
		return nil, false
	}
}

func (t turn) release() { t <- struct{}{} }
