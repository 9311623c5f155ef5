// Command with runs a command that has a PostgreSQL and a Redis of its own:
//
//	with [-dir DIR] [--] COMMAND [ARGUMENT...]
//
// Both servers are durable and private to the command, which finds them in DAYBOOK_POSTGRES and DAYBOOK_REDIS. They
// stop when it has ended. With -dir their data stay there and are served again next time; without, they are gone.
//
// The command runs in a process group of its own, so it cannot read from the terminal; SIGINT and SIGTERM are passed
// on to the group. The exit code is the command's; 128 plus the signal if one ended it; 1 if it was never run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"daybook/internal/services"
)

// stragglersTimeout is what processes get that the command leaves behind.
const stragglersTimeout = 30 * time.Second

func main() {
	code, err := run(os.Args[1:], os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "with:", err)
	}
	os.Exit(code)
}

func run(args []string, report io.Writer) (code int, err error) {
	flags := flag.NewFlagSet("with", flag.ContinueOnError)
	flags.SetOutput(report)
	dir := flags.String("dir", "", "keep the servers' data in this directory (default: a temporary one)")
	if err := flags.Parse(args); err != nil {
		return 1, nil // Parse has told
	}
	if flags.NArg() == 0 {
		return 1, errors.New("no command; usage: with [-dir DIR] [--] COMMAND [ARGUMENT...]")
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)

	both, err := start(*dir, signals, report)
	if err != nil {
		return 1, err
	}
	code, err = both.serve(flags.Args(), signals)
	return code, errors.Join(err, both.close())
}

// servers are what the command is given.
type servers struct {
	postgres, redis *services.Server
}

// start starts both servers in directories below dir. A signal gives up.
func start(dir string, signals <-chan os.Signal, report io.Writer) (servers, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go func() {
		select {
		case s := <-signals:
			cancel(fmt.Errorf("%v while the servers were starting", s))
		case <-ctx.Done():
		}
	}()
	var both servers
	var err error
	if both.postgres, err = startOne(ctx, services.StartPostgres, dir, "postgres", report); err != nil {
		return both, errors.Join(context.Cause(ctx), err)
	}
	if both.redis, err = startOne(ctx, services.StartRedis, dir, "redis", report); err != nil {
		return both, errors.Join(context.Cause(ctx), err, both.postgres.Close())
	}
	return both, nil
}

type starter func(context.Context, services.Options) (*services.Server, error)

func startOne(ctx context.Context, start starter, dir, name string, report io.Writer) (*services.Server, error) {
	if dir != "" {
		dir = filepath.Join(dir, name)
	}
	s, err := start(ctx, services.Options{Dir: dir, Durable: true})
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(report, "with: %s on 127.0.0.1:%d, its data, log and password in %s\n", name, s.Port(), s.Dir())
	return s, nil
}

func (s servers) close() error { return errors.Join(s.postgres.Close(), s.redis.Close()) }

// serve runs the command to its end, and that of the processes it leaves in its group, and returns its exit code.
func (s servers) serve(command []string, signals <-chan os.Signal) (int, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 1, err
	}
	// Pdeathsig below is about the thread that starts the command, not about the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "DAYBOOK_POSTGRES="+s.postgres.URL(), "DAYBOOK_REDIS="+s.redis.URL())
	// A group of its own: otherwise a terminal's Ctrl-C would reach the command twice, from the terminal and from us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	group := -cmd.Process.Pid
	ended := make(chan struct{})
	defer close(ended)
	go forward(signals, group, ended)
	err := cmd.Wait()
	awaitStragglers(group)
	return exitCode(cmd.ProcessState, err)
}

func forward(signals <-chan os.Signal, group int, ended <-chan struct{}) {
	for {
		select {
		case got := <-signals:
			_ = syscall.Kill(group, got.(syscall.Signal)) // it fails only when the group is gone
		case <-ended:
			return
		}
	}
}

// awaitStragglers waits until a process group is empty, and kills what remains after a while. "go run" needs this: it
// dies of SIGTERM at once, while the program that it runs is still draining and needs its database.
func awaitStragglers(group int) {
	killer := time.AfterFunc(stragglersTimeout, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
	defer killer.Stop()
	for {
		// They are our children: as the subreaper we have inherited them. When none is left, this fails.
		if _, err := syscall.Wait4(group, nil, 0, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

func exitCode(state *os.ProcessState, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 1, err
	}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return state.ExitCode(), nil
}
