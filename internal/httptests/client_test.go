package httptests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"

	"daybook/eventstore"
)

// call is a request of an operation of the document.
type call struct {
	op     string   // operation id
	token  string   // bearer token; "" for none
	path   []string // the values of the path's parameters, in order, as they stand on the wire
	query  string   // as it stands on the wire
	body   string   // JSON; "" for none
	key    string   // Idempotency-Key; "" for none
	header http.Header
}

// answer is what came back. Whatever it is, the document has it.
type answer struct {
	call   call
	status int
	header http.Header
	body   []byte
	fault  problem // of an answer that says no
}

// problem is the part of a problem that tests look at.
type problem struct {
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"requestId"`
}

// do sends a request that the document must allow.
func (w *world) do(t *testing.T, c call) answer {
	t.Helper()
	if err := w.allowed(c); err != nil {
		t.Errorf("%s: the document refuses the request: %v", c.op, err)
	}
	return w.send(t, c)
}

// get is do with an answer of 200, read into an object.
func get[T any](t *testing.T, w *world, c call) T {
	t.Helper()
	return read[T](t, w.do(t, c), http.StatusOK)
}

// made is do with an answer of 201, read into an object.
func made[T any](t *testing.T, w *world, c call) T {
	t.Helper()
	return read[T](t, w.do(t, c), http.StatusCreated)
}

func read[T any](t *testing.T, a answer, status int) (value T) {
	t.Helper()
	a.want(t, status, "")
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%s: %v in %s", a.call.op, err, a.body)
	}
	return value
}

// want checks the status and, of a problem, the code.
func (a answer) want(t *testing.T, status int, code string) {
	t.Helper()
	if a.status != status || a.fault.Code != code {
		t.Fatalf("%s %s %.300s: answer %d %.600s, want %d %s", a.call.op, a.call.path, a.call.body, a.status, a.body, status, code)
	}
}

// allowed says whether the document allows a request.
func (w *world) allowed(c call) error {
	request, err := w.request(context.Background(), c)
	if err != nil {
		return err
	}
	route, names, err := document().router.FindRoute(request)
	if err != nil {
		return err
	}
	if route.Operation.OperationID != c.op {
		return fmt.Errorf("the path is of operation %s", route.Operation.OperationID)
	}
	return openapi3filter.ValidateRequest(context.Background(), &openapi3filter.RequestValidationInput{
		Request: request, PathParams: names, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, RejectWhenRequestBodyNotSpecified: true,
		},
	})
}

func (w *world) request(ctx context.Context, c call) (*http.Request, error) {
	route := document().route(c.op)
	path := route.Path
	for i, name := range document().pathNames(c.op) {
		path = strings.Replace(path, "{"+name+"}", c.path[i], 1)
	}
	if c.query != "" {
		path += "?" + c.query
	}
	request, err := http.NewRequestWithContext(ctx, route.Method, w.base+path, strings.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	if c.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.key != "" {
		request.Header.Set("Idempotency-Key", c.key)
	}
	if at := w.newest(); !at.IsZero() && route.Method == http.MethodGet && strings.HasPrefix(route.Path, "/v1/") {
		request.Header.Set("Daybook-Position", at.String())
	}
	if c.op == "pairDevice" { // a wrong code counts for an address, and most tests are about something else
		n := w.callers.Add(1)
		request.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{100, byte(n >> 16), byte(n >> 8), byte(n)}).String())
	}
	for name, values := range c.header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	return request, nil
}

// send sends a request, right or wrong. The document must have what comes back.
func (w *world) send(t *testing.T, c call) answer {
	t.Helper()
	request, err := w.request(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	response, err := w.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{call: c, status: response.StatusCode, header: response.Header}
	a.body, err = io.ReadAll(response.Body)
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if a.status >= 400 && a.header.Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal(a.body, &a.fault); err != nil {
			t.Fatalf("%s: %v in %s", c.op, err, a.body)
		}
	}
	w.check(t, request, a)
	w.note(t, a)
	return a
}

// check holds an answer against the document.
func (w *world) check(t *testing.T, request *http.Request, a answer) {
	t.Helper()
	if err := documented(request, a); err != nil {
		t.Errorf("%s: the document does not have the answer %d %.600s: %v", a.call.op, a.status, a.body, err)
	}
	provoked(a)
	if a.fault != (problem{}) && (a.fault.RequestID != a.header.Get("X-Request-Id") || a.fault.Status != a.status) {
		t.Errorf("%s: problem %s with header %v", a.call.op, a.body, a.header)
	}
}

func documented(request *http.Request, a answer) error {
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, Route: document().route(a.call.op)},
		Status:                 a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
}

var secretField = regexp.MustCompile(`"(?:deviceToken|pairingCode)":"([^"]+)"`)

// note remembers how far the log is known, and what must be kept secret.
func (w *world) note(t *testing.T, a answer) {
	t.Helper()
	for _, match := range secretField.FindAllSubmatch(a.body, -1) {
		w.keepSecret(string(match[1]))
	}
	text := a.header.Get("Daybook-Position")
	if text == "" {
		return
	}
	at, err := eventstore.ParsePosition(text)
	if err != nil {
		t.Errorf("%s: Daybook-Position %q: %v", a.call.op, text, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.position.Before(at) {
		w.position = at
	}
}

func (w *world) newest() eventstore.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.position
}

// decode reads JSON as it is.
func decode(t *testing.T, text string) (value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}
