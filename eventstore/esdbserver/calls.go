package esdbserver

import (
	"context"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"daybook/eventstore"
)

// open methods are what a client calls before it has shown who it is.
var open = map[string]bool{
	gossip.Gossip_Read_FullMethodName:                                true,
	serverfeatures.ServerFeatures_GetSupportedMethods_FullMethodName: true,
}

// requiresLeaderHeader is set by clients that will not take a follower's answer.
const requiresLeaderHeader = "requires-leader"

// unary and stream stand around every call: trouble, who asks, and what errors become.
func (n *node) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	ctx, err := n.enter(ctx, info.FullMethod)
	var resp any
	if err == nil {
		resp, err = handle(ctx, req)
	}
	if err == nil {
		return resp, nil
	}
	trailer, err := n.wireError(info.FullMethod, err)
	if trailer != nil {
		_ = grpc.SetTrailer(ctx, trailer) // fails only outside of a call
	}
	return nil, err
}

func (n *node) stream(srv any, out grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	ctx, err := n.enter(out.Context(), info.FullMethod)
	if err == nil {
		err = handle(srv, &call{out, ctx})
	}
	if err == nil {
		return nil
	}
	if info.IsClientStream && !info.IsServerStream {
		drain(out)
	}
	trailer, err := n.wireError(info.FullMethod, err)
	out.SetTrailer(trailer)
	return err
}

// drain takes what the client still has to say before it is told an error. The Go client would not ask for the error
// if it could not send everything: it would report "EOF" instead.
func drain(in grpc.ServerStream) {
	var req streams.AppendReq
	for bytes, n := 0, 0; bytes < messageBytesMax && n < drainMax; n++ {
		if in.RecvMsg(&req) != nil {
			return
		}
		bytes += proto.Size(&req)
	}
}

// drainMax messages are more than any append that could be taken has.
const drainMax = 2 * eventstore.AppendMax

// call is a stream whose context knows the user.
type call struct {
	grpc.ServerStream
	ctx context.Context
}

func (c *call) Context() context.Context { return c.ctx }

// enter decides whether a call may begin.
func (n *node) enter(ctx context.Context, method string) (context.Context, error) {
	if n.options.Called != nil {
		n.options.Called(method)
	}
	if err := n.trouble.enter(ctx, method); err != nil {
		return ctx, err
	}
	if open[method] {
		return ctx, nil
	}
	if err := n.trouble.notReady(); err != nil {
		return ctx, err
	}
	user, err := n.authenticate(ctx)
	if err != nil {
		return ctx, err
	}
	if headers, _ := metadata.FromIncomingContext(ctx); n.options.Follower && len(headers.Get(requiresLeaderHeader)) > 0 &&
		headers.Get(requiresLeaderHeader)[0] == "true" {
		return ctx, n.notLeader()
	}
	return context.WithValue(ctx, userKey{}, user), nil
}

type userKey struct{}

// mayWrite returns the error for a user who may not.
func (n *node) mayWrite(ctx context.Context, stream string) error {
	user, _ := ctx.Value(userKey{}).(User)
	switch {
	case n.options.ReadOnly, user.ReadOnly, stream == allStream:
		return accessDenied()
	case n.trouble.notLeader():
		return n.notLeader()
	}
	return nil
}
