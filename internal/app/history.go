package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"daybook/eventstore"
	"daybook/projections"
)

// historyMax is how long a start or a command waits for sinks, to learn whether their read models are of this log.
// One that comes later is looked at then.
const historyMax = 5 * time.Second

// historyEvery is how often a process that runs no projections looks at those read models.
const historyEvery = time.Second

// checkHistory makes sure that the read models in those sinks which can be reached are of this log. It returns
// projections.ErrForeign if one is of another, and projections.ErrOlder, and which read model knows most, if the log is
// an older copy.
func (a *App) checkHistory(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, historyMax)
	defer cancel()
	for _, sink := range a.sinks {
		if deferred, is := sink.(*projections.Deferred); is {
			deferred.Tried(ctx)
		}
	}
	older, err := a.standings(ctx, projections.Models, a.sinkFor)
	if err == nil && len(older) > 0 {
		err = most(older)
	}
	return err
}

// lookFirst looks at the read models before the server listens, at all of them together, for they have one story to tell.
func (a *App) lookFirst() error {
	ctx, cancel := context.WithTimeout(context.Background(), historyMax)
	defer cancel()
	a.triedSinks(ctx)
	a.looked.Store(true)
	return a.look(ctx, projections.Models, a.sinkFor)
}

// triedSinks returns once every sink was tried to be reached.
func (a *App) triedSinks(ctx context.Context) {
	for _, sink := range a.sinks {
		if deferred, is := sink.(*projections.Deferred); is {
			deferred.Tried(ctx)
		}
	}
}

func (a *App) sinkFor(model projections.Model) projections.Sink { return a.sinkOf[model.Name] }

// standings asks where read models stand, and returns those that know more than the log does. Error: ErrForeign. What
// cannot be told now is left to whoever reads or writes there.
func (a *App) standings(ctx context.Context, models []projections.Model, in func(projections.Model) projections.Sink) ([]*projections.OlderLog, error) {
	var all []*projections.OlderLog
	for _, model := range models {
		_, err := projections.Standing(ctx, a.Store, in(model), model)
		var older *projections.OlderLog
		switch {
		case errors.Is(err, projections.ErrForeign):
			return nil, err
		case errors.As(err, &older):
			all = append(all, older)
		}
	}
	return all, nil
}

// most returns the one that holds most.
func most(all []*projections.OlderLog) *projections.OlderLog {
	found := all[0]
	for _, older := range all {
		if found.Held.Before(older.Held) {
			found = older
		}
	}
	return found
}

// toldOlder remembers of which generations the operator knows that they are more than the log has: one line is enough for
// what happened to all read models at once.
type toldOlder struct {
	one sync.Mutex // held while all read models are looked at

	mu  sync.Mutex
	all map[string]bool
}

// count is how many were told.
func (t *toldOlder) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}

// news returns those that were not told yet.
func (t *toldOlder) news(all []*projections.OlderLog) (news []*projections.OlderLog) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, older := range all {
		key := fmt.Sprintf("%s %d", older.Model, older.Generation)
		if t.all == nil {
			t.all = map[string]bool{}
		}
		if !t.all[key] {
			t.all[key] = true
			news = append(news, older)
		}
	}
	return news
}

// tellOlder tells the operator, once and in one line.
func (a *App) tellOlder(all ...*projections.OlderLog) {
	news := a.told.news(all)
	if len(news) == 0 {
		return
	}
	names := make([]string, len(news))
	for i, older := range news {
		names[i] = older.Model
	}
	a.log.Warn(most(news).Error(), "models", strings.Join(names, " "), "do", "if the newer log still exists, stop and put it back; "+
		"otherwise the read models are built from the log as it is, and what they held is kept (see 'daybook generations')")
}

// noticeOlder is told by a runner that the log is an older copy. That goes for other read models, too: all are looked at, so
// that it is told in one line.
func (a *App) noticeOlder(older *projections.OlderLog) {
	ctx, cancel := context.WithTimeout(context.Background(), historyMax)
	defer cancel()
	a.told.one.Lock()
	defer a.told.one.Unlock()
	all, _ := a.standings(ctx, projections.Models, a.sinkFor) // another log is told by whoever follows it
	a.tellOlder(append(all, older)...)
}

// logWentBack is told by the log that an older copy was put in its place. Usually read models know more, and say so in their
// line; if none does, this is the line.
func (a *App) logWentBack(missing eventstore.Position) {
	told := a.told.count()
	a.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), historyMax)
		defer cancel()
		a.told.one.Lock()
		defer a.told.one.Unlock()
		all, _ := a.standings(ctx, projections.Models, a.sinkFor)
		if a.tellOlder(all...); a.told.count() == told {
			a.log.Warn(fmt.Sprintf("%s: the event at position %s is missing, and how many others is not known; no read model here holds more than the log",
				projections.ErrOlder, missing))
		}
	})
}

// look tells the operator of an older log. It returns projections.ErrForeign if a read model is of another log.
func (a *App) look(ctx context.Context, models []projections.Model, in func(projections.Model) projections.Sink) error {
	older, err := a.standings(ctx, models, in)
	a.tellOlder(older...)
	return err
}

// lookAtOpened looks at what a sink that comes late, after lookFirst, holds. Another log's read models end the server.
func (a *App) lookAtOpened(ctx context.Context, name string, sink projections.Sink) {
	if !a.looked.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, historyMax)
	defer cancel()
	if err := a.look(ctx, modelsOf(name), func(projections.Model) projections.Sink { return sink }); err != nil {
		a.fail(err)
	}
}

// modelsOf are the read models that are kept in an outer sink.
func modelsOf(name string) (models []projections.Model) {
	for _, model := range projections.Models {
		if (model.Name == projections.Counters.Name) == (name == "redis") {
			models = append(models, model)
		}
	}
	return models
}

// watchHistory looks at the read models until the context ends, where this process does not keep them up to date. It
// returns projections.ErrForeign if they are of another log.
func (a *App) watchHistory(ctx context.Context) error {
	ticker := time.NewTicker(historyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		looking, cancel := context.WithTimeout(ctx, historyMax)
		err := a.look(looking, projections.Models, a.sinkFor)
		cancel()
		if err != nil {
			return err
		}
	}
}
