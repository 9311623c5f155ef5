package httpapi

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"daybook/eventstore"
	"daybook/internal/auth"
)

// Headers of the contract.
const (
	PositionHeader = "Daybook-Position"
	KeyHeader      = "Idempotency-Key"
)

// DecodeBody reads a request's JSON body into a struct, strictly: no unknown or repeated fields, no other case, no
// wrong types, no null, nothing after it. A missing body is an empty object if it may be. Every fault is a Problem that
// says what and where. The body may have bytesMax, BodyMax or less.
func DecodeBody(c echo.Context, into any, mayBeEmpty bool, bytesMax int) error {
	r := c.Request()
	if kind := r.Header.Get(echo.HeaderContentType); kind != "" {
		if media, _, err := mime.ParseMediaType(kind); err != nil || media != echo.MIMEApplicationJSON {
			return NewProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be application/json")
		}
	}
	body, done, err := readBody(c, bytesMax)
	defer done()
	switch {
	case err != nil:
		return err
	case len(body) == 0 && mayBeEmpty:
		return nil
	case len(body) == 0:
		return NewProblem(http.StatusBadRequest, "body_required", "a JSON body is needed")
	}
	if err := json.Unmarshal(body, into, json.RejectUnknownMembers(true), noNull); err != nil {
		return NewProblem(http.StatusBadRequest, "invalid_body", bodyFault(err))
	}
	return nil
}

// noNull refuses null wherever a value stands: it is not the type of any field, and where a field may be absent it must
// not pass for that. (A client that computes NaN sends null; "pay null" must not come to mean "pay all".)
var noNull = json.WithUnmarshalers(json.UnmarshalFromFunc(func(from *jsontext.Decoder, _ any) error {
	if from.PeekKind() == 'n' {
		return errNull
	}
	return errors.ErrUnsupported // as ever
}))

var errNull = errors.New("null")

// bodyFault says what is wrong with a body and where, without Go's names, and without repeating much of it.
func bodyFault(err error) string {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		where := semantic.JSONPointer
		switch {
		case errors.Is(err, json.ErrUnknownName):
			return fmt.Sprintf("unknown field at %.100s", where)
		case errors.Is(err, errNull):
			return fmt.Sprintf("null at %.100q (byte %d): leave out what is absent", string(where), semantic.ByteOffset)
		}
		return fmt.Sprintf("wrong type or value at %.100q (byte %d): a JSON %s does not fit", string(where), semantic.ByteOffset, kindName(byte(semantic.JSONKind)))
	}
	text := err.Error()
	for _, prefix := range []string{"jsontext: ", "json: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return fmt.Sprintf("malformed JSON: %.200s", text)
}

func kindName(kind byte) string {
	switch kind {
	case '"':
		return "string"
	case '0':
		return "number"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	case '{':
		return "object"
	case '[':
		return "array"
	}
	return "value"
}

// IdempotencyKey returns the request's key, "" if it has none and need not.
func IdempotencyKey(c echo.Context, needed bool) (string, error) {
	values := c.Request().Header.Values(KeyHeader)
	switch {
	case len(values) == 0 && needed:
		return "", NewProblem(http.StatusBadRequest, "idempotency_key_required", "this request needs an Idempotency-Key header")
	case len(values) == 0:
		return "", nil
	}
	key := values[0]
	printable := strings.IndexFunc(key, func(r rune) bool { return r < '!' || r > '~' }) < 0
	if len(values) > 1 || key == "" || len(key) > 255 || !printable {
		return "", NewProblem(http.StatusBadRequest, "invalid_idempotency_key", "one Idempotency-Key of 1 to 255 visible ASCII characters")
	}
	return key, nil
}

// AskedPosition returns the position that a query's answer must include, zero if it does not say.
func AskedPosition(c echo.Context) (eventstore.Position, error) {
	text := c.Request().Header.Get(PositionHeader)
	if text == "" {
		return eventstore.Position{}, nil
	}
	at, err := eventstore.ParsePosition(text)
	if err != nil {
		return at, NewProblem(http.StatusBadRequest, "invalid_position", "Daybook-Position is what a command answered with")
	}
	return at, nil
}

// Bearer returns the token of the Authorization header, or auth.ErrToken.
func Bearer(c echo.Context) (string, error) {
	scheme, token, _ := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > 4096 {
		return "", auth.ErrToken
	}
	return token, nil
}

// CheckQuery refuses query parameters that the route does not have, repeated ones, and malformed queries: a misspelt
// filter must not silently be none.
func CheckQuery(c echo.Context, known ...string) (url.Values, error) {
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, NewProblem(http.StatusBadRequest, "invalid_query", "the query string is malformed")
	}
	for name, given := range values {
		if !slices.Contains(known, name) {
			return nil, NewProblem(http.StatusBadRequest, "unknown_parameter", fmt.Sprintf("there is no query parameter %.40q here", name))
		}
		if len(given) > 1 {
			return nil, NewProblem(http.StatusBadRequest, "repeated_parameter", fmt.Sprintf("query parameter %s is given twice", name))
		}
	}
	return values, nil
}
