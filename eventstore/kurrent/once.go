package kurrent

import (
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"
)

// gRPC mends a broken connection silently, and a call would not notice that the server behind it was replaced meanwhile. So
// a link connects by a policy of our own, which makes one connection and no other. The library lets nobody choose a policy,
// but takes an address of a scheme that chooses it.
const (
	onceScheme = "daybook-once"
	oncePolicy = "daybook_once"
)

func init() { // gRPC wants it before anything connects
	resolver.Register(onceResolver{})
	balancer.Register(oncePolicies{})
}

// once is an address to which one connection is made.
func once(address string) string { return onceScheme + ":///" + address }

// onceResolver passes an address on as it is.
type onceResolver struct{}

func (onceResolver) Scheme() string { return onceScheme }

func (onceResolver) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	return onceResolver{}, cc.UpdateState(resolver.State{
		Addresses:     []resolver.Address{{Addr: target.Endpoint()}},
		ServiceConfig: cc.ParseServiceConfig(`{"loadBalancingConfig":[{"` + oncePolicy + `":{}}]}`),
	})
}

func (onceResolver) ResolveNow(resolver.ResolveNowOptions) {}
func (onceResolver) Close()                                {}

type oncePolicies struct{}

func (oncePolicies) Name() string { return oncePolicy }

func (oncePolicies) Build(cc balancer.ClientConn, _ balancer.BuildOptions) balancer.Balancer {
	return &onceBalancer{cc: cc}
}

// onceBalancer connects once. gRPC calls its methods one at a time.
type onceBalancer struct {
	cc   balancer.ClientConn
	conn balancer.SubConn // nil before the first address
}

func (b *onceBalancer) UpdateClientConnState(s balancer.ClientConnState) error {
	if b.conn != nil {
		return nil
	}
	conn, err := b.cc.NewSubConn(s.ResolverState.Addresses, balancer.NewSubConnOptions{StateListener: b.changed}) //nolint:staticcheck // there is no other yet; it is given one address
	if err != nil {
		return err
	}
	b.conn = conn
	b.cc.UpdateState(balancer.State{ConnectivityState: connectivity.Connecting, Picker: base.NewErrPicker(balancer.ErrNoSubConnAvailable)})
	conn.Connect()
	return nil
}

func (b *onceBalancer) changed(s balancer.SubConnState) {
	switch s.ConnectivityState {
	case connectivity.Connecting:
	case connectivity.Ready:
		b.cc.UpdateState(balancer.State{ConnectivityState: connectivity.Ready, Picker: oncePicker{b.conn}})
	default:
		err := status.Error(codes.Unavailable, "the connection broke")
		if s.ConnectionError != nil {
			err = status.Errorf(codes.Unavailable, "connection error: %v", s.ConnectionError)
		}
		b.ResolverError(err)
	}
}

func (b *onceBalancer) ResolverError(err error) {
	b.cc.UpdateState(balancer.State{ConnectivityState: connectivity.TransientFailure, Picker: base.NewErrPicker(err)})
}

func (b *onceBalancer) Close() {
	if b.conn != nil {
		b.conn.Shutdown()
	}
}

func (b *onceBalancer) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}
func (b *onceBalancer) ExitIdle()                                                  {}

type oncePicker struct{ conn balancer.SubConn }

func (p oncePicker) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	return balancer.PickResult{SubConn: p.conn}, nil
}
