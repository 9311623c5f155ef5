// Package services starts private PostgreSQL, PgBouncer and Redis servers: for tests, and for `make run-full`. Each has its own
// directory, password and port on 127.0.0.1, and ends when the process that started it ends, however that ends. A
// server that runs already is never touched.
//
// Tests take a fresh database from Postgres or Redis, with Main in their TestMain. Tests that stop, kill and restart
// servers start their own with StartPostgres or StartRedis.
//
// Not here: clients, schemas, and anything the product needs at run time. Linux only.
package services

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
	pingEvery    = 10 * time.Millisecond
	logTailBytes = 4 << 10
)

// ErrMissing: a server's program is not installed.
var ErrMissing = errors.New("not installed; run: make services")

// Options of a server. The zero value is a fast server in a temporary directory.
type Options struct {
	// Dir keeps the server's data, password and log, and nothing else; it is created if absent. What was there is
	// served again. Empty means a temporary directory, which Close removes.
	Dir string

	// Durable keeps what was acknowledged. PostgreSQL then calls fsync; without it, data survive Kill but not the
	// machine's power cut. Redis then writes an append-only file, synced every second; without it, Stop and Kill
	// empty it.
	Durable bool
}

// Server is one PostgreSQL or Redis. Its methods may be called by one goroutine at a time.
type Server struct {
	kind    kind
	home    *home
	durable bool
	port    int
	process *process // the last one started, perhaps dead
}

// kind is what distinguishes the two servers.
type kind interface {
	name() string
	// prepare makes the directory ready for a first start. It is called before every start.
	prepare(ctx context.Context, h *home) error
	command(s *Server) (*exec.Cmd, error)
	url(port int, password string) *url.URL
	// ping returns nil if the server answers at this address.
	ping(ctx context.Context, address string) error
}

func start(ctx context.Context, k kind, o Options) (*Server, error) {
	h, err := openHome(ctx, o.Dir, k.name())
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", k.name(), err)
	}
	s := &Server{kind: k, home: h, durable: o.Durable}
	if err := s.launch(ctx); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return s, nil
}

// URL is where to connect as the server's administrator, password included. It stays the same for the Server's life.
func (s *Server) URL() string { return s.kind.url(s.port, s.home.password).String() }

// Dir is where the server keeps its data, its log and, in a file "password", its password.
func (s *Server) Dir() string { return s.home.path }

// Port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// PID of the server's main process, which may have ended.
func (s *Server) PID() int { return s.process.pid }

// Stop ends the server in its orderly way, as on a planned shutdown: connections are cut, data are written. Its
// directory stays for Restart. Stopping a server that is not running does nothing.
func (s *Server) Stop() error {
	if err := s.process.stop(stopTimeout); err != nil {
		return fmt.Errorf("stop %s: %w", s.kind.name(), err)
	}
	return nil
}

// Kill ends the server and its child processes with SIGKILL, as a crash would, and returns when they are gone.
func (s *Server) Kill() error {
	if err := s.process.kill(); err != nil {
		return fmt.Errorf("kill %s: %w", s.kind.name(), err)
	}
	return nil
}

// Pause stops the server and its child processes where they are, as a machine without memory or a broken disk does:
// they answer nothing, and connections stay. Resume lets them go on.
func (s *Server) Pause() error {
	if err := s.process.pause(); err != nil {
		return fmt.Errorf("pause %s: %w", s.kind.name(), err)
	}
	return nil
}

// Resume ends Pause.
func (s *Server) Resume() error {
	if err := s.process.resume(); err != nil {
		return fmt.Errorf("resume %s: %w", s.kind.name(), err)
	}
	return nil
}

// Restart starts the server again, stopping it first if it runs, on the same data, port and password. It returns when
// the server answers; ctx bounds that.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	return s.launch(ctx)
}

// Close stops the server and gives up its directory; a temporary one is removed. Nothing but Close may follow.
func (s *Server) Close() error {
	return errors.Join(s.Stop(), s.home.close())
}

// launch starts the server's process and waits until it answers. On error nothing is left running.
func (s *Server) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := s.tryLaunch(ctx)
	if err != nil {
		return fmt.Errorf("start %s: %w\n%s", s.kind.name(), err, s.home.logTail())
	}
	return nil
}

func (s *Server) tryLaunch(ctx context.Context) error {
	if err := s.kind.prepare(ctx, s.home); err != nil {
		return err
	}
	if s.port == 0 {
		port, err := freePort()
		if err != nil {
			return err
		}
		s.port = port
	}
	cmd, err := s.kind.command(s)
	if err != nil {
		return err
	}
	p, err := s.home.run(cmd)
	if err != nil {
		return err
	}
	s.process = p
	if err := s.awaitAnswer(ctx); err != nil {
		return errors.Join(err, p.kill())
	}
	return nil
}

// awaitAnswer returns nil once a client is served, or an error when the process ends before, or ctx does.
func (s *Server) awaitAnswer(ctx context.Context) error {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		err := s.kind.ping(ctx, s.URL())
		if err == nil {
			return nil
		}
		select {
		case <-s.process.done:
			return fmt.Errorf("it ended at once: %w", s.process.ended)
		case <-ctx.Done():
			return fmt.Errorf("no answer on port %d: %w (last: %w)", s.port, ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// program finds an executable in PATH or where Debian puts it; of several versions, the newest.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil {
		return "", err
	}
	sortByVersion(found)
	for _, path := range append(found, "/usr/sbin/"+name, "/usr/bin/"+name) {
		if _, err := exec.LookPath(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is %w", name, ErrMissing)
}

// newPassword makes a password of letters and digits only, which needs no quoting anywhere.
func newPassword() string { return rand.Text() }

// tail returns the last lines of a file, at most logTailBytes.
func tail(file *os.File) string {
	info, err := file.Stat()
	if err != nil {
		return err.Error()
	}
	from := max(0, info.Size()-logTailBytes)
	text, err := io.ReadAll(io.NewSectionReader(file, from, logTailBytes))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}
