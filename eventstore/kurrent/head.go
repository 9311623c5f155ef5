package kurrent

import (
	"context"
	"errors"

	"daybook/eventstore"
)

// nearEvents is how far behind the end of the server's log the last event of ours is looked for, in one call. What stands
// behind more events that are not ours is searched for once, for all who ask, however far away the server is.
const nearEvents = 16

// extent is what is known of the log: met is the last event of ours that any read has met, and between it and clear
// there is none. So no event is looked at twice to find the head.
type extent struct{ met, clear eventstore.Position }

// learn adds what was found on a link to what is known. What others have learned meanwhile stays.
func (s *Store) learn(l *link, found extent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.history != s.history {
		return
	}
	if s.known.met.Before(found.met) {
		s.known.met = found.met
	}
	if s.known.clear.Before(found.clear) {
		s.known.clear = found.clear
	}
}

// unclear forgets what stands behind the last event of ours.
func (s *Store) unclear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.clear = s.known.met
}

func (s *Store) extent() extent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

// Head is eventstore.Store's, as the leader sees it.
func (s *Store) Head(ctx context.Context) (eventstore.Position, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return eventstore.Position{}, err
	}
	defer done()
	return s.headOf(ctx)
}

func (s *Store) headOf(ctx context.Context) (head eventstore.Position, err error) {
	err = s.try(ctx, func(l *link) (bool, error) {
		head, err = s.lastOf(ctx, l)
		return false, err
	})
	return head, err
}

// lastOf looks for the last event of ours: near the end by reading backward, and what is farther by a search that all
// who ask share. Of a log whose only news are the server's statistics, it reads those.
func (s *Store) lastOf(ctx context.Context, l *link) (eventstore.Position, error) {
	w := walk{store: s, link: l, known: s.extent(), last: s.met()}
	if found, err := w.back(ctx, nearEvents); found || err != nil {
		return w.head, err
	}
	return s.searched(ctx, w)
}

// walk goes backward from the end of the server's log.
type walk struct {
	store *Store
	link  *link
	known extent
	last  witness             // met before the walk began
	end   eventstore.Position // of the server's log, when the walk began; zero before that
	from  eventstore.Position // exclusive; zero: the end
	head  eventstore.Position // if found
}

// back reads so many events more, and says whether it has come to an event of ours, or to where none can be.
func (w *walk) back(ctx context.Context, count int) (found bool, err error) {
	got := 0
	for e, err := range w.store.page(ctx, w.link, logPage(w.from, eventstore.Backward, count)) {
		if err == nil && w.end.IsZero() {
			err = w.begin(ctx, e)
		}
		if err != nil {
			return false, err
		}
		switch {
		case !w.known.clear.Before(e.Position):
			return w.at(w.known.met)
		case w.store.ours(e.Stream, e.Type):
			w.store.saw(w.link, witness{e.Position, e.ID})
			return w.at(e.Position)
		}
		w.from = e.Position
		got++
	}
	if got < count { // that was the first event of all
		return w.at(eventstore.Position{})
	}
	return false, nil
}

// begin notes where the server's log ends. That may be before an event that was met, or at another one in its place: then
// an older copy was put there.
func (w *walk) begin(ctx context.Context, end eventstore.Event) error {
	w.end = end.Position
	if w.end.Before(w.last.position) || w.end == w.last.position && end.ID != w.last.id {
		return w.store.suspect(ctx, w.link, w.last)
	}
	if w.end.Before(w.known.clear) { // others' events, which a new leader has never had
		w.known.clear = w.known.met
		w.store.unclear()
	}
	return nil
}

func (w *walk) at(head eventstore.Position) (found bool, err error) {
	w.head = head
	w.store.learn(w.link, extent{head, w.end})
	return true, nil
}

// search is one that is under way, for all who ask for the head meanwhile.
type search struct {
	done chan struct{}
	head eventstore.Position
	err  error
}

// searched takes part in the search that is under way, or begins one where a walk has stopped.
func (s *Store) searched(ctx context.Context, w walk) (eventstore.Position, error) {
	s.mu.Lock()
	find := s.searching
	if find == nil {
		find = &search{done: make(chan struct{})}
		if !s.spawnLocked(func() { s.search(w, find) }) {
			s.mu.Unlock()
			return eventstore.Position{}, eventstore.ErrClosed
		}
		s.searching = find
	}
	s.mu.Unlock()
	select {
	case <-find.done:
		return find.head, find.err
	case <-ctx.Done():
		return eventstore.Position{}, ended(ctx)
	}
}

func (s *Store) search(w walk, find *search) {
	find.err = w.search(s.life)
	find.head = w.head
	s.mu.Lock()
	defer s.mu.Unlock()
	s.searching = nil
	close(find.done)
}

// search lets the server look forward from what is known. Where that cannot be, it goes on backward.
func (w *walk) search(ctx context.Context) error {
	if !w.known.met.IsZero() && w.link.version.saysCaughtUp() {
		err := w.forth(ctx)
		if !errors.Is(err, errPosition) { // the server has scavenged what stood there
			return err
		}
	}
	for {
		if found, err := w.back(ctx, pageEvents); found || err != nil {
			return err
		}
	}
}

func (w *walk) forth(ctx context.Context) error {
	head := w.known.met
	for e, err := range w.store.filtered(ctx, w.link, w.known.clear, w.store.serverFilter(eventstore.Filter{})) {
		if err != nil {
			return err
		}
		if w.store.ours(e.Stream, e.Type) && head.Before(e.Position) {
			w.store.saw(w.link, witness{e.Position, e.ID})
			head = e.Position
		}
	}
	_, err := w.at(head)
	return err
}
