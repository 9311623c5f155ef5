package services

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// StartPostgres starts a PostgreSQL of its own and returns when it answers; ctx bounds only that. The URL names the
// superuser and database "postgres". If the program is not installed the error wraps ErrMissing. Close it.
func StartPostgres(ctx context.Context, o Options) (*Server, error) {
	return start(ctx, postgresKind{}, o)
}

type postgresKind struct{}

func (postgresKind) name() string { return "postgres" }

// prepare makes the cluster if there is none: elsewhere first, so that an interrupted one is not taken for whole.
func (postgresKind) prepare(ctx context.Context, h *home) error {
	account, err := serverAccount()
	if err != nil {
		return err
	}
	if err := h.giveTo(account); err != nil {
		return err
	}
	if _, err := os.Stat(h.file("data")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.RemoveAll(h.file("data.new")); err != nil {
		return err
	}
	if err := initdb(ctx, h, account); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	return os.Rename(h.file("data.new"), h.file("data"))
}

func initdb(ctx context.Context, h *home, account *syscall.Credential) error {
	path, err := program("initdb")
	if err != nil {
		return err
	}
	cmd := exec.Command(path,
		"--pgdata", homeInChildren+"/data.new",
		"--no-sync", // the kernel writes an empty cluster soon enough
		"--encoding", "UTF8", "--locale", "C.UTF-8",
		"--username", "postgres", "--auth", "scram-sha-256", "--pwfile", homeInChildren+"/"+passwordFile)
	cmd.Dir = "/" // the account may be unable to enter ours
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	p, err := h.run(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.kill())
	}
	if !cmd.ProcessState.Success() {
		return p.ended
	}
	return nil
}

func (postgresKind) command(s *Server) (*exec.Cmd, error) {
	path, err := program("postgres")
	if err != nil {
		return nil, err
	}
	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	settings := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(s.port),
		"unix_socket_directories=",
		"max_connections=200",
		"timezone=UTC",
		"log_timezone=UTC",
	}
	if !s.durable {
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	cmd := exec.Command(path, "-D", homeInChildren+"/data")
	for _, setting := range settings {
		cmd.Args = append(cmd.Args, "-c", setting)
	}
	cmd.Dir = "/"
	// When we die: PostgreSQL's immediate shutdown, in which it ends its children and removes its shared memory.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account, Pdeathsig: syscall.SIGQUIT}
	return cmd, nil
}

func (postgresKind) url(port int, password string) *url.URL {
	return &url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("postgres", password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}
}

func (postgresKind) ping(ctx context.Context, address string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}
