package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/internal/app"
	"daybook/internal/services"
)

// run is one run of some benchmarks and what they share, each made when it is first needed.
type run struct {
	Options
	dir      string
	made     int // directories
	postgres *services.Server
	redis    *services.Server
	shared   *books
	beside   *pgx.Conn // to the tables of the same month
}

// newDir names a directory that does not exist yet.
func (r *run) newDir(what string) string {
	r.made++
	return filepath.Join(r.dir, fmt.Sprintf("%s-%d", what, r.made))
}

// start returns the URL of a server, which is started when it is first needed: one that keeps what it acknowledged, on the
// disk of everything else here.
func (r *run) start(ctx context.Context, server **services.Server, name string, start func(context.Context, services.Options) (*services.Server, error)) (string, error) {
	if *server == nil {
		started, err := start(ctx, services.Options{Dir: r.newDir(name), Durable: true})
		if err != nil {
			return "", err
		}
		*server = started
	}
	return (*server).URL(), nil
}

func (r *run) startPostgres(ctx context.Context) (string, error) {
	return r.start(ctx, &r.postgres, "postgres", services.StartPostgres)
}

func (r *run) startRedis(ctx context.Context) (string, error) {
	return r.start(ctx, &r.redis, "redis", services.StartRedis)
}

// database makes a database of its own on that server.
func (r *run) database(ctx context.Context, name string) (string, error) {
	url, err := r.startPostgres(ctx)
	if err != nil {
		return "", err
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return "", err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", config.User, config.Password, config.Port, name), nil
}

// month returns the shared books of the reference month at the run's scale.
func (r *run) month(ctx context.Context) (*books, error) {
	if r.shared == nil {
		b, err := r.keepBooks(ctx, reference(r.Scale), "month")
		if err != nil {
			return nil, err
		}
		r.shared = b
	}
	return r.shared, nil
}

// monthAndTables returns the shared books, and a connection to tables of the same month.
func (r *run) monthAndTables(ctx context.Context) (*books, *pgx.Conn, error) {
	b, err := r.month(ctx)
	if err == nil && r.beside == nil {
		r.beside, err = r.fillTables(ctx, reference(r.Scale), "month")
	}
	return b, r.beside, err
}

// verifyMonth verifies the shared books, which benchmarks only read, once all have run.
func (r *run) verifyMonth(ctx context.Context) error {
	if r.shared == nil {
		return nil
	}
	if err := r.shared.close(); err != nil {
		return err
	}
	config := r.shared.config
	r.shared = nil
	return r.verify(ctx, config)
}

// verify is 'daybook verify' on an installation that is not open.
func (r *run) verify(ctx context.Context, config app.Config) error {
	raw, err := app.Perform(ctx, config, app.Verify, app.VerifyArgs{}, nil, app.Progress(r.Progress))
	if err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	var verified app.Verified
	if err := json.Unmarshal(raw, &verified); err != nil {
		return err
	}
	switch {
	case len(verified.Differences) > 0:
		return fmt.Errorf("verifying: they differ: %s", verified.Differences[0])
	case len(verified.Parked) > 0:
		return fmt.Errorf("verifying: %d streams are parked", len(verified.Parked))
	}
	return nil
}

func (r *run) close() error {
	var errs []error
	if r.shared != nil {
		errs = append(errs, r.shared.close())
	}
	if r.beside != nil {
		errs = append(errs, r.beside.Close(context.Background()))
	}
	for _, server := range []*services.Server{r.postgres, r.redis} {
		if server != nil {
			errs = append(errs, server.Close())
		}
	}
	return errors.Join(errs...)
}

// settle waits until this process has nothing left to do, such as compacting what was just written, and gives back
// memory: what is measured next shall pay for itself alone.
func settle(ctx context.Context) error {
	runtime.GC()
	const pause, busy = 200 * time.Millisecond, 10 * time.Millisecond
	for before, quiet := cpuTime(), 0; quiet < 3; {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		now := cpuTime()
		if quiet++; now-before > busy {
			quiet = 0
		}
		before = now
	}
	return nil
}

// cpuTime is what this process has used of the processors.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
