package clientsuite_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certificates are what the server needs of the files that the client's tests read.
type certificates struct {
	ca   *x509.Certificate
	node tls.Certificate
}

// issued is a certificate with its key.
type issued struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// writeCertificates makes the files that the client module's own scripts make: an authority, a node's certificate, that
// of user admin, and two of authorities that nobody trusts.
func writeCertificates(t *testing.T, dir string) certificates {
	ca := authority(t, "ca")
	stranger := authority(t, "stranger")
	node := issue(t, ca, "node", x509.ExtKeyUsageServerAuth)
	write(t, dir, "ca", ca)
	write(t, dir, "untrusted-ca", issued{stranger.certificate, nil}, "ca")
	write(t, dir, "node", node)
	write(t, dir, "user-admin", issue(t, ca, "admin", x509.ExtKeyUsageClientAuth))
	write(t, dir, "user-invalid", issue(t, stranger, "admin", x509.ExtKeyUsageClientAuth))
	return certificates{ca.certificate, tls.Certificate{Certificate: [][]byte{node.certificate.Raw}, PrivateKey: node.key}}
}

func authority(t *testing.T, name string) issued {
	template := newTemplate(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	return sign(t, template, issued{})
}

func issue(t *testing.T, by issued, name string, usage x509.ExtKeyUsage) issued {
	template := newTemplate(name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	return sign(t, template, by)
}

var serial int64

func newTemplate(name string) *x509.Certificate {
	serial++
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
}

// sign makes a certificate, its own authority's if by is empty.
func sign(t *testing.T, template *x509.Certificate, by issued) issued {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by.key == nil {
		by = issued{template, key}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, by.certificate, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return issued{certificate, key}
}

// write saves folder/name.crt and, if there is a key, folder/name.key. The name is the folder's if none is given.
func write(t *testing.T, dir, folder string, c issued, name ...string) {
	file := filepath.Join(dir, folder, append(name, folder)[0])
	save := func(ending, kind string, content []byte) error {
		block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
		return os.WriteFile(file+ending, block, 0o600)
	}
	err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), save(".crt", "CERTIFICATE", c.certificate.Raw))
	if c.key != nil {
		der, errKey := x509.MarshalECPrivateKey(c.key)
		err = errors.Join(err, errKey, save(".key", "EC PRIVATE KEY", der))
	}
	if err != nil {
		t.Fatal(err)
	}
}
