package follow

import (
	"context"
	"log/slog"
	"time"
)

// The pause before the log is followed again grows from the first to the second. From the third on, the operator is
// told.
const (
	restartPauseMin  = 20 * time.Millisecond
	restartPauseMax  = 2 * time.Second
	restartPauseTold = 500 * time.Millisecond
)

// keep calls follow again and again, until the context ends or an error is final, which it returns. follow says whether it
// delivered anything: then the next pause is short again.
func keep(ctx context.Context, log *slog.Logger, final func(error) bool, follow func() (delivered bool, err error)) error {
	for pause := restartPauseMin; ctx.Err() == nil; pause = min(2*pause, restartPauseMax) {
		delivered, err := follow()
		switch {
		case ctx.Err() != nil:
			return nil
		case final(err):
			return err
		case delivered:
			pause = restartPauseMin
		}
		level := slog.LevelDebug // once is nothing: a rebuild that switches generations does it
		if pause >= restartPauseTold {
			level = slog.LevelWarn
		}
		log.Log(ctx, level, "not following the log: trying again", "pause", pause, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}
