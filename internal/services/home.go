package services

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	tempPrefix     = "daybook-services-"
	tempAbandoned  = time.Minute // younger ones may be about to be locked
	lockTimeout    = 10 * time.Second
	lockEvery      = 50 * time.Millisecond
	passwordFile   = "password"
	logFile        = "log"
	homeInChildren = "/proc/self/fd/3" // the first of exec.Cmd.ExtraFiles
)

// home is a server's directory. Processes that run in it inherit its open descriptor, for two reasons. The lock is on
// that descriptor, so the directory stays locked until the last process that uses it is gone, even if we die first. And
// a server that runs as another user reaches the directory through it, although that user may be unable to enter the
// directories above (a home directory, a test's temporary directory).
type home struct {
	path     string
	temp     bool
	open     *os.File
	log      *os.File
	password string
}

// openHome locks a server's directory, creating it if need be, and reads its password or makes one.
func openHome(ctx context.Context, path, server string) (*home, error) {
	h := &home{path: path, temp: path == ""}
	if err := h.create(server); err != nil {
		return nil, err
	}
	if err := h.lock(ctx); err != nil {
		return nil, errors.Join(err, h.close())
	}
	if err := h.furnish(); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *home) create(server string) error {
	if h.temp {
		if err := removeAbandoned(os.TempDir()); err != nil {
			return err
		}
		path, err := os.MkdirTemp("", tempPrefix+server+"-")
		h.path = path
		return err
	}
	path, err := filepath.Abs(h.path)
	if err != nil {
		return err
	}
	h.path = path
	return os.MkdirAll(path, 0o700)
}

func (h *home) lock(ctx context.Context) error {
	file, err := os.Open(h.path)
	if err != nil {
		return err
	}
	h.open = file
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	ticker := time.NewTicker(lockEvery)
	defer ticker.Stop()
	for {
		err := tryLock(file)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select { // the servers of a process that was just killed need a moment to end
		case <-ctx.Done():
			return fmt.Errorf("%s is in use by another server", h.path)
		case <-ticker.C:
		}
	}
}

func tryLock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// furnish puts password and log into the directory. A directory with other things but no password is refused: its
// owner and mode are about to be changed.
func (h *home) furnish() error {
	password, err := os.ReadFile(h.file(passwordFile))
	switch {
	case err == nil:
		h.password = string(password)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	default:
		if entries, err := os.ReadDir(h.path); err != nil || len(entries) > 0 {
			return errors.Join(err, fmt.Errorf("%s is not empty and not a server's directory", h.path))
		}
		h.password = newPassword()
		if err := os.WriteFile(h.file(passwordFile), []byte(h.password), 0o600); err != nil {
			return err
		}
	}
	h.log, err = os.OpenFile(h.file(logFile), os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND, 0o600)
	return err
}

func (h *home) file(name string) string { return filepath.Join(h.path, name) }

func (h *home) logTail() string { return tail(h.log) }

// giveTo makes a user the owner of the directory and the password.
func (h *home) giveTo(c *syscall.Credential) error {
	if c == nil {
		return nil
	}
	return errors.Join(
		h.open.Chown(int(c.Uid), int(c.Gid)),
		os.Chown(h.file(passwordFile), int(c.Uid), int(c.Gid)),
	)
}

// run starts a process that logs into the directory, has it as homeInChildren, and knows nothing of our environment.
func (h *home) run(cmd *exec.Cmd) (*process, error) {
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.Stdout, cmd.Stderr = h.log, h.log
	cmd.ExtraFiles = []*os.File{h.open}
	return startProcess(cmd)
}

// close gives the directory up and, if it is temporary, removes it. It may be called again.
func (h *home) close() error {
	var errs []error
	if h.temp {
		errs = append(errs, os.RemoveAll(h.path))
	}
	for _, file := range []**os.File{&h.log, &h.open} {
		if *file != nil {
			errs = append(errs, (*file).Close())
			*file = nil
		}
	}
	return errors.Join(errs...)
}

// removeAbandoned removes temporary directories whose process was killed before it could. Those in use are locked.
func removeAbandoned(tempDir string) error {
	paths, err := filepath.Glob(filepath.Join(tempDir, tempPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < tempAbandoned {
			continue
		}
		removeIfUnlocked(path)
	}
	return nil
}

// removeIfUnlocked leaves what it may not open or remove: it is somebody else's.
func removeIfUnlocked(path string) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	if tryLock(file) == nil {
		_ = os.RemoveAll(path)
	}
}

// serverAccount is who PostgreSQL runs as when we are root, which it refuses: user postgres, else nobody. It is nil if
// we are not root: then PostgreSQL runs as we do.
func serverAccount() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses root, and there is no other user for it: %w", err)
	}
	uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(errUID, errGID)
}

// freePort finds a port of 127.0.0.1 below those that Linux gives to outgoing connections. One of theirs could be taken
// by a client while our server is down, and a client that dials it then could even be connected to itself.
func freePort() (int, error) {
	const first, count, attempts = 15000, 15000, 100
	var last error
	for range attempts {
		port := first + rand.IntN(count)
		listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("no free port: %w", last)
}

// sortByVersion sorts /usr/lib/postgresql/VERSION/bin/NAME, newest first.
func sortByVersion(paths []string) {
	version := func(path string) float64 {
		v, err := strconv.ParseFloat(strings.Split(path, "/")[4], 64) // "9.6" existed
		if err != nil {
			return 0
		}
		return v
	}
	slices.SortFunc(paths, func(a, b string) int { return int(10 * (version(b) - version(a))) })
}
