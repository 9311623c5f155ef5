package httptests

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"daybook/internal/httpapi"
)

// rightful is an operation as the contract has it, by the caller who may.
func (m *matrix) rightful(op string) call {
	token := map[string]string{"owner": m.mine.owner, "tablet": m.mine.tablet, "anyone": ""}[rights[op].who]
	return m.call(op, m.ids, token)
}

// apiOperations are the operations of the API that are commands, or those that are not.
func apiOperations(commands bool) []string {
	return slices.DeleteFunc(document().operations(), func(op string) bool {
		route := document().route(op)
		return !strings.HasPrefix(route.Path, "/v1/") || (route.Method != http.MethodGet) != commands
	})
}

// The faults of form that every query may have.
func TestQueryForms(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	for _, op := range apiOperations(false) {
		c := m.rightful(op)
		refused := func(c call, code string) {
			t.Helper()
			m.send(t, c).want(t, http.StatusBadRequest, code)
		}
		and := func(more string) call { return c.asking(strings.TrimPrefix(c.query+"&"+more, "&")) }
		for _, query := range []string{"x=1", "Term=DAY", "storeId=1", "%00=1", "=1"} {
			refused(and(query), "unknown_parameter")
		}
		for _, query := range []string{"a=%zz", "a;b=1", "%=1"} {
			refused(and(query), "invalid_query")
		}
		for _, position := range []string{"garbage", "-1", "+1", "1.", "01", "1.1", "1.5.2", "0x1", "18446744073709551616", "١"} {
			refused(c.saying("Daybook-Position", position), "invalid_position")
		}
		for _, parameter := range document().route(op).Operation.Parameters {
			if p := parameter.Value; p.In == "query" {
				refused(and(p.Name+"=1&"+p.Name+"=1"), "repeated_parameter")
			}
		}
	}
}

// The faults of form that every command may have. None of them leaves a trace.
func TestCommandForms(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	for _, op := range apiOperations(true) {
		m.nothingHappens(t, func() {
			m.keysAndQueriesAreChecked(t, m.rightful(op))
			m.bodiesAreChecked(t, m.rightful(op))
		})
	}
}

func (m *matrix) keysAndQueriesAreChecked(t *testing.T, c call) {
	t.Helper()
	m.send(t, c.asking("x=1")).want(t, http.StatusBadRequest, "unknown_parameter")
	m.send(t, c.asking("a=%zz")).want(t, http.StatusBadRequest, "invalid_query")
	absent := c.keyed("")
	parameter := document().route(c.op).Operation.Parameters.GetByInAndName("header", "Idempotency-Key")
	if parameter.Required {
		if m.allowed(absent) == nil {
			t.Errorf("%s: the document allows it without a key", c.op)
		}
		m.send(t, absent).want(t, http.StatusBadRequest, "idempotency_key_required")
	}
	for _, key := range []string{"", "a b", "a\tb", "é", "키", strings.Repeat("k", 256)} {
		m.send(t, absent.saying("Idempotency-Key", key)).want(t, http.StatusBadRequest, "invalid_idempotency_key")
	}
	m.send(t, absent.saying("Idempotency-Key", "one").saying("Idempotency-Key", "two")).want(t, http.StatusBadRequest, "invalid_idempotency_key")
}

// notOne are bodies that are no JSON object, or not just one.
var notOne = []string{
	"null", " null ", "[]", `"x"`, "1", "true", "{", "}", "{} {}", "{}x", "{},", "{}\x00", "\ufeff{}", "{\"a\xff\":1}", "nul", "{'a':1}",
	"{/**/}", `{"\ud800":1}`, `{"nope":1}`, `{"":1}`, strings.Repeat("[", 4000), strings.Repeat(`{"a":`, 700), "%7B%7D",
}

func (m *matrix) bodiesAreChecked(t *testing.T, c call) {
	t.Helper()
	if c.body != "" && c.op != "issuePairingCode" && c.op != "closeTab" {
		m.send(t, c.with("")).want(t, http.StatusBadRequest, "body_required")
	}
	bad := func(body string) {
		t.Helper()
		m.send(t, c.with(body)).want(t, http.StatusBadRequest, "invalid_body")
	}
	for _, body := range notOne {
		bad(body)
	}
	valid := c.body
	if valid == "" {
		valid = "{}"
	}
	if valid != "{}" {
		bad(strings.Replace(valid, "{", `{"nope":1,`, 1)) // an unknown field
		bad(strings.TrimSuffix(valid, "}") + "," + strings.TrimPrefix(valid, "{"))
		bad(valid + valid)
	}
	if body := document().route(c.op).Operation.RequestBody; body != nil {
		for _, wrong := range wrongTypes(t, body.Value.Content["application/json"].Schema.Value, decode(t, valid)) {
			if !wrong.subtle && m.allowed(c.with(wrong.body)) == nil {
				t.Errorf("%s: the document allows %s", c.op, wrong.body)
			}
			bad(wrong.body)
		}
	}
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/json-patch+json", "json", "application/json; charset", "multipart/form-data; boundary=x"} {
		m.send(t, c.with(valid).saying("Content-Type", media)).want(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	}
	bytesMax := httpapi.BodyMax
	if c.op == "pairDevice" { // which anybody may call
		bytesMax = httpapi.OpenBodyMax
	}
	large := strings.Repeat(" ", bytesMax-len(valid)+1) + valid
	bad(strings.Repeat(" ", bytesMax-1) + "x") // as long as may be
	m.send(t, c.with(large)).want(t, http.StatusRequestEntityTooLarge, "body_too_large")
	status, fault := m.unreadable(t, c.with(valid))
	if status != http.StatusBadRequest || fault.Code != "body_unreadable" {
		t.Errorf("%s: a body that breaks off is answered with %d %+v", c.op, status, fault)
	}
	provoked(answer{call: c, status: status, fault: fault})
}

// wrong is a body in which one value has the wrong type.
type wrong struct {
	body   string
	subtle bool // JSON Schema has no words for it: 1e3 is an integer there
}

// wrongTypes puts values of wrong types, null, and names in the wrong case at every place of a valid body.
func wrongTypes(t *testing.T, s *openapi3.Schema, valid any) (all []wrong) {
	t.Helper()
	switch {
	case s.Type.Is("object"):
		fields, _ := valid.(map[string]any)
		for name, property := range s.Properties {
			put := func(name string, value json.RawMessage) string {
				copied := maps.Clone(fields)
				delete(copied, name)
				if other := strings.ToUpper(name); other != name {
					delete(copied, strings.ToLower(name))
				}
				copied[name] = value
				return text(t, copied)
			}
			inner := propertySchema(property.Value)
			for _, w := range append(wrongTypes(t, inner, fields[name]), wrongValues(inner)...) {
				all = append(all, wrong{put(name, json.RawMessage(w.body)), w.subtle})
			}
			all = append(all, wrong{body: put(strings.ToUpper(name), json.RawMessage(`1`))})
		}
	case s.Type.Is("array"):
		items, _ := valid.([]any)
		for _, w := range append(wrongTypes(t, s.Items.Value, items[0]), wrongValues(s.Items.Value)...) {
			all = append(all, wrong{"[" + w.body + "]", w.subtle})
		}
	}
	return all
}

// propertySchema looks through an allOf, which is there to hold a description.
func propertySchema(s *openapi3.Schema) *openapi3.Schema {
	if len(s.AllOf) == 1 {
		return s.AllOf[0].Value
	}
	return s
}

func wrongValues(s *openapi3.Schema) (all []wrong) {
	values := map[string][]string{
		"string":  {`null`, `1`, `true`, `[]`, `{}`, `["x"]`},
		"integer": {`null`, `"1"`, `true`, `[]`, `{}`, `1.5`, `9223372036854775808`, `-9223372036854775809`, `1e400`},
		"array":   {`null`, `1`, `"x"`, `{}`, `true`, `[null]`, `[[]]`},
		"object":  {`null`, `1`, `"x"`, `true`},
	}
	for kind, wrongs := range values {
		if s.Type.Is(kind) {
			for _, value := range wrongs {
				all = append(all, wrong{body: value})
			}
		}
	}
	if s.Type.Is("integer") {
		all = append(all, wrong{`1e3`, true}, wrong{`1.0`, true}, wrong{`-0.0`, true}, wrong{`1E0`, true})
	}
	return all
}

func text(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// unreadable sends a call whose body has one good piece and then breaks the rules of chunks.
func (m *matrix) unreadable(t *testing.T, c call) (int, problem) {
	t.Helper()
	request, err := m.request(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Transfer-Encoding", "chunked")
	var header strings.Builder
	if err := request.Header.Write(&header); err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", request.Method, request.URL.RequestURI(), header.String())
	return m.raw(t, head+fmt.Sprintf("%x\r\n%s\r\nzz\r\n", len(c.body), c.body))
}
