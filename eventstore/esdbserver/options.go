package esdbserver

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"
)

// Options of New. The zero value is a single node without encryption that asks nobody for a password, which Serve
// allows on loopback only.
type Options struct {
	// TLS encrypts, nil for plain text.
	TLS *tls.Config
	// ClientCAs sign certificates that users may show instead of a password: the common name is the user's. A
	// certificate that they did not sign is refused, password or not. It needs TLS and Users; nil: none is asked for.
	ClientCAs *x509.CertPool
	// Users who may call, by name. Empty: everybody may do everything.
	Users map[string]User
	// ReadOnly denies every write, whoever asks.
	ReadOnly bool
	// Members are the addresses, "host:port", that gossip tells, the leader's first. Empty: only the address that this
	// server listens on.
	Members []string
	// Follower makes this node one that cannot do what only a leader can, and that names Members[0] for it.
	Follower bool
	// AcceptGroups answers the creation of a persistent subscription with success, though nothing is ever delivered to
	// it. Only the client module's tests want that: they create one to see whether there is a leader.
	AcceptGroups bool
	// Version is the release that clients are told, "" for the one whose protocol is spoken.
	Version string
	// Hostile makes trouble, for tests. nil: none.
	Hostile *Hostile
	// Called, unless it is nil, is told the full name of each method when a call of it begins, from several goroutines.
	// The call waits for it.
	Called func(method string)
	// Now gives the time that $maxAge is measured against, nil for time.Now.
	Now func() time.Time
	// Logger hears of calls that failed for a reason of the server's. nil for slog.Default.
	Logger *slog.Logger
}

// User is one who may call.
type User struct {
	Password string
	ReadOnly bool // may not append, delete or change metadata
}

func (o Options) withDefaults() Options {
	o.Version = cmp.Or(o.Version, protocolVersion)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.TLS != nil {
		o.TLS = o.TLS.Clone()
		if o.ClientCAs != nil {
			// Asked for, but judged in authenticate: a refused handshake could not tell the client why.
			o.TLS.ClientAuth = tls.RequestClientCert
		}
	}
	return o
}
