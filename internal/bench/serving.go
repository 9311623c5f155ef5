package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"daybook/internal/app"
	"daybook/internal/httpapi"
)

// server is a Daybook that serves in this process, as 'daybook serve' does.
type server struct {
	*app.App
	client
	owner string // access token
	stop  func() error
}

// serve opens an installation and serves it. The caller stops it.
func (r *run) serve(ctx context.Context, config app.Config) (*server, error) {
	a, err := app.Open(config)
	if err != nil {
		return nil, err
	}
	listening, err := a.Listen("127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	serving, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- listening.Serve(serving) }()
	s := &server{App: a, client: newClient("http://" + listening.Address())}
	s.stop = func() error {
		cancel()
		err := <-ended
		s.http.CloseIdleConnections()
		return errors.Join(err, a.Close())
	}
	if err := s.signIn(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// readyMax is how long a server may take to catch up with its log.
const readyMax = 10 * time.Minute

func (s *server) signIn(ctx context.Context) error {
	ownerID, err := s.Dir.Profiles().OwnerID(owner)
	if err != nil {
		return err
	}
	if s.owner, err = s.Owners.Issue(ownerID); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyMax)
	defer cancel()
	for {
		if _, err = s.send(ctx, call{method: http.MethodGet, path: "/readyz"}, nil); err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the server does not get ready: %w", err)
		}
	}
}

// client calls the API.
type client struct {
	base string
	http *http.Client
}

// callMax is what one request may take.
const callMax = 30 * time.Second

func newClient(base string) client {
	return client{base, &http.Client{Timeout: callMax, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * writers, DisableCompression: true}}}
}

// call is one request.
type call struct {
	method, path, token string
	position            string // that the answer must include
	body                any
}

// send carries out a request, reads its answer into answer if that is not nil, and returns its position. Each POST has
// an idempotency key of its own.
func (c client) send(ctx context.Context, of call, answer any) (position string, err error) {
	var body bytes.Buffer
	if of.body != nil {
		if err := json.NewEncoder(&body).Encode(of.body); err != nil {
			return "", err
		}
	}
	request, err := http.NewRequestWithContext(ctx, of.method, c.base+of.path, &body)
	if err != nil {
		return "", err
	}
	if of.method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", uuid.NewString())
	}
	if of.token != "" {
		request.Header.Set("Authorization", "Bearer "+of.token)
	}
	if of.position != "" {
		request.Header.Set(httpapi.PositionHeader, of.position)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s %s: %s: %s", of.method, of.path, response.Status, text)
	}
	if answer != nil {
		err = json.Unmarshal(text, answer)
	}
	return response.Header.Get(httpapi.PositionHeader), err
}
