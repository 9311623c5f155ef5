package app

import (
	"context"
	"errors"
	"fmt"

	"daybook/domain/command"
	"daybook/domain/stream"
	"daybook/eventstore"
)

// strangeMax bounds how many streams are named in which something is wrong; others are counted.
const strangeMax = 100

// meddled is a log on a server, whose operator can hide and delete events.
type meddled interface {
	Meddled(ctx context.Context) ([]string, error)
}

// streamCheck looks whether every stream of a log that others can reach begins at its beginning, has no gap, and holds
// nothing that is not ours.
type streamCheck struct {
	entries int64
	next    map[string]eventstore.Revision // by stream
	strange map[string]string              // what is wrong, by stream: the first thing
	order   []string                       // of strange
	more    int                            // streams with something wrong that are not named
}

func newStreamCheck() *streamCheck {
	return &streamCheck{next: map[string]eventstore.Revision{}, strange: map[string]string{}}
}

// run goes through a log, and then reads the streams that were meddled with.
func (c *streamCheck) run(ctx context.Context, log, direct eventstore.Store, progress Progress) error {
	for e, err := range log.ReadAll(ctx, eventstore.LogRead{}) {
		if err != nil {
			return err
		}
		c.see(e)
		if c.entries++; c.entries%10_000 == 0 {
			progress("log", uint64(c.entries), uint64(c.entries))
		}
	}
	server, is := direct.(meddled)
	if !is {
		return nil
	}
	names, err := server.Meddled(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.read(ctx, direct, name); err != nil {
			return err
		}
	}
	return nil
}

func (c *streamCheck) see(e eventstore.Event) {
	next, seen := c.next[e.Stream]
	c.next[e.Stream] = e.Revision + 1
	category, _, _ := stream.Parse(e.Stream)
	kind, _ := stream.KindOf(category)
	switch {
	case e.Revision != next && !seen:
		c.wrong(e.Stream, "stream %s begins at revision %d: what was before is gone", e.Stream, e.Revision)
	case e.Revision != next:
		c.wrong(e.Stream, "stream %s: after revision %d comes %d: what was between is gone, or not ours, such as a link", e.Stream, next-1, e.Revision)
	case kind.Catalog[e.Type] == nil && e.Type != command.UnchangedType:
		c.wrong(e.Stream, "stream %s revision %d: an event of type %.100q is none of ours, and whoever reads the stream is refused", e.Stream, e.Revision, e.Type)
	}
}

// read reads a stream as commands do.
func (c *streamCheck) read(ctx context.Context, log eventstore.Store, name string) error {
	for _, err := range log.ReadStream(ctx, name, eventstore.StreamRead{Limit: 1, Fresh: true}) {
		var damage *eventstore.Corruption
		if errors.As(err, &damage) {
			c.wrong(name, "%v", err)
			return nil
		}
		return err
	}
	if n := c.next[name]; n > 0 {
		c.wrong(name, "stream %s reads as empty, and the log has events of it up to revision %d: it was deleted", name, n-1)
	}
	return nil
}

func (c *streamCheck) wrong(name, format string, args ...any) {
	if c.strange[name] != "" {
		return
	}
	if len(c.order) == strangeMax {
		c.more++
		return
	}
	c.strange[name] = fmt.Sprintf(format, args...)
	c.order = append(c.order, name)
}

// differences are what was found, for people.
func (c *streamCheck) differences() (all []string) {
	for _, name := range c.order {
		all = append(all, c.strange[name])
	}
	if c.more > 0 {
		all = append(all, fmt.Sprintf("something is wrong in %d places more", c.more))
	}
	return all
}
