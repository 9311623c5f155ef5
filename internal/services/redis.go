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

	"github.com/redis/go-redis/v9"
)

// redisDatabases is how many logical databases a Redis has.
const redisDatabases = 1024

// StartRedis starts a Redis of its own and returns when it answers; ctx bounds only that. The URL names logical
// database 0 of 1024. If the program is not installed the error wraps ErrMissing. Close it.
func StartRedis(ctx context.Context, o Options) (*Server, error) {
	return start(ctx, redisKind{}, o)
}

type redisKind struct{}

func (redisKind) name() string { return "redis" }

func (redisKind) prepare(context.Context, *home) error { return nil }

func (redisKind) command(s *Server) (*exec.Cmd, error) {
	path, err := program("redis-server")
	if err != nil {
		return nil, err
	}
	appendOnly := "no"
	if s.durable {
		appendOnly = "yes"
	}
	// In a file, because the password must not show in the list of processes.
	config := fmt.Sprintf(`bind 127.0.0.1
port %d
requirepass %s
databases %d
save ""
appendonly %s
appendfsync everysec
`, s.port, s.home.password, redisDatabases, appendOnly)
	if err := os.WriteFile(s.home.file("redis.conf"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "redis.conf")
	cmd.Dir = s.home.path
	return cmd, nil
}

func (redisKind) url(port int, password string) *url.URL {
	return &url.URL{
		Scheme: "redis",
		User:   url.UserPassword("", password),
		Host:   net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:   "/0",
	}
}

func (redisKind) ping(ctx context.Context, address string) error {
	options, err := redis.ParseURL(address)
	if err != nil {
		return err
	}
	// go-redis would try five times in its own rhythm and log it, where the caller knows that it may be too early.
	var dialer net.Dialer
	probe, err := dialer.DialContext(ctx, "tcp", options.Addr)
	if err != nil {
		return err
	}
	options.ContextTimeoutEnabled = true
	client := redis.NewClient(options)
	return errors.Join(client.Ping(ctx).Err(), client.Close(), probe.Close())
}
