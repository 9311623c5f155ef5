package auth

import (
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TokenLifetime is how long an access token is good.
const TokenLifetime = 12 * time.Hour

const (
	issuer   = "daybook"
	audience = "daybook-api"
)

// Owners issues and checks the access tokens of owners.
type Owners struct {
	key    []byte
	parser *jwt.Parser
	now    func() time.Time
}

// NewOwners makes the tokens of an installation's secret.
func NewOwners(secret Secret, now func() time.Time) *Owners {
	return &Owners{
		key: secret.key("owner access token"), now: now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
			jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithStrictDecoding(), jwt.WithTimeFunc(now),
		),
	}
}

// Issue returns a fresh access token for an owner.
func (o *Owners) Issue(ownerID string) (string, error) {
	now := o.now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: ownerID, ID: RandomText(15),
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(TokenLifetime)),
	}).SignedString(o.key)
}

// Verify returns the owner that an access token was issued to, or ErrToken.
func (o *Owners) Verify(token string) (ownerID string, err error) {
	if strings.ContainsAny(token, "\r\n") { // which base64 overlooks: one token would have many forms
		return "", ErrToken
	}
	var claims jwt.RegisteredClaims
	_, err = o.parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return o.key, nil })
	if err != nil || !ValidID(claims.Subject) {
		return "", errors.Join(ErrToken, err)
	}
	return claims.Subject, nil
}
