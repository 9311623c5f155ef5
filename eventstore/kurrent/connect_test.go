package kurrent_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
	"daybook/eventstore/kurrent"
)

func TestOpenRefusesABadAddressAndHidesThePassword(t *testing.T) {
	const secret = "hunter2"
	for address, want := range map[string]string{
		"":                                               "must begin with esdb://",
		"http://localhost:2113":                          "must begin with esdb://",
		"localhost:2113":                                 "must begin with esdb://",
		"esdb://":                                        "host",
		"esdb://localhost:port":                          "port",
		"esdb://localhost:2113/path":                     "path",
		"esdb://localhost?tsl=false":                     `no setting "tsl"`,
		"esdb://localhost?tls=perhaps":                   "tls",
		"esdb://localhost?tls=true&tls=x":                "given twice",
		"esdb://localhost?nodePreference=best":           "best",
		"esdb://localhost?defaultDeadline=soon":          "defaultDeadline",
		"esdb://localhost?gossipTimeout=0":               "gossipTimeout",
		"esdb://localhost?keepAliveInterval=-1":          "never given up",
		"esdb://localhost?tlsCAFile=/does/not/exist":     "/does/not/exist",
		"esdb://localhost?userCertFile=a":                "userKeyFile",
		"esdb://a:1,b:x":                                 "port",
		"esdb://admin:" + secret + "@":                   "host",
		"esdb://admin:" + secret + "@localhost:port":     "port",
		"esdb://admin:" + secret + "/@localhost":         "user name or password",
		"esdb://admin:" + secret + "?@localhost":         "user name or password",
		"esdb://admin:" + secret + "#@localhost":         "user name or password",
		"esdb://admin:" + secret + "%zz@localhost":       "user name or password",
		"esdb://:" + secret + "@localhost":               "user name or password",
		"esdb://admin:@localhost":                        "without a password",
		"http://admin:" + secret + "@localhost":          "must begin with",
		"esdb+discover://admin:" + secret + "@a,b:x,c?x": "setting",
	} {
		store, err := kurrent.Open(kurrent.Options{URL: address})
		if err == nil {
			_ = store.Close()
			t.Errorf("%s: no error", address)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, want %q in it", address, err, want)
		}
	}
}

func TestOpenTakesWhatTheClientTakes(t *testing.T) {
	for _, address := range []string{
		"esdb://localhost", "esdb://localhost:2113?tls=false", "esdb+discover://cluster.example:2113",
		"esdb+discover://admin:changeit@a:2111,b:2112,c:2113?tlsVerifyCert=false&nodePreference=follower&keepAliveInterval=10000",
		"esdb://admin:p%40ss%2Fword@localhost", "esdb://admin:p@ss@localhost",
		"esdb://localhost?discoveryInterval=100&gossipTimeout=5&maxDiscoverAttempts=10&keepAliveTimeout=10000&defaultDeadline=5000",
	} {
		store, err := kurrent.Open(kurrent.Options{URL: address})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// certificate makes one for names, signed by itself, and a file that trusts it.
func certificate(t *testing.T, names ...string) (certificate tls.Certificate, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile
}

func TestTLSAndCredentials(t *testing.T) {
	const secret = "hunter2"
	own, ownFile := certificate(t, "127.0.0.1")
	other, otherFile := certificate(t, "elsewhere.example")
	users := map[string]esdbserver.User{"admin": {Password: secret}, "guest": {Password: secret, ReadOnly: true}}
	right := newServer(t, esdbserver.Options{TLS: &tls.Config{Certificates: []tls.Certificate{own}}, Users: users})
	wrongName := newServer(t, esdbserver.Options{TLS: &tls.Config{Certificates: []tls.Certificate{other}}, Users: users})
	plain := newServer(t, esdbserver.Options{})
	for _, c := range []struct{ name, url, want string }{
		{"right", "esdb://admin:" + secret + "@" + right.address + "?tlsCAFile=" + ownFile, ""},
		{"right, unverified", "esdb://admin:" + secret + "@" + right.address + "?tlsVerifyCert=false", ""},
		{"wrong password", "esdb://admin:" + secret + "x@" + right.address + "?tlsCAFile=" + ownFile, "user name or password"},
		{"wrong user", "esdb://nobody:" + secret + "@" + right.address + "?tlsCAFile=" + ownFile, "user name or password"},
		{"no user", "esdb://" + right.address + "?tlsCAFile=" + ownFile, "event store is unavailable"},
		{"unknown authority", "esdb://admin:" + secret + "@" + right.address + "?tlsCAFile=" + otherFile, "certificate"},
		{"wrong name", "esdb://admin:" + secret + "@" + wrongName.address + "?tlsCAFile=" + otherFile, "certificate"},
		{"TLS to a plain server", "esdb://admin:" + secret + "@" + plain.address, "TLS"},
		{"nobody there", "esdb://127.0.0.1:1?tls=false", "connection refused"},
	} {
		var lines bytes.Buffer
		store := open(t, kurrent.Options{URL: c.url, Patience: time.Second, Logger: slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		_, err := store.Identity(within(t, 5*time.Second))
		switch {
		case c.want == "":
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		case !errors.Is(err, eventstore.ErrUnavailable) || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: got %v, want %q in it", c.name, err, c.want)
		}
		t.Logf("%s: %v", c.name, err)
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		if strings.Contains(lines.String()+fmt.Sprint(err), secret) {
			t.Errorf("%s: the password is in a message: %v\n%s", c.name, err, lines.String())
		}
	}
}

func TestWritesAndFreshReadsGoToTheLeader(t *testing.T) {
	leader := newServer(t, esdbserver.Options{})
	follower := &server{TB: t, log: leader.log, address: "127.0.0.1:0", options: esdbserver.Options{Follower: true, Members: []string{leader.address}, Logger: logger()}}
	follower.start()
	t.Cleanup(follower.down)
	before := clients()
	for name, call := range map[string]func(ctx context.Context, store *kurrent.Store) error{
		"Append": func(ctx context.Context, store *kurrent.Store) error {
			_, err := store.Append(ctx, "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")})
			return err
		},
		"Fresh read": func(ctx context.Context, store *kurrent.Store) error {
			for _, err := range store.ReadStream(ctx, "tab-s-1", eventstore.StreamRead{Fresh: true}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"Head":     func(ctx context.Context, store *kurrent.Store) error { _, err := store.Head(ctx); return err },
		"Identity": func(ctx context.Context, store *kurrent.Store) error { _, err := store.Identity(ctx); return err },
	} {
		store := open(t, kurrent.Options{URL: follower.url(), Logger: logger()})
		if err := call(within(t, 10*time.Second), store); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		follower.down() // who still needs it was not led to the leader
		if err := call(within(t, 10*time.Second), store); err != nil && !errors.As(err, new(*eventstore.Conflict)) {
			t.Errorf("%s, without the follower: %v", name, err)
		}
		follower.start()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	settles(t, math.MaxInt, before)
}

// TestAServerThatNeverAnswers meets a listener that takes connections and says nothing.
func TestAServerThatNeverAnswers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	store := open(t, kurrent.Options{URL: "esdb://" + listener.Addr().String() + "?tls=false&gossipTimeout=2", Logger: logger()})
	sub, err := store.Subscribe(t.Context(), eventstore.Position{}, eventstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for name, call := range map[string]func(ctx context.Context) error{
		"Append": func(ctx context.Context) error {
			_, err := store.Append(ctx, "tab-s-1", eventstore.NoStream, []eventstore.NewEvent{event("x")})
			return err
		},
		"Head":     func(ctx context.Context) error { _, err := store.Head(ctx); return err },
		"Identity": func(ctx context.Context) error { _, err := store.Identity(ctx); return err },
		"Next":     func(ctx context.Context) error { _, err := sub.Next(ctx); return err },
		"ReadAll": func(ctx context.Context) error {
			for _, err := range store.ReadAll(ctx, eventstore.LogRead{}) {
				return err
			}
			return nil
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		begin := time.Now()
		err := call(ctx)
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > 200*time.Millisecond+lateMax+busyMore {
			t.Errorf("%s: %v after %v", name, err, took)
		}
		cancel()
	}
	begin := time.Now()
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 1500*time.Millisecond {
		t.Errorf("Close took %v", took)
	}
	settles(t, math.MaxInt, 0)
}

// TestAnyAddressWorksAfterABreak: whichever node the address names or prefers, a broken connection is followed by another.
func TestAnyAddressWorksAfterABreak(t *testing.T) {
	leader := newServer(t, esdbserver.Options{})
	leader.options.Members = []string{leader.address}
	follower := &server{TB: t, log: leader.log, address: "127.0.0.1:0", options: esdbserver.Options{
		Follower: true, Members: []string{leader.address}, Logger: logger(),
	}}
	follower.start()
	t.Cleanup(follower.down)
	members := []string{leader.address, follower.address}
	leader.options.Members, follower.options.Members = members, members
	down := func() {
		leader.down()
		follower.down()
	}
	up := func() {
		leader.start()
		follower.start()
	}
	down()
	up()
	for name, url := range map[string]string{
		"the follower alone":       "esdb://" + follower.address + "?tls=false",
		"both, a follower first":   "esdb://" + follower.address + "," + leader.address + "?tls=false&nodePreference=follower",
		"both, the leader first":   "esdb://" + leader.address + "," + follower.address + "?tls=false&nodePreference=leader",
		"both, to be discovered":   "esdb+discover://" + follower.address + "," + leader.address + "?tls=false",
		"the follower, discovered": "esdb+discover://" + follower.address + "?tls=false",
		"both, whichever is found": "esdb://" + follower.address + "," + leader.address + "?tls=false&nodePreference=random",
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t, kurrent.Options{URL: url, Logger: logger()})
			ctx := within(t, 15*time.Second)
			if _, err := store.Identity(ctx); err != nil {
				t.Fatal(err)
			}
			stream := "tab-s-" + strings.ReplaceAll(uuid.NewString(), "-", "")
			for n := range 3 {
				if n > 0 {
					down()
					if _, err := store.Head(within(t, 200*time.Millisecond)); err == nil {
						t.Fatal("the log answers while no server runs")
					}
					up()
				}
				_, err := store.Append(ctx, stream, eventstore.Revision(n-1), []eventstore.NewEvent{event("x")})
				if err != nil {
					t.Fatalf("append %d: %v", n, err)
				}
			}
		})
	}
}

// TestACARenewed: the file that the address names is read at each connection.
func TestACARenewed(t *testing.T) {
	old, caFile := certificate(t, "127.0.0.1")
	renewed, renewedFile := certificate(t, "127.0.0.1")
	server := newServer(t, esdbserver.Options{TLS: &tls.Config{Certificates: []tls.Certificate{old}}})
	store := open(t, kurrent.Options{URL: "esdb://" + server.address + "?tlsCAFile=" + caFile, Logger: logger()})
	if _, err := store.Identity(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	server.down()
	server.options.TLS = &tls.Config{Certificates: []tls.Certificate{renewed}}
	server.start()
	pem, err := os.ReadFile(renewedFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(caFile, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Head(within(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
}
