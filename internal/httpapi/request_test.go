package httpapi

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"daybook/internal/auth"
)

// asked is the context of a request with a body and one header, which may come several times.
func asked(body, target, header string, values ...string) echo.Context {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.URL.RawQuery = target
	if len(values) > 0 {
		r.Header[header] = values
	}
	return echo.New().NewContext(r, httptest.NewRecorder())
}

// codeOf is the code of the problem that an error is; "" for none.
func codeOf(t *testing.T, err error) string {
	t.Helper()
	var p *Problem
	if err != nil && !errors.As(err, &p) {
		t.Fatalf("not a problem: %v", err)
	}
	if p == nil {
		return ""
	}
	if p.Status < 400 || p.Status > 499 || p.Detail == "" || len(p.Detail) > 1000 {
		t.Errorf("problem %+v", p)
	}
	return p.Code
}

// form has a field of every kind that the API's bodies have.
type form struct {
	Name  string  `json:"name"`
	Hour  int     `json:"hour"`
	Price *int64  `json:"price"`
	Zone  *string `json:"zone"`
	Lines []line  `json:"lines"`
}

type line struct {
	ID string `json:"id"`
	N  int64  `json:"n"`
}

func TestDecodeBody(t *testing.T) {
	t.Parallel()
	price, zone := int64(-9223372036854775808), ""
	for body, want := range map[string]form{
		`{}`:                             {},
		" {\t\r\n} ":                     {},
		`{"name":"파\u0000\ud83d\ude00"}`: {Name: "파\x00😀"},
		`{"price":-9223372036854775808,"zone":""}`:       {Price: &price, Zone: &zone},
		`{"hour":0,"lines":[]}`:                          {Lines: []line{}},
		`{"lines":[{"id":"a","n":1},{},{"n":10000000}]}`: {Lines: []line{{"a", 1}, {}, {"", 10000000}}},
	} {
		var got form
		if code := codeOf(t, DecodeBody(asked(body, "", ""), &got, false, BodyMax)); code != "" || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %+v, want %+v", body, code, got, want)
		}
	}
	for _, body := range []string{
		`null`, ` null`, `[]`, `""`, `1`, `true`, `{`, `{}{}`, `{} x`, `{},`, `{"a":1}`, `{"":1}`, `{"Name":"x"}`, `{"NAME":"x"}`,
		`{"name":"a","name":"a"}`, `{"name":"a","na\u006de":"b"}`, `{"lines":[{"n":1,"n":1}]}`, `{"name":null}`, `{"price":null}`, `{"lines":null}`,
		`{"lines":[null]}`, `{"lines":[{"id":null}]}`, `{"name":1}`, `{"name":["x"]}`, `{"price":"1"}`, `{"price":1.0}`, `{"price":1e3}`, `{"price":-0.0}`,
		`{"price":01}`, `{"price":+1}`, `{"price":0x1}`, `{"price":NaN}`, `{"price":9223372036854775808}`, `{"hour":true}`, `{"lines":{}}`,
		`{"lines":[1]}`, `{"lines":[{"id":"x","x":1}]}`, "\ufeff{}", "{\"name\":\"\xff\"}", "{\"name\":\"\xed\xa0\x80\"}", `{"name":"\ud800"}`, "{\"name\":\"a\nb\"}",
		`{name:"x"}`, `{'name':'x'}`, `{"name":"x",}`, `{"name":"x"/**/}`, "{}\x00", strings.Repeat("[", 10_000),
		strings.Repeat(`{"lines":[`, 6_000), `{"` + strings.Repeat("x", 10_000) + `":1}`, `{"lines":` + strings.Repeat("[", 10_000),
	} {
		var got form
		if code := codeOf(t, DecodeBody(asked(body, "", ""), &got, true, BodyMax)); code != "invalid_body" {
			t.Errorf("%.100s: %q, %+v", body, code, got)
		}
	}
}

func TestDecodeBodyLimits(t *testing.T) {
	t.Parallel()
	var into form
	exactly := strings.Repeat(" ", BodyMax-2) + "{}"
	for _, c := range []struct {
		what, body, kind string
		mayBeEmpty       bool
		code             string
	}{
		{"absent", "", "", false, "body_required"},
		{"absent, and may be", "", "", true, ""},
		{"blank", " ", "", true, "invalid_body"},
		{"of the largest size", exactly, "", false, ""},
		{"too large", " " + exactly, "", false, "body_too_large"},
		{"with parameters", "{}", `application/json; charset=utf-8; x="y"`, false, ""},
		{"in another case", "{}", "Application/JSON", false, ""},
		{"of another type", "{}", "text/json", false, "unsupported_media_type"},
		{"of a type in vain", "", "text/plain", true, "unsupported_media_type"},
		{"of no type", "{}", ";", false, "unsupported_media_type"},
		{"of two types", "{}", "application/json, text/plain", false, "unsupported_media_type"},
	} {
		var values []string
		if c.kind != "" {
			values = append(values, c.kind)
		}
		if code := codeOf(t, DecodeBody(asked(c.body, "", "Content-Type", values...), &into, c.mayBeEmpty, BodyMax)); code != c.code {
			t.Errorf("a body %s: %q, want %q", c.what, code, c.code)
		}
	}
	broken := asked("", "", "")
	broken.Request().Body = errBody{}
	if code := codeOf(t, DecodeBody(broken, &into, true, BodyMax)); code != "body_unreadable" {
		t.Errorf("a body that breaks off: %q", code)
	}
}

type errBody struct{}

func (errBody) Read([]byte) (int, error) { return 0, errors.New("connection reset") }
func (errBody) Close() error             { return nil }

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []string
		needed bool
		code   string
	}{
		{nil, false, ""}, {nil, true, "idempotency_key_required"}, {[]string{"k"}, true, ""}, {[]string{"!~"}, false, ""},
		{[]string{strings.Repeat("k", 255)}, true, ""}, {[]string{strings.Repeat("k", 256)}, true, "invalid_idempotency_key"},
		{[]string{""}, false, "invalid_idempotency_key"}, {[]string{"a b"}, false, "invalid_idempotency_key"}, {[]string{"a\x7f"}, false, "invalid_idempotency_key"},
		{[]string{"é"}, true, "invalid_idempotency_key"}, {[]string{"k", "k"}, true, "invalid_idempotency_key"},
	} {
		key, err := IdempotencyKey(asked("", "", KeyHeader, c.values...), c.needed)
		if code := codeOf(t, err); code != c.code || code == "" && len(c.values) == 1 && key != c.values[0] || code != "" && key != "" {
			t.Errorf("%q: %q, %q, want %q", c.values, key, code, c.code)
		}
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer abc": "abc", "BEARER abc": "abc", "Bearer " + strings.Repeat("x", 4096): strings.Repeat("x", 4096),
		"Bearer": "", "Bearer ": "", "": "", "Basic abc": "", "abc": "", "Bearerabc": "", "Bearer\tabc": "", " Bearer abc": "",
		"Bearer " + strings.Repeat("x", 4097): "",
	} {
		got, err := Bearer(asked("", "", "Authorization", header))
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, auth.ErrToken) {
			t.Errorf("%.40q: %.40q, %v", header, got, err)
		}
	}
}

func TestCheckQuery(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"": "", "a=1": "", "a=": "", "b=%ED%8C%8C&a=1": "", "a=1&a=1": "repeated_parameter", "A=1": "unknown_parameter", "c=1": "unknown_parameter",
		"a[]=1": "unknown_parameter", "&&": "", "=": "unknown_parameter", "a=%zz": "invalid_query", "a;b": "invalid_query", "%": "invalid_query",
		strings.Repeat("x", 10_000) + "=1": "unknown_parameter",
	} {
		_, err := CheckQuery(asked("", query, ""), "a", "b")
		if code := codeOf(t, err); code != want {
			t.Errorf("%.40q: %q, want %q", query, code, want)
		}
	}
	values, err := CheckQuery(asked("", "a=x%20y", ""), "a", "b")
	if err != nil || values.Get("a") != "x y" || values.Get("b") != "" {
		t.Errorf("%v, %v", values, err)
	}
}

func TestAskedPosition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "0": "", "17": "", "18446744073709551615": "", "17.16": "", "17.17": "invalid_position", "x": "invalid_position",
		"-1": "invalid_position", "18446744073709551616": "invalid_position", "1e3": "invalid_position", "017": "invalid_position",
	} {
		at, err := AskedPosition(asked("", "", PositionHeader, text))
		if code := codeOf(t, err); code != want || code == "" && text != "" && at.String() != text {
			t.Errorf("%q: %s, %q, want %q", text, at, code, want)
		}
	}
}

// Whatever a body is, it is refused with a problem, or it is what a lenient reader makes of it, too.
func FuzzDecodeBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"x","hour":1,"price":2,"zone":"z","lines":[{"id":"a","n":3}]}`, `{"name":null}`, `{"lines":[{},{}]}`, `{"price":1e3}`,
		`{"a":{"b":[1,2,{"c":null}]}}`, "\ufeff{}", `{"name":"\ud800"}`, `{"name":"a","name":"b"}`, "null", "{}{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, lenient form
		code := codeOf(t, DecodeBody(asked(string(body), "", ""), &got, false, BodyMax))
		if code != "" {
			return
		}
		decoder := stdjson.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&lenient); err != nil || !reflect.DeepEqual(got, lenient) {
			t.Errorf("%q is read as %+v; a lenient reader says %+v, %v", body, got, lenient, err)
		}
		if bytes.Contains(body, []byte("null")) && !bytes.Contains(body, []byte(`"`)) {
			t.Errorf("%q holds a null", body)
		}
	})
}

func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{"", "k", "a b", "é", "\x00", strings.Repeat("k", 256)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		key, err := IdempotencyKey(asked("", "", KeyHeader, value), true)
		fine := len(value) >= 1 && len(value) <= 255
		for i := range len(value) {
			fine = fine && value[i] > ' ' && value[i] < 0x7f
		}
		if (err == nil) != fine || err == nil && key != value || err != nil && key != "" {
			t.Errorf("%q: %q, %v", value, key, err)
		}
	})
}
