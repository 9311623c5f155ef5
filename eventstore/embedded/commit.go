package embedded

import (
	"fmt"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"

	"daybook/eventstore"
)

// Bounds of one group, that is of one synced write. Far below half of a memory table, above which Pebble takes another
// path; a single append is below them by the port's limits.
const (
	groupBytesMax    = 4 << 20
	groupEventsMax   = 8192
	groupRequestsMax = 8192 // those that are refused included, so that none of the others waits long
)

// commitLoop is the only writer. It takes everything that waits, writes it with one sync, and answers all.
func (s *Store) commitLoop() {
	defer close(s.stopped)
	w := &writer{store: s, heads: s.heads}
	var held *request // must begin the next group
	for {
		r := held
		if r == nil {
			select {
			case r = <-s.queue:
			case <-s.done:
				return
			}
		}
		select {
		case <-s.done:
			r.answer <- answer{err: eventstore.ErrClosed}
			return
		default:
		}
		held = w.gather(r)
		w.write()
	}
}

// writer holds what the committer knows.
type writer struct {
	store *Store
	heads heads
	group group
	key   []byte
}

// group is what one write will hold.
type group struct {
	batch    *pebble.Batch
	requests []*request
	answers  []answer
	written  map[string]eventstore.Revision // streams' last revisions as the group makes them
	began    map[uuid.UUID]bool             // the first ids of its appends
	last     uint64                         // position
	bytes    int
	created  time.Time
}

// gather fills a group, beginning with r, until nothing waits or it is full. It returns a request that can be judged
// only after this group is written, if it met one.
func (w *writer) gather(r *request) (held *request) {
	s := w.store
	w.group = group{batch: s.db.NewBatch(), written: map[string]eventstore.Revision{}, began: map[uuid.UUID]bool{}, last: s.head.Load(), created: s.options.Now()}
	for range groupRequestsMax {
		if !w.admit(r) {
			return r
		}
		if w.group.bytes >= groupBytesMax || int(w.group.last-s.head.Load()) >= groupEventsMax {
			return nil
		}
		if r = s.poll(); r == nil {
			return nil
		}
	}
	return r
}

// admit adds a request to the group or answers it. It returns false if what is true depends on the group's being
// written first: a conflict must not be reported with a revision that may never come to be, and a repetition of an
// append of this group is answered by what is stored.
func (w *writer) admit(r *request) bool {
	refuse := func(err error) bool {
		r.answer <- answer{err: err}
		return true
	}
	if err := w.store.failure.error(); err != nil {
		return refuse(err)
	}
	if err := r.ctx.Err(); err != nil {
		return refuse(err)
	}
	actual, err := w.revision(r.stream)
	switch {
	case err != nil:
		return refuse(err)
	case actual == r.expected && r.once && w.group.began[r.ids[0]]:
		return false
	case actual == r.expected:
		if err := w.taken(r); err != nil {
			return refuse(err)
		}
		if err := w.add(r); err != nil {
			return refuse(w.store.fail(err))
		}
		return true
	}
	if _, written := w.group.written[r.stream]; written {
		return false
	}
	appended, same, err := w.store.repeated(r)
	switch {
	case err == nil && !same:
		err = &eventstore.Conflict{Stream: r.stream, Expected: r.expected, Actual: actual}
	case err == nil && r.once:
		err = eventstore.ErrTaken
	}
	if err != nil {
		return refuse(err)
	}
	r.answer <- answer{appended: appended}
	return true
}

// revision returns a stream's last revision, this group's included.
func (w *writer) revision(stream string) (eventstore.Revision, error) {
	if revision, ok := w.group.written[stream]; ok {
		return revision, nil
	}
	if revision, ok := w.heads.Get(stream); ok {
		return revision, nil
	}
	revision, err := w.store.lastRevision(stream)
	if err == nil {
		w.heads.put(stream, revision)
	}
	return revision, err
}

// taken returns eventstore.ErrTaken for a request that wants to be the only one of its id, and is not.
func (w *writer) taken(r *request) error {
	if !r.once {
		return nil
	}
	_, found, err := w.store.positionOf(r.ids[0])
	if err == nil && found {
		err = eventstore.ErrTaken
	}
	return err
}

func (w *writer) add(r *request) error {
	g := &w.group
	partition := PartitionOf(r.stream)
	for i, d := range r.drafts {
		g.last++
		revision := r.expected + 1 + eventstore.Revision(i)
		if err := w.addEvent(d, r.types[i], r.stream, partition, revision); err != nil {
			return err
		}
	}
	if err := w.addID(r.ids[0], g.last-uint64(len(r.drafts))+1); err != nil {
		return err
	}
	g.bytes += r.bytes
	g.written[r.stream] = r.last()
	w.heads.put(r.stream, r.last())
	g.requests = append(g.requests, r)
	g.answers = append(g.answers, answer{appended: eventstore.Appended{Revision: r.last(), Position: place(g.last)}})
	return nil
}

func (w *writer) addID(id uuid.UUID, position uint64) error {
	var buffer [numberBytes + checksumBytes]byte
	w.key = appendIDKey(w.key[:0], id)
	w.group.began[id] = true
	return w.group.batch.Set(w.key, appendIDValue(buffer[:0], w.key, position), nil)
}

func (w *writer) addEvent(d draft, typ, stream, partition string, revision eventstore.Revision) error {
	g := &w.group
	w.key = appendBodyKey(w.key[:0], partition, typ, g.last)
	body := g.batch.SetDeferred(len(w.key), len(d.body)+trailerBytes)
	copy(body.Key, w.key)
	d.seal(body.Value, w.key, g.created)
	if err := body.Finish(); err != nil {
		return err
	}
	var buffer [eventstore.TypeNameMax + eventstore.StreamNameMax + 2*trailerBytes]byte
	w.key = appendIndexKey(w.key[:0], g.last)
	if err := g.batch.Set(w.key, appendIndexValue(buffer[:0], w.key, typ, stream), nil); err != nil {
		return err
	}
	w.key = appendStreamKey(w.key[:0], stream, revision)
	return g.batch.Set(w.key, appendStreamValue(buffer[:0], w.key, g.last, typ), nil)
}

// write makes the group durable, then visible, then answers.
func (w *writer) write() {
	g := &w.group
	if len(g.requests) == 0 {
		_ = g.batch.Close()
		return
	}
	s := w.store
	err := s.failure.error()
	if err == nil {
		s.writing.Store(time.Now().UnixNano())
		err = s.commit(g.batch)
		s.writing.Store(0)
	}
	if err != nil {
		err = s.fail(err)
		for i := range g.answers {
			g.answers[i] = answer{err: err}
		}
	} else {
		s.head.Store(g.last)
		s.change.broadcast()
	}
	for i, r := range g.requests {
		r.answer <- g.answers[i]
	}
}

// commit writes a batch and waits for the disk. It does not return if the disk fails: see pebblefs.Guard. Should Pebble
// panic, it may hold its locks; nothing can be written or closed after that.
func (s *Store) commit(batch *pebble.Batch) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble: %v", r)
			s.abandon(err)
		}
	}()
	// Commit would take a failed sync as fatal; waiting for it separately returns the error.
	if err := s.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return err
	}
	if err := batch.SyncWait(); err != nil {
		return err
	}
	return batch.Close()
}

// poll returns a request that waits, nil if none does. Before it gives up it lets others run once: who was just
// answered is often about to append again and can share this sync. Measured with 64 writers: groups of 52, not 32.
func (s *Store) poll() *request {
	for yielded := false; ; yielded = true {
		select {
		case r := <-s.queue:
			return r
		default:
		}
		if yielded {
			return nil
		}
		runtime.Gosched()
	}
}
