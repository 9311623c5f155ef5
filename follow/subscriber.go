package follow

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"daybook/eventstore"
)

// AllStreams is the topic of everything in the log.
const AllStreams = "$all"

// Checkpoints keep how far those have come who follow the log message by message. One that is lost, or is older than what
// was handled, makes messages come again; so does one that two processes move.
type Checkpoints interface {
	// Load returns where a consumer stands: the zero Position if that is not known, or is no place of this log.
	Load(ctx context.Context, consumer string) (eventstore.Position, error)
	// Save notes that a consumer has handled everything up to a position.
	Save(ctx context.Context, consumer string, at eventstore.Position) error
}

// SubscriberOptions of NewSubscriber. The zero value: every event, each time from the log's beginning.
type SubscriberOptions struct {
	Types []string // names of the events that are wanted; empty: all
	// Consumer names the checkpoint from which a subscription begins, and which it moves, once a second at most. "": none.
	Consumer    string
	Checkpoints Checkpoints  // nil only if there is no Consumer
	Log         *slog.Logger // nil: none
}

// Subscriber is Watermill's Subscriber of a log: a message for each event, see MessageOf. A topic is a stream, or what
// streams' names begin with before a '-', as "tab" and "tab-S"; or AllStreams.
//
// Messages come in the log's order, the next one when the last was acknowledged. One that is refused comes again, after a
// short pause, and nothing else before it. Each message comes at least once: those that were handled after the checkpoint
// come again after a restart. Each subscription gets all messages, also where several have the same Consumer.
//
// For read models, whose sinks are round trips away, a message for each event is too slow: see Run.
type Subscriber struct {
	options SubscriberOptions
	feed    *Feed
	life    context.Context
	end     context.CancelFunc

	mu   sync.Mutex
	work sync.WaitGroup // subscriptions; added to under mu while life goes on
}

var _ message.Subscriber = (*Subscriber)(nil)

// NewSubscriber returns a subscriber of a feed's log.
func NewSubscriber(feed *Feed, options SubscriberOptions) *Subscriber {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	s := &Subscriber{options: options, feed: feed}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Subscribe is message.Subscriber's. Whatever breaks, it goes on until its
// context ends, or Close, or the log is closed.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return nil, eventstore.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.life, cancel)
	out := make(chan *message.Message)
	s.work.Go(func() {
		defer close(out)
		defer cancel()
		defer stop()
		f := &following{Subscriber: s, topic: topic, out: out}
		closed := func(err error) bool { return errors.Is(err, eventstore.ErrClosed) } // the log
		_ = keep(ctx, s.options.Log, closed, func() (bool, error) { return f.follow(ctx) })
	})
	return out, nil
}

// Close is message.Subscriber's. It returns once every subscription has ended.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

// following is one subscription.
type following struct {
	*Subscriber
	topic string
	out   chan<- *message.Message

	saved   time.Time // when the checkpoint was
	savedAt eventstore.Position
}

const (
	// saveInterval is the least time between two checkpoints.
	saveInterval = time.Second
	// nackPause passes before a refused message comes again.
	nackPause = 20 * time.Millisecond
)

// follow delivers messages until something breaks, and says whether any was delivered.
func (f *following) follow(ctx context.Context) (delivered bool, err error) {
	var at eventstore.Position
	if f.options.Consumer != "" {
		if at, err = f.options.Checkpoints.Load(ctx, f.options.Consumer); err != nil {
			return false, err
		}
	}
	f.savedAt, f.saved = at, time.Now()
	sub, err := f.feed.Subscribe(ctx, at, f.filter())
	if err != nil {
		return false, err
	}
	defer sub.Close()
	for {
		batch, err := nextWithin(ctx, sub, saveInterval)
		switch {
		case errors.Is(err, errQuiet):
		case err != nil:
			return delivered, err
		default:
			for _, e := range batch.Events {
				if !f.wants(e) {
					continue
				}
				if err := f.deliver(ctx, e); err != nil {
					return delivered, err
				}
				delivered = true
				f.save(ctx, e.Position)
			}
			at = batch.Position
		}
		f.save(ctx, at)
	}
}

// filter lets through at least what is wanted.
func (f *following) filter() eventstore.Filter {
	filter := eventstore.Filter{Types: f.options.Types}
	if f.topic != AllStreams {
		filter.Prefixes = []string{f.topic}
	}
	return filter
}

func (f *following) wants(e eventstore.Event) bool {
	return f.topic == AllStreams || e.Stream == f.topic || strings.HasPrefix(e.Stream, f.topic+"-")
}

// deliver sends an event until it is acknowledged.
func (f *following) deliver(ctx context.Context, e eventstore.Event) error {
	for {
		acked, err := send(ctx, f.out, MessageOf(e))
		if acked || err != nil {
			return err
		}
		select {
		case <-time.After(nackPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send sends a message and waits for what becomes of it. The message's context ends then.
func send(ctx context.Context, out chan<- *message.Message, msg *message.Message) (acked bool, err error) {
	life, cancel := context.WithCancel(ctx)
	defer cancel()
	msg.SetContext(life)
	select {
	case out <- msg:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	select {
	case <-msg.Acked():
		return true, nil
	case <-msg.Nacked():
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// save moves the checkpoint if that is due. If it cannot be moved, messages will come again: that is no reason to stop.
func (f *following) save(ctx context.Context, at eventstore.Position) {
	if f.options.Consumer == "" || at == f.savedAt || time.Since(f.saved) < saveInterval {
		return
	}
	f.saved = time.Now()
	if err := f.options.Checkpoints.Save(ctx, f.options.Consumer, at); err != nil {
		if ctx.Err() == nil {
			f.options.Log.Warn("checkpoint cannot be moved: events will come again after a restart", "consumer", f.options.Consumer, "error", err)
		}
		return
	}
	f.savedAt = at
}

// errQuiet: nothing came for a while.
var errQuiet = errors.New("nothing new in the log")

// nextWithin returns a subscription's next batch, or errQuiet after a time.
func nextWithin(ctx context.Context, sub eventstore.Subscription, idleMax time.Duration) (eventstore.Batch, error) {
	waiting, cancel := context.WithTimeout(ctx, idleMax)
	defer cancel()
	batch, err := sub.Next(waiting)
	if err != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = errQuiet
	}
	return batch, err
}
