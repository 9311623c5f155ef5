package kurrent_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
	"daybook/eventstore/kurrent"
)

// replaced is a store whose server was given an older copy of its log: five events of stream tab-s-1, where it had ten.
type replaced struct {
	*testing.T
	store *kurrent.Store
	older *server
	last  eventstore.Appended // that is missing
	told  chan eventstore.Position
	began time.Time
	down  func() // called when no server is there; nil: nothing is
}

// tabs writes so many events of ours.
func (s *server) tabs(from, n int) (last eventstore.Appended) {
	s.Helper()
	for i := range n {
		var err error
		last, err = s.log.Append(context.Background(), "tab-s-1", eventstore.Revision(from+i-1), []eventstore.NewEvent{event("x")})
		if err != nil {
			s.Fatal(err)
		}
	}
	return last
}

// identified writes the log's identity, which copies share.
func (s *server) identified() {
	s.Helper()
	e := event("log.identified.v1")
	e.Data = []byte(`{"identity":"0192"}`)
	if _, err := s.log.Append(context.Background(), "daybook_log", eventstore.NoStream, []eventstore.NewEvent{e}); err != nil {
		s.Fatal(err)
	}
}

// replace replaces the log once met was called with the store, and has the older copy grow by another number of events.
func replace(t *testing.T, grow int, stream string, met func(*replaced)) *replaced {
	t.Helper()
	newer, older := newServer(t, esdbserver.Options{}), newServer(t, esdbserver.Options{})
	for _, s := range []*server{newer, older} {
		s.identified()
		s.tabs(0, 5)
	}
	r := &replaced{T: t, older: older, told: make(chan eventstore.Position, 10)}
	r.store = open(t, kurrent.Options{URL: newer.url(), Logger: logger(), Prefixes: prefixes, WentBack: func(p eventstore.Position) { r.told <- p }})
	r.last = newer.tabs(5, 5)
	r.last.Position = served(r.last.Position)
	met(r)
	older.down()
	if grow > 0 {
		if stream == "tab-s-1" {
			older.tabs(5, grow)
		} else {
			older.seed(grow, stream)
		}
	}
	newer.down()
	if r.down != nil {
		r.down()
	}
	older.address = newer.address
	older.start()
	r.began = time.Now()
	return r
}

// noticed asks for something until the store has noticed.
func (r *replaced) noticed() {
	r.Helper()
	for noticed := false; !noticed; {
		_, _ = r.store.Head(within(r, 10*time.Second))
		select {
		case missing := <-r.told:
			if noticed = true; missing != r.last.Position {
				r.Errorf("event %v is missing, want %v", missing, r.last.Position)
			}
		case <-time.After(time.Millisecond):
			if time.Since(r.began) > 20*time.Second {
				r.Fatal("it was not noticed")
			}
		}
	}
	r.Logf("noticed after %v", time.Since(r.began))
	if h := r.store.History(); h != 1 {
		r.Errorf("history %d", h)
	}
}

// grown is how an older copy may look when it takes the place of the log.
var grown = map[string]struct {
	n      int
	stream string
}{
	"shorter":                       {0, ""},
	"others' event in its place":    {10, "billing-1"},
	"an event of ours in its place": {9, "tab-s-1"},
}

// TestALogThatWentBackIsNoticed: whoever met the last event, and however, learns that it is no more.
func TestALogThatWentBackIsNoticed(t *testing.T) {
	for how, met := range map[string]func(*replaced) error{
		"at its place": func(r *replaced) error {
			_, is, err := r.store.At(within(r, 10*time.Second), r.last.Position)
			if !is {
				err = errors.Join(err, errors.New("it is not there"))
			}
			return err
		},
		"as the head": func(r *replaced) error {
			_, err := r.store.Head(within(r, 10*time.Second))
			return err
		},
		"in its stream": func(r *replaced) error {
			for _, err := range r.store.ReadStream(within(r, 10*time.Second), "tab-s-1", eventstore.StreamRead{Fresh: true}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"by appending it": func(r *replaced) (err error) {
			r.last, err = r.store.Append(within(r, 10*time.Second), "tab-s-1", 9, []eventstore.NewEvent{event("mine")})
			return err
		},
	} {
		for name, c := range grown {
			t.Run(how+", "+name, func(t *testing.T) {
				t.Parallel()
				r := replace(t, c.n, c.stream, func(r *replaced) {
					if _, err := r.store.Identity(within(r, 10*time.Second)); err != nil {
						r.Fatal(err)
					}
					if err := met(r); err != nil {
						r.Fatal(err)
					}
				})
				head, err := r.store.Head(within(t, 10*time.Second)) // which connects again
				for ; errors.Is(err, eventstore.ErrUnavailable); head, err = r.store.Head(within(t, 10*time.Second)) {
					time.Sleep(time.Millisecond)
				}
				if want, _ := r.older.log.Head(t.Context()); err != nil || c.stream != "billing-1" && head != served(want) {
					t.Errorf("the head is %v, %v; want %v", head, err, served(want))
				}
				r.noticed()
			})
		}
	}
}

// TestAnAppendOfBeforeTheLogWentBack: the stream is at the revision that was expected, and not the stream that was read.
func TestAnAppendOfBeforeTheLogWentBack(t *testing.T) {
	appended := make(chan error, 1)
	r := replace(t, 5, "tab-s-1", func(r *replaced) {
		if _, _, err := r.store.At(within(r, 10*time.Second), r.last.Position); err != nil {
			r.Fatal(err)
		}
		r.down = func() {
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				_, err := r.store.Append(ctx, "tab-s-1", 9, []eventstore.NewEvent{event("x")})
				appended <- err
			}()
			time.Sleep(100 * time.Millisecond) // it waits for a connection
		}
	})
	if err := <-appended; !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if n := count(t, r.older, "tab-s-1"); n != 10 {
		t.Errorf("%d events, want the 10 that were there", n)
	}
}

// TestWhatBeganBeforeTheLogWentBackEnds: a subscription does not go on in another history.
func TestWhatBeganBeforeTheLogWentBackEnds(t *testing.T) {
	for name, c := range grown {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sub eventstore.Subscription
			r := replace(t, c.n, c.stream, func(r *replaced) {
				var err error
				if sub, err = r.store.Subscribe(within(r, 10*time.Second), eventstore.Position{}, eventstore.Filter{}); err != nil {
					r.Fatal(err)
				}
				for at := (eventstore.Position{}); at != r.last.Position; {
					b, err := sub.Next(within(r, 10*time.Second))
					if err != nil {
						r.Fatal(err)
					}
					at = b.Position
				}
			})
			defer sub.Close()
			for {
				b, err := sub.Next(within(t, 20*time.Second))
				if err == nil && len(b.Events) == 0 {
					continue
				}
				if !errors.Is(err, eventstore.ErrUnavailable) {
					t.Errorf("got %+v, %v", b, err)
				}
				break
			}
			r.noticed()
			if len(r.told) > 0 {
				t.Error("it was told more than once")
			}
		})
	}
}

// TestAServerThatOnlyStartsAgain has not gone back.
func TestAServerThatOnlyStartsAgain(t *testing.T) {
	server := newServer(t, esdbserver.Options{})
	told := make(chan eventstore.Position, 10)
	store := open(t, kurrent.Options{URL: server.url(), Logger: logger(), Prefixes: prefixes, WentBack: func(p eventstore.Position) { told <- p }})
	for n := range 20 {
		if _, err := store.Append(within(t, 20*time.Second), "tab-s-"+fmt.Sprint(n), eventstore.NoStream, []eventstore.NewEvent{event("x")}); err != nil {
			t.Fatal(err)
		}
		server.down()
		server.start()
	}
	if len(told) > 0 || store.History() != 0 {
		t.Errorf("it is said to have gone back %d times", store.History())
	}
}
