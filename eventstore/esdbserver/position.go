package esdbserver

import (
	"context"
	"math"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/eventstore"
)

// stride lies between two positions as they are served. EventStoreDB's are places in its files: numbers between two of
// them are inside a record, and it refuses them. So must be noticed what a dense numbering would hide.
const stride = 2

// served is a position of the store as clients see it.
func served(p eventstore.Position) uint64 { return p.Commit * stride }

// asked is a position of the store, if a client's begins a record there or at a place that has none yet.
func (s *Server) asked(ctx context.Context, n uint64) (at eventstore.Position, begins bool, err error) {
	at = position(n / stride)
	gone, err := s.trouble.scavengedAt(ctx, s.store, at)
	return at, n%stride == 0 && !gone, err
}

// What EventStoreDB says, word for word: clients have nothing else to go by.
var (
	errThrown         = status.Error(codes.Unknown, "Exception was thrown by handler.")
	errStreamRead     = status.Error(codes.Unknown, "Unexpected ReadStreamResult: Error")
	errAllRead        = status.Error(codes.Unknown, "Unexpected ReadAllResult: Error")
	errAllInside      = status.Error(codes.Unknown, "Unexpected ReadAllResult: InvalidPosition")
	errFollowedInside = status.Error(codes.InvalidArgument, "Trying to read from an invalid position.")
)

// beyondAll is the position of clients that mean the end.
const beyondAll = math.MaxUint64
