package httptests

import (
	"crypto/hkdf"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"daybook/internal/auth"
)

// caller is somebody who calls, told apart by the token.
type caller struct {
	name  string
	token string // "" for none
}

// ownerKey is the key that owners' tokens are signed with.
func ownerKey(t *testing.T, secret auth.Secret) []byte {
	t.Helper()
	key, err := hkdf.Key(sha256.New, secret, nil, "daybook owner access token", 32)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// claims are what a good token of an owner says at the world's time.
func claims(w *world, ownerID string) jwt.MapClaims {
	now := w.clock.now()
	return jwt.MapClaims{
		"iss": "daybook", "aud": "daybook-api", "sub": ownerID, "jti": "x",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

func signed(t *testing.T, method jwt.SigningMethod, key any, c jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// forgers are callers with what is no token of an owner, though it comes near. The first return value is a token that
// the test itself made by the rules, to prove that the others are refused for what is wrong with them.
func forgers(t *testing.T, w *world, ownerID string) (good string, bad []caller) {
	t.Helper()
	key := ownerKey(t, w.app.Secret)
	with := func(name string, value any) jwt.MapClaims {
		c := claims(w, ownerID)
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return c
	}
	hs256 := func(c jwt.MapClaims) string { return signed(t, jwt.SigningMethodHS256, key, c) }
	good = hs256(claims(w, ownerID))
	now := w.clock.now()
	header, rest, _ := strings.Cut(good, ".")
	return good, []caller{
		{"nobody", ""},
		{"garbage", "garbage"},
		{"garbage with dots", "a.b.c"},
		{"expired", hs256(with("exp", now.Add(-time.Second).Unix()))},
		{"expiring now", hs256(with("exp", now.Unix()))},
		{"without exp", hs256(with("exp", nil))},
		{"not yet valid", hs256(with("nbf", now.Add(time.Minute).Unix()))},
		{"issued in the future", hs256(with("iat", now.Add(time.Minute).Unix()))},
		{"another key", signed(t, jwt.SigningMethodHS256, ownerKey(t, auth.Secret("another secret of thirty-two bytes")), claims(w, ownerID))},
		{"the admin key", signed(t, jwt.SigningMethodHS256, []byte(w.app.Secret.AdminKey()), claims(w, ownerID))},
		{"empty key", signed(t, jwt.SigningMethodHS256, []byte{}, claims(w, ownerID))},
		{"alg none", signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(w, ownerID))},
		{"alg HS512", signed(t, jwt.SigningMethodHS512, key, claims(w, ownerID))},
		{"wrong aud", hs256(with("aud", "somebody-else"))},
		{"without aud", hs256(with("aud", nil))},
		{"wrong iss", hs256(with("iss", "somebody-else"))},
		{"without iss", hs256(with("iss", nil))},
		{"without sub", hs256(with("sub", nil))},
		{"sub that is no id", hs256(with("sub", "o-1"))},
		{"without signature", header + "." + strings.Split(rest, ".")[0] + "."},
		{"signature cut", good[:len(good)-2]},
		{"too long", good + strings.Repeat("x", 4096)},
	}
}

// malformed are ids, as they stand on the wire, that name nothing anywhere.
var malformed = map[string]string{
	"unknown":          "s2222222222222222",
	"dots and slash":   "..%2f",
	"dots":             "%2e%2e",
	"encoded slash":    "a%2Fb",
	"uppercase":        "S2222222222222222",
	"very long":        strings.Repeat("a", 5000),
	"with a dash":      "s22-22",
	"NUL":              "%00",
	"broken UTF-8":     "%ff%FE",
	"Korean":           "%ED%8C%8C%EB%9E%80%EB%AC%B8",
	"percent":          "%25s",
	"blank":            "%20",
	"plus":             "a+b",
	"another stream":   "store-s2222222222222222",
	"key of a sink":    "x%7Cy%2Fopen",
	"SQL":              "%27%20OR%201%3D1%20--",
	"one dot":          ".x",
	"carriage returns": "a%0d%0aX-Injected:%20yes",
}
