package httptests

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// codesOf are the codes of a problem; of other answers, one that is empty.
func codesOf(r *openapi3.Response) []string {
	media := r.Content.Get("application/problem+json")
	if media == nil {
		return []string{""}
	}
	var codes []string
	for _, part := range media.Schema.Value.AllOf {
		if code := part.Value.Properties["code"]; code != nil {
			for _, value := range code.Value.Enum {
				codes = append(codes, value.(string))
			}
		}
	}
	return codes
}

func TestDocumentAndRoutesAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var documented []string
	for _, op := range document().operations() {
		route := document().route(op)
		documented = append(documented, route.Method+" "+route.Path)
	}
	served := w.server.Routes()
	slices.Sort(documented)
	slices.Sort(served)
	for _, route := range served {
		if !slices.Contains(documented, route) {
			t.Errorf("%s is served, but not in the document", route)
		}
	}
	for _, route := range documented {
		if !slices.Contains(served, route) {
			t.Errorf("%s is in the document, but not served", route)
		}
	}
}

// What every operation must say.
func TestDocumentIsComplete(t *testing.T) {
	t.Parallel()
	for _, op := range document().operations() {
		route := document().route(op)
		o := route.Operation
		command := route.Method != http.MethodGet
		api := strings.HasPrefix(route.Path, "/v1/")
		if o.Summary == "" || len(o.Tags) != 1 || o.Security == nil {
			t.Errorf("%s has no summary, tag or security", op)
		}
		if api && o.Parameters.GetByInAndName("header", "Idempotency-Key") == nil == command {
			t.Errorf("%s: Idempotency-Key is for commands", op)
		}
		if api && o.Parameters.GetByInAndName("header", "Daybook-Position") == nil != command {
			t.Errorf("%s: Daybook-Position is sent with queries", op)
		}
		if api && len(*o.Security) > 0 && o.Responses.Value("401") == nil {
			t.Errorf("%s says who may call it, and not what others are told", op)
		}
		if o.RequestBody != nil {
			closed(t, op, o.RequestBody.Value.Content["application/json"].Schema.Value)
		}
		for status, response := range o.Responses.Map() {
			answerIsComplete(t, op, status, response.Value, command)
		}
	}
}

// closed checks that the objects of a request take no other fields.
func closed(t *testing.T, op string, s *openapi3.Schema) {
	t.Helper()
	if s.Type.Is("object") && (s.AdditionalProperties.Has == nil || *s.AdditionalProperties.Has) {
		t.Errorf("%s: a request may have fields that the document does not know", op)
	}
	for _, property := range s.Properties {
		closed(t, op, property.Value)
	}
	if s.Items != nil {
		closed(t, op, s.Items.Value)
	}
}

func answerIsComplete(t *testing.T, op, status string, r *openapi3.Response, command bool) {
	t.Helper()
	if r.Headers["X-Request-Id"] == nil {
		t.Errorf("%s %s: X-Request-Id is missing", op, status)
	}
	fine := strings.HasPrefix(status, "2")
	if (r.Headers["Daybook-Position"] != nil) != (fine && command) {
		t.Errorf("%s %s: Daybook-Position is what commands answer with", op, status)
	}
	if !fine && op != "getReadiness" {
		codes := codesOf(r)
		if len(codes) == 0 || slices.Contains(codes, "") {
			t.Errorf("%s %s: a problem without codes", op, status)
		}
	}
}

func TestDocumentIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.do(t, call{op: "getDocument"})
	got.want(t, http.StatusOK, "")
	loaded, err := openapi3.NewLoader().LoadFromData(got.body)
	if err != nil || loaded.Paths.Len() != document().doc.Paths.Len() {
		t.Errorf("served %d bytes, %v", len(got.body), err)
	}
}

func TestSystemRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, op := range []string{"getLiveness", "getMetrics"} {
		w.do(t, call{op: op}).want(t, http.StatusOK, "")
	}
	// A query that waits for a command proves that the read models run; only then must the server call itself ready.
	owner := w.owner(t, "Ready Owner")
	w.do(t, call{op: "openStore", token: owner, body: `{"name":"Ready","posGrade":"BRONZE","settlementDay":1}`}).want(t, http.StatusCreated, "")
	w.do(t, call{op: "listStores", token: owner}).want(t, http.StatusOK, "")
	w.do(t, call{op: "getReadiness"}).want(t, http.StatusOK, "")
	for path, want := range map[string]string{"/v1/nothing": "route_not_found", "/": "route_not_found", "/v1/stores/x/y": "route_not_found"} {
		w.outside(t, http.MethodGet, path, http.StatusNotFound, want)
	}
	for path, method := range map[string]string{"/v1/stores": http.MethodPut, "/livez": http.MethodPost, "/v1/orders": http.MethodGet} {
		w.outside(t, method, path, http.StatusMethodNotAllowed, "method_not_allowed")
	}
}
