package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var noon = time.Date(2024, 12, 1, 12, 0, 0, 0, time.UTC)

// newOwners are owners whose clock shows what the returned pointer says.
func newOwners() (*Owners, *time.Time) {
	now := noon
	return NewOwners(Secret(bytes.Repeat([]byte{1}, 32)), func() time.Time { return now }), &now
}

func issue(t *testing.T, o *Owners, id string) string {
	t.Helper()
	token, err := o.Issue(id)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func refused(t *testing.T, o *Owners, what, token string) {
	t.Helper()
	if id, err := o.Verify(token); err == nil || id != "" || !errors.Is(err, ErrToken) {
		t.Errorf("%s: the token is %q's, %v", what, id, err)
	}
}

func TestTokenLifetime(t *testing.T) {
	t.Parallel()
	o, now := newOwners()
	token := issue(t, o, "o1")
	for _, age := range []time.Duration{0, time.Second, TokenLifetime - time.Second} {
		*now = noon.Add(age)
		if id, err := o.Verify(token); err != nil || id != "o1" {
			t.Errorf("after %s the token is %q's, %v", age, id, err)
		}
	}
	for _, age := range []time.Duration{-time.Second, TokenLifetime, TokenLifetime + time.Hour, 100 * 365 * 24 * time.Hour} {
		*now = noon.Add(age)
		refused(t, o, "after "+age.String(), token)
	}
	*now = noon
	if again := issue(t, o, "o1"); again == token {
		t.Error("two tokens are the same")
	}
	other := NewOwners(Secret(bytes.Repeat([]byte{2}, 32)), func() time.Time { return noon })
	refused(t, other, "another installation", token)
}

// Every change of one character makes a token worthless.
func TestTokenChanged(t *testing.T) {
	t.Parallel()
	o, _ := newOwners()
	token := issue(t, o, "o1")
	for i := range token {
		for _, c := range []byte("Aa9_-.= \n\x00") {
			if token[i] == c {
				continue
			}
			changed := []byte(token)
			changed[i] = c
			refused(t, o, "changed", string(changed))
		}
		refused(t, o, "cut", token[:i])
		refused(t, o, "without a character", token[:i]+token[i+1:])
	}
	// The last character of the signature has bits that mean nothing; they must be as they were.
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, c := range alphabet {
		if last := len(token) - 1; token[last] != byte(c) {
			refused(t, o, "with other spare bits", token[:last]+string(c))
		}
	}
	for _, around := range []string{" " + token, token + " ", token + "\n", token + "=", token + ".", "." + token, token + token, token[:20] + "\r\n" + token[20:], `"` + token + `"`} {
		refused(t, o, "with something around it", around)
	}
}

// handMade writes a token of a header and claims as they are, signed with the right key.
func handMade(t testing.TB, o *Owners, header, claims string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature, err := jwt.SigningMethodHS256.Sign(text, o.key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// The parts of a good token.
const (
	hs256  = `{"alg":"HS256","typ":"JWT"}`
	claims = `{"iss":"daybook","aud":["daybook-api"],"sub":"o1","iat":1733054400,"nbf":1733054400,"exp":1733058000}`
)

func TestTokenCorpus(t *testing.T) {
	t.Parallel()
	o, _ := newOwners()
	if id, err := o.Verify(handMade(t, o, hs256, claims)); err != nil || id != "o1" {
		t.Fatalf("a token made by the rules is %q's, %v", id, err)
	}
	for _, header := range []string{
		`{"alg":"none"}`, `{"alg":"None"}`, `{"alg":""}`, `{}`, `{"alg":null}`, `{"alg":["HS256"]}`, `{"alg":"hs256"}`, `{"alg":"HS384"}`,
		`{"alg":"HS512"}`, `{"alg":"RS256"}`, `{"alg":"EdDSA"}`, `[]`, `null`, `"HS256"`, ``, `{"alg":"HS256"`,
	} {
		refused(t, o, "header "+header, handMade(t, o, header, claims))
	}
	with := func(old, new string) string {
		changed := strings.Replace(claims, old, new, 1)
		if changed == claims {
			t.Fatalf("%s is not in the claims", old)
		}
		return changed
	}
	for _, c := range []string{
		with(`,"exp":1733058000`, ``), with(`"exp":1733058000`, `"exp":null`),
		with(`"exp":1733058000`, `"exp":1733054400`), with(`"exp":1733058000`, `"exp":0`), with(`"exp":1733058000`, `"exp":-1`),
		with(`"exp":1733058000`, `"exp":true`), with(`"exp":1733058000`, `"exp":1733058000,"exp":1`), with(`"nbf":1733054400`, `"nbf":1733054401`),
		with(`"iat":1733054400`, `"iat":1733054401`), with(`"iss":"daybook",`, ``), with(`"iss":"daybook"`, `"iss":"Daybook"`),
		with(`"iss":"daybook"`, `"iss":["daybook"]`), with(`"aud":["daybook-api"],`, ``), with(`["daybook-api"]`, `[]`),
		with(`["daybook-api"]`, `"daybook"`), with(`["daybook-api"]`, `[1]`), with(`"sub":"o1",`, ``), with(`"o1"`, `""`), with(`"o1"`, `"o-1"`),
		with(`"o1"`, `"O1"`), with(`"o1"`, `"o1\u0000"`), with(`"o1"`, `"../o1"`), with(`"o1"`, `1`), with(`"o1"`, `"`+strings.Repeat("o", 41)+`"`),
		`{}`, `[]`, `null`, `"o1"`, ``, claims[:20],
	} {
		refused(t, o, "claims "+c, handMade(t, o, hs256, c))
	}
	unsigned := handMade(t, o, hs256, claims)
	parts := strings.Split(unsigned, ".")
	for what, token := range map[string]string{
		"without a signature": parts[0] + "." + parts[1] + ".", "of two parts": parts[0] + "." + parts[1], "of four parts": unsigned + ".x",
		"signed with the secret itself": signedWith(t, parts[0]+"."+parts[1], bytes.Repeat([]byte{1}, 32)),
		"signed with another key":       signedWith(t, parts[0]+"."+parts[1], []byte("key")),
		"signed with no key":            signedWith(t, parts[0]+"."+parts[1], nil),
	} {
		refused(t, o, what, token)
	}
}

func signedWith(t *testing.T, text string, key []byte) string {
	t.Helper()
	signature, err := jwt.SigningMethodHS256.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Whatever is sent as a token is nobody's, unless it is the one that was signed.
func FuzzVerify(f *testing.F) {
	o, _ := newOwners()
	good := handMade(f, o, hs256, claims)
	for _, seed := range []string{good, "", "..", "a.b.c", good[:40], strings.Repeat(".", 5000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if id, err := o.Verify(token); err == nil && token != good {
			t.Errorf("%q is a token of %q", token, id)
		}
	})
}
