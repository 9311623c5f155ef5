package esdbserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/projections"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"daybook/eventstore"
)

// Limits of one connection. The client's pings come as often as every 10 s, also while nothing else is said: gRPC's
// default policy would take that for an attack and end the connection.
const (
	pingMinTime     = 5 * time.Second
	pingTime        = 10 * time.Second // the server's own, to notice clients that are gone
	pingTimeout     = 10 * time.Second
	messageBytesMax = 17 << 20
	callsMax        = 4096 // at once, on one connection
	graceMax        = time.Second
)

// ErrExposed is returned by Serve for a listener that others than this machine can reach, while the options lack
// encryption or users.
var ErrExposed = errors.New("an address beyond this machine needs TLS and users")

// Server answers EventStoreDB's protocol from an embedded store. Make it with New. All methods may be called
// concurrently.
type Server struct {
	store   eventstore.Indexed
	options Options
	id      uuid.UUID // of this node, for gossip
	started time.Time
	recent  recent
	groups  groups
	trouble *trouble
}

// New makes a server for a store, which stays the caller's to close, after Serve has returned.
func New(store eventstore.Indexed, options Options) *Server {
	options = options.withDefaults()
	return &Server{
		store:   store,
		options: options,
		id:      uuid.New(),
		started: options.Now(),
		trouble: newTrouble(options.Hostile),
	}
}

// Serve answers calls on a listener until the context ends, then drops subscriptions, lets other calls end for up to a
// second, closes the listener and returns nil. It may be called again with another listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	if err := s.Admits(listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	node := &node{Server: s, address: listener.Addr().String(), stopping: make(chan struct{})}
	server := grpc.NewServer(node.grpcOptions()...)
	streams.RegisterStreamsServer(server, &streamsService{node: node})
	gossip.RegisterGossipServer(server, &gossipService{node: node})
	serverfeatures.RegisterServerFeaturesServer(server, featuresService{node: node})
	persistent.RegisterPersistentSubscriptionsServer(server, &groupsService{node: node})
	projections.RegisterProjectionsServer(server, projections.UnimplementedProjectionsServer{})
	stopped := make(chan struct{})
	cancelled := context.AfterFunc(ctx, func() {
		defer close(stopped)
		close(node.stopping)
		stopWithGrace(server)
	})
	err := server.Serve(s.trouble.behind(listener))
	if !cancelled() {
		<-stopped
		return nil
	}
	server.Stop()
	return fmt.Errorf("serving EventStoreDB's protocol on %s: %w", node.address, err)
}

func stopWithGrace(server *grpc.Server) {
	done := make(chan struct{})
	go func() {
		server.GracefulStop()
		close(done)
	}()
	timer := time.NewTimer(graceMax)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		server.Stop()
		<-done
	}
}

// Admits returns ErrExposed if Serve would refuse a listener at an address.
func (s *Server) Admits(address net.Addr) error {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() || s.options.TLS != nil && len(s.options.Users) > 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrExposed, address)
}

// node is a server on one listener.
type node struct {
	*Server
	address  string
	stopping chan struct{}
}

func (n *node) grpcOptions() []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingMinTime, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingTime, Timeout: pingTimeout}),
		grpc.MaxRecvMsgSize(messageBytesMax),
		grpc.MaxConcurrentStreams(n.trouble.callsMax()),
		grpc.UnaryInterceptor(n.unary),
		grpc.StreamInterceptor(n.stream),
	}
	if n.options.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(n.options.TLS)))
	}
	return options
}
