package kurrent

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/eventstore"
)

var (
	errSilent   = errors.New("nothing answers")
	errNoLeader = errors.New("no node of the cluster leads")
	errVersion  = errors.New("the client library cannot read the server's version")
)

// notTheServer tells the answers of what stands before a server, an ingress or a proxy, from the server's own: gRPC did
// not understand them, and says so in text only.
func notTheServer(err error) bool {
	return strings.Contains(err.Error(), "unexpected HTTP status code received from server") ||
		strings.Contains(err.Error(), "received unexpected content-type")
}

// closes is the advice on what takes a connection and says nothing: a balancer whose server is down, or a server of TLS.
const closes = "what listens there closes the connection: see whether a server runs behind it, check the port, or say tls=true"

// advices says what to do about causes, in the order in which they are looked for. Most causes are known by the text
// of gRPC and of the operating system only.
var advices = []struct{ text, advice string }{
	{errVersion.Error(), "use a released version of the server"},
	{errNoLeader.Error(), "see whether more than half of the nodes run"},
	{"Server Is Not Ready", "it starts, or elects a leader; if that lasts, see whether more than half of the nodes run"},
	{"does not accept the user name or password", "check the user name and password in the address"},
	{"does not allow this to the user", "give the user the right to read and write all streams"},
	{"the server holds another log", "the server was replaced: put the right log back, or start anew with an empty data directory"},
	{"the server holds no log", "the server was emptied or replaced: put the right log back, or start anew with an empty data directory"},
	{"first record does not look like a TLS handshake", "the server does not speak TLS there: check the port, or say tls=false"},
	{"certificate", "check tlsCAFile, the name in the address and that the certificate is valid"},
	{"authentication handshake failed", "check the port and whether the server speaks TLS there"},
	{"unexpected HTTP status code", "something before the server answers, an ingress or a proxy: see whether it reaches the server"},
	{"unexpected content-type", "something before the server answers, an ingress or a proxy: see whether it reaches the server"},
	{"server preface: EOF", closes},
	{"broken pipe", closes},
	{"connection reset", closes},
	{"server preface", "what listens there does not speak EventStoreDB's protocol without TLS: check the port, or say tls=true"},
	{"http2:", "what listens there does not speak EventStoreDB's protocol without TLS: check the port, or say tls=true"},
	{"frame", "what listens there does not speak EventStoreDB's protocol without TLS: check the port, or say tls=true"},
	{"connection refused", "nothing listens there: see whether the server runs, and check the port"},
	{"produced zero addresses", "check the host name in the address"},
	{"no such host", "check the host name in the address"},
	{"lookup ", "check the host name in the address"},
	{errSilent.Error(), "see whether the server hangs, and whether a firewall is in the way"},
	{"deadline exceeded", "see whether the server hangs, and whether a firewall is in the way"},
}

func adviceOn(err error) string {
	text := err.Error()
	for _, a := range advices {
		if strings.Contains(text, a.text) {
			return a.advice
		}
	}
	return "see the server's log"
}

// report tells the operator of an attempt to connect: what is wrong, once for each cause in an outage, and that it is
// over. A link that was given up for its silence is reported too. An error without a link is the trouble of those who
// wait for one.
func (s *Store) report(l *link, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = err
	switch {
	case err != nil && s.life.Err() != nil:
	case err != nil:
		if advice := adviceOn(err); !s.advised[advice] {
			s.advised[advice] = true
			s.logger.Warn("event store: cannot be used", "address", s.place, "cause", err.Error(), "advice", advice)
		}
	case len(s.advised) > 0:
		clear(s.advised)
		s.logger.Info("event store: back", "address", l.address, "server", l.version.String())
	case s.connected != l.address:
		s.logger.Info("event store: connected", "address", l.address, "server", l.version.String())
	default:
		s.logger.Debug("event store: connected again", "address", l.address)
	}
	if err == nil {
		s.connected = l.address
	}
}

// unreachable is the error of a call that waited for a connection, for as long as such a call waits.
type unreachable struct{ cause error }

func (u *unreachable) Error() string {
	return "event store is unavailable: " + u.cause.Error()
}

// Unwrap says so in two ways: the log is away, and the time for the call is over.
func (u *unreachable) Unwrap() []error {
	return []error{eventstore.ErrUnavailable, context.DeadlineExceeded, u.cause}
}

// answered says whether an error is something that a server sent.
func answered(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded:
		return false
	}
	return true
}
