package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// caller is somebody who calls the API with a token: an owner or a tablet.
type caller struct {
	in    *installation
	token string
	http  *http.Client // nil: one that all share
}

// reply is an answer that arrived whole.
type reply struct {
	status   int
	position string
	kind     string
	body     []byte
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

// requestMax bounds one attempt: what the server itself allows, and something for a busy machine.
const requestMax = 20 * time.Second

var errDown = errors.New("no server runs")

// try sends a request once. An error says that no whole answer came.
func (c caller) try(method, path, key string, body any) (reply, error) {
	return c.tryAt(method, path, key, "", body)
}

func (c caller) tryAt(method, path, key, position string, body any) (reply, error) {
	base := c.in.base.Load().(string)
	if base == "" {
		return reply{}, errDown
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestMax)
	defer cancel()
	var text io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return reply{}, err
		}
		text = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, base+path, text)
	if err != nil {
		return reply{}, err
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Idempotency-Key": key, "Daybook-Position": position,
		"Authorization": strings.TrimSpace("Bearer " + c.token),
	} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	with := c.http
	if with == nil {
		with = http.DefaultClient
	}
	response, err := with.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header.Get("Daybook-Position"), response.Header.Get("Content-Type"), answer}, err
}

// persist sends the same request until it is answered by anything but "try again".
func (c caller) persist(method, path, key string, body any) (reply, error) {
	deadline := time.Now().Add(startMax)
	for {
		r, err := c.try(method, path, key, body)
		if err == nil && r.status != http.StatusServiceUnavailable {
			return r, nil
		}
		if time.Now().After(deadline) {
			return r, fmt.Errorf("%s %s was not answered within %v: %v %w", method, path, startMax, r, err)
		}
		time.Sleep(pollEvery)
	}
}

// send sends a request that must be answered with a status, and decodes the answer, if into is not nil.
func (c caller) send(t testing.TB, method, path, key string, body any, status int, into any) reply {
	t.Helper()
	r, err := c.try(method, path, key, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	decode(t, method+" "+path, r, status, into)
	return r
}

// get asks a question whose answer must include a position, "" for any.
func (c caller) get(t testing.TB, path, position string, into any) reply {
	t.Helper()
	r, err := c.tryAt(http.MethodGet, path, "", position, nil)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	decode(t, "GET "+path, r, http.StatusOK, into)
	return r
}

func decode(t testing.TB, what string, r reply, status int, into any) {
	t.Helper()
	if r.status != status {
		t.Fatalf("%s: %s, want %d", what, r, status)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(r.body, into); err != nil {
		t.Fatalf("%s: %v in %s", what, err, r)
	}
}

// owner signs an owner in, with the program's own command.
func (in *installation) owner(name string) caller {
	in.t.Helper()
	return caller{in: in, token: strings.TrimSpace(in.succeed("token", "owner", "--subject", name))}
}

// parts asks /readyz, and returns its status and its word for each part.
func (in *installation) parts() (int, map[string]string, error) {
	r, err := caller{in: in}.try(http.MethodGet, "/readyz", "", nil)
	if err != nil {
		return 0, nil, err
	}
	var body struct{ Parts map[string]string }
	return r.status, body.Parts, json.Unmarshal(r.body, &body)
}

// awaitReady waits until the server says that it can serve.
func (in *installation) awaitReady() {
	in.t.Helper()
	eventually(in.t, startMax, "ready", func() error {
		status, parts, err := in.parts()
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %v", status, parts)
		}
		return err
	})
}
