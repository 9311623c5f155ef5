package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// StartPgBouncer starts a PgBouncer of its own before a PostgreSQL of this package and returns when it answers; ctx
// bounds only that. The URL is that of the PostgreSQL (or of one of its databases) with another port. mode is
// PgBouncer's pool_mode: session, transaction or statement. If the program is not installed the error wraps ErrMissing.
// Close it before the PostgreSQL.
func StartPgBouncer(ctx context.Context, postgres, mode string) (*Server, error) {
	target, err := url.Parse(postgres)
	if err != nil {
		return nil, errors.New("start pgbouncer: not an address of a PostgreSQL")
	}
	return start(ctx, pgbouncerKind{target, mode}, Options{})
}

type pgbouncerKind struct {
	target *url.URL
	mode   string
}

func (pgbouncerKind) name() string { return "pgbouncer" }

func (pgbouncerKind) prepare(_ context.Context, h *home) error {
	account, err := serverAccount() // PgBouncer refuses root as well
	if err != nil {
		return err
	}
	return h.giveTo(account)
}

func (k pgbouncerKind) command(s *Server) (*exec.Cmd, error) {
	path, err := program("pgbouncer")
	if err != nil {
		return nil, err
	}
	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	password, _ := k.target.User.Password()
	users := fmt.Sprintf("%q %q\n", k.target.User.Username(), password)
	config := fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s/users.txt
pool_mode = %s
max_client_conn = 500
`, k.target.Hostname(), k.target.Port(), s.port, homeInChildren, k.mode)
	for name, text := range map[string]string{"users.txt": users, "pgbouncer.ini": config} {
		if err := os.WriteFile(s.home.file(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
		if account != nil {
			if err := os.Chown(s.home.file(name), int(account.Uid), int(account.Gid)); err != nil {
				return nil, err
			}
		}
	}
	cmd := exec.Command(path, homeInChildren+"/pgbouncer.ini")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	return cmd, nil
}

func (k pgbouncerKind) url(port int, _ string) *url.URL {
	address := *k.target
	address.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	return &address
}

func (pgbouncerKind) ping(ctx context.Context, address string) error {
	return postgresKind{}.ping(ctx, address)
}
