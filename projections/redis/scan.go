package redis

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"daybook/projections"
)

var (
	//go:embed hold.lua
	holdSource string
	//go:embed page.lua
	pageSource string

	holdScript = redis.NewScript(holdSource)
	pageScript = redis.NewScript(pageSource)
)

// pageEntries is how many entries Scan fetches at a time, at least; partitions are not divided.
const pageEntries = 5000

var errHoldLost = fmt.Errorf("%w: redis: the scan's hold on the target was lost", projections.ErrSinkUnavailable)

// Scan passes all entries of a target. See projections.Sink. Apply answers ErrHeld meanwhile.
func (s *Sink) Scan(ctx context.Context, target projections.Target, fn func(string, projections.Entry) error) (projections.Checkpoint, error) {
	if err := target.Check(); err != nil {
		return projections.Checkpoint{}, err
	}
	h := hold{sink: s, target: target, scan: rand.Text()}
	at, err := h.begin(ctx)
	if err != nil {
		return projections.Checkpoint{}, err
	}
	err = h.pages(ctx, fn)
	h.end(ctx)
	if err != nil {
		return projections.Checkpoint{}, err
	}
	return at, nil
}

// hold is one scan's hold on a target. Several may hold it at once.
type hold struct {
	sink   *Sink
	target projections.Target
	scan   string // whose it is
	stop   context.CancelFunc
	ended  chan struct{}
}

// begin takes the hold and renews it until end.
func (h *hold) begin(ctx context.Context) (projections.Checkpoint, error) {
	stored, err := h.take(ctx, "begin")
	if err != nil {
		h.release() // it may have been taken even so
		return projections.Checkpoint{}, err
	}
	at, err := parseCheckpoint(stored)
	if err != nil {
		h.release()
		return projections.Checkpoint{}, err
	}
	renewing, stop := context.WithCancel(ctx)
	h.stop, h.ended = stop, make(chan struct{})
	go func() {
		defer close(h.ended)
		ticker := time.NewTicker(h.sink.holdTime / 4)
		defer ticker.Stop()
		for {
			select {
			case <-renewing.Done():
				return
			case <-ticker.C:
				if _, err := h.take(renewing, "renew"); errors.Is(err, errHoldLost) {
					return // the next page will find out
				}
			}
		}
	}()
	return at, nil
}

func (h *hold) take(ctx context.Context, how string) (checkpoint string, err error) {
	keys := []string{holdsKey(h.target), stateKey(h.target), partitionsKey(h.target)}
	answer, err := call(ctx, h.sink, func(ctx context.Context) ([]string, error) {
		return holdScript.Run(ctx, h.sink.client, keys, h.scan, h.sink.holdTime.Milliseconds(), how).StringSlice()
	})
	switch {
	case err != nil:
		return "", err
	case len(answer) == 2 && answer[0] == "damaged":
		return "", h.sink.lose(ctx, h.target, answer[1])
	case len(answer) != 2 || answer[0] != "ok":
		return "", errHoldLost
	}
	return answer[1], nil
}

// end gives the hold back. If the context has ended, it does so without being waited for.
func (h *hold) end(ctx context.Context) {
	h.stop()
	<-h.ended // a renewal after the release would take the hold again
	released := h.release()
	select {
	case <-released:
	case <-ctx.Done():
	case <-h.sink.life.Done():
	}
}

// release gives the hold back in the background; if it fails, the hold ends by itself.
func (h *hold) release() (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(h.sink.life, h.sink.holdTime)
		defer cancel()
		_ = h.sink.client.ZRem(ctx, holdsKey(h.target), h.scan).Err() // it ends by itself
	}()
	return done
}

// pages fetches page after page and calls fn for each entry.
func (h *hold) pages(ctx context.Context, fn func(string, projections.Entry) error) error {
	from := "-"
	for {
		page, err := h.page(ctx, from)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, partition := range page {
			for _, entry := range partition.entries {
				if err := h.interrupted(ctx); err != nil {
					return err
				}
				if err := fn(partition.name, entry); err != nil {
					return err
				}
			}
			from = "(" + partition.name
		}
	}
}

func (h *hold) interrupted(ctx context.Context) error {
	if h.sink.life.Err() != nil {
		return projections.ErrSinkClosed
	}
	return ctx.Err()
}

// scanned is one partition in full.
type scanned struct {
	name    string
	entries []projections.Entry
}

// page returns the next partitions; none at the end.
func (h *hold) page(ctx context.Context, from string) ([]scanned, error) {
	keys := []string{holdsKey(h.target), partitionsKey(h.target), stateKey(h.target)}
	answer, err := call(ctx, h.sink, func(ctx context.Context) ([]any, error) {
		return pageScript.Run(ctx, h.sink.client, keys, h.scan, from, partitionKey(h.target, ""), pageEntries).Slice()
	})
	switch {
	case err != nil:
		return nil, err
	case len(answer) == 2 && answer[0] == "damaged":
		at, _ := answer[1].(string)
		return nil, h.sink.lose(ctx, h.target, at)
	case len(answer) == 0 || answer[0] != "ok":
		return nil, errHoldLost
	}
	var page []scanned
	for pair := range slices.Chunk(answer[1:], 2) {
		name, _ := pair[0].(string)
		flat, ok := pair[len(pair)-1].([]any)
		if !ok {
			return nil, fmt.Errorf("redis: partition %q is %w", name, errForeign)
		}
		entries, err := sorted(flat)
		if err != nil {
			return nil, err
		}
		page = append(page, scanned{name, entries})
	}
	return page, nil
}

// sorted makes entries of fields and values, one after the other, in byte order of the fields.
func sorted(flat []any) ([]projections.Entry, error) {
	entries := make([]projections.Entry, 0, len(flat)/2)
	for pair := range slices.Chunk(flat, 2) {
		field, _ := pair[0].(string)
		text, ok := pair[len(pair)-1].(string)
		if !ok {
			return nil, fmt.Errorf("redis: field %q is %w", field, errForeign)
		}
		value, err := parseValue(text)
		if err != nil {
			return nil, err
		}
		entries = append(entries, projections.Entry{Field: field, Value: value})
	}
	slices.SortFunc(entries, func(a, b projections.Entry) int {
		if a.Field < b.Field {
			return -1
		}
		return 1 // fields of a hash are different
	})
	return entries, nil
}
