package esdbserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

var errUnauthenticated = status.Error(codes.Unauthenticated, "Unauthenticated")

// authenticate finds out who calls, by the client's certificate or by name and password.
func (n *node) authenticate(ctx context.Context) (User, error) {
	if len(n.options.Users) == 0 {
		return User{}, nil
	}
	certificate := n.certificate(ctx)
	headers, _ := metadata.FromIncomingContext(ctx)
	authorization := headers.Get("authorization")
	if certificate != nil {
		user, ok := n.certified(certificate)
		if !ok {
			return User{}, errUnauthenticated
		}
		if len(authorization) == 0 {
			return user, nil
		}
	}
	if len(authorization) != 1 {
		return User{}, errUnauthenticated
	}
	return n.basic(authorization[0])
}

// basic checks HTTP's basic authentication. An unknown name costs as long as a wrong password.
func (n *node) basic(authorization string) (User, error) {
	scheme, encoded, _ := strings.Cut(authorization, " ")
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	name, password, ok := strings.Cut(string(decoded), ":")
	if err != nil || !ok || !strings.EqualFold(scheme, "basic") {
		return User{}, errUnauthenticated
	}
	user, known := n.options.Users[name]
	given, right := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(user.Password))
	if subtle.ConstantTimeCompare(given[:], right[:]) != 1 || !known {
		return User{}, errUnauthenticated
	}
	return user, nil
}

// certificate returns what the client showed, nil if nothing was asked for or shown.
func (n *node) certificate(ctx context.Context) *x509.Certificate {
	from, ok := peer.FromContext(ctx)
	if !ok || n.options.ClientCAs == nil {
		return nil
	}
	info, ok := from.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return nil
	}
	return info.State.PeerCertificates[0]
}

// certified finds the user of a certificate that ClientCAs signed for clients.
func (n *node) certified(certificate *x509.Certificate) (User, bool) {
	_, err := certificate.Verify(x509.VerifyOptions{
		Roots:       n.options.ClientCAs,
		CurrentTime: n.options.Now(),
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return User{}, false
	}
	user, ok := n.options.Users[certificate.Subject.CommonName]
	return user, ok
}
