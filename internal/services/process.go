package services

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a child of ours.
type process struct {
	cmd   *exec.Cmd
	pid   int
	done  chan struct{} // closed when it has ended
	ended error         // how; only after done
}

// startProcess starts cmd so that the kernel ends it when we die, even of SIGKILL: with cmd's own choice of Pdeathsig, or
// SIGKILL. It gets a process group of its own: a terminal's Ctrl-C is for us, who then end it in order.
func startProcess(cmd *exec.Cmd) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if cmd.SysProcAttr.Pdeathsig == 0 {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	cmd.SysProcAttr.Setpgid = true
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// To the kernel, the parent that dies is a thread. So this one is kept for the child's life: the runtime ends
		// no thread that is locked to a goroutine before the goroutine returns.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.ended = cmd.Wait()
		if p.ended == nil {
			p.ended = errors.New("exit status 0")
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// stop asks the process to end and waits for it; after the timeout it is killed, and that is an error.
func (p *process) stop(timeout time.Duration) error {
	// SIGINT is PostgreSQL's fast shutdown (SIGTERM would wait for clients); Redis treats both alike.
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return p.gone(err)
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("still running %v after SIGINT, so it was killed", timeout), p.kill())
	}
}

// kill ends the process and its children with SIGKILL and returns when all are gone.
func (p *process) kill() error {
	// Stopped first, it cannot have further children while we look for them.
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return p.gone(err)
	}
	var errs []error
	if err := awaitStopped(p.pid); err != nil {
		errs = append(errs, err)
	}
	children, err := openChildren(p.pid)
	errs = append(errs, err)
	for _, child := range children {
		if err := unix.PidfdSendSignal(child, unix.SIGKILL, nil, 0); !errors.Is(err, unix.ESRCH) {
			errs = append(errs, err)
		}
	}
	if err := p.cmd.Process.Kill(); err != nil {
		errs = append(errs, p.gone(err))
	}
	<-p.done
	for _, child := range children {
		errs = append(errs, awaitEnd(child), unix.Close(child))
	}
	return errors.Join(errs...)
}

// pause stops the process and its children where they are; resume lets them go on.
func (p *process) pause() error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return errors.Join(awaitStopped(p.pid), p.signalChildren(unix.SIGSTOP))
}

func (p *process) resume() error {
	return errors.Join(p.signalChildren(unix.SIGCONT), p.cmd.Process.Signal(syscall.SIGCONT))
}

// signalChildren sends a signal to the children of the process, which is stopped.
func (p *process) signalChildren(signal unix.Signal) error {
	children, err := openChildren(p.pid)
	errs := []error{err}
	for _, child := range children {
		if err := unix.PidfdSendSignal(child, signal, nil, 0); !errors.Is(err, unix.ESRCH) {
			errs = append(errs, err)
		}
		errs = append(errs, unix.Close(child))
	}
	return errors.Join(errs...)
}

// gone waits for a process that could not be signalled because it has ended; any other reason is returned.
func (p *process) gone(err error) error {
	if !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

// awaitStopped returns when a child of ours has stopped, or ended.
func awaitStopped(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ECHILD): // it ended, and its end was collected elsewhere
			return nil
		default:
			return err
		}
	}
}

// openChildren returns a process file descriptor for each child of a process that cannot run now.
func openChildren(parent int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var fds []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		pid, ppid, err := parseStat(string(text))
		if err != nil {
			return fds, err
		}
		if ppid != parent {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return fds, fmt.Errorf("open child %d: %w", pid, err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// parseStat reads a line of /proc/PID/stat: "PID (NAME) STATE PPID …", where NAME may hold anything.
func parseStat(line string) (pid, ppid int, err error) {
	before, _, ok := strings.Cut(line, " (")
	fields := strings.Fields(line[strings.LastIndex(line, ")")+1:])
	if !ok || len(fields) < 2 {
		return 0, 0, fmt.Errorf("not a stat line: %q", line)
	}
	pid, errPID := strconv.Atoi(before)
	ppid, errPPID := strconv.Atoi(fields[1])
	return pid, ppid, errors.Join(errPID, errPPID)
}

// awaitEnd returns when the process of a process file descriptor has ended.
func awaitEnd(pidfd int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(stopTimeout.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err == nil && n == 0:
			return fmt.Errorf("a killed child is still there after %v", stopTimeout)
		default:
			return err
		}
	}
}
