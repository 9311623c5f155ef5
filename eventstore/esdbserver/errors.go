package esdbserver

import (
	"context"
	"errors"
	"net"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"daybook/eventstore"
)

// exception is an error as EventStoreDB tells it: a gRPC status, and in the trailers its name and details.
type exception struct {
	code    codes.Code
	name    string
	message string
	trailer metadata.MD
}

func (e *exception) Error() string { return e.message }

func newException(code codes.Code, name, message string, details ...string) *exception {
	return &exception{code, name, message, metadata.Pairs(append([]string{"exception", name}, details...)...)}
}

// Names of exceptions, by which clients know them.
const (
	accessDeniedName  = "access-denied"
	streamDeletedName = "stream-deleted"
	tooLargeName      = "maximum-append-size-exceeded"
	groupExistsName   = "persistent-subscription-exists"
	notLeaderName     = "not-leader"
	wrongVersionName  = "wrong-expected-version"
)

func accessDenied() error {
	return newException(codes.PermissionDenied, accessDeniedName, "Access Denied.")
}

func streamDeleted(stream string) error {
	return newException(codes.FailedPrecondition, streamDeletedName, "Event stream '"+stream+"' is deleted.", "stream-name", stream)
}

func appendTooLarge() error {
	max := strconv.Itoa(appendBytesMax)
	return newException(codes.InvalidArgument, tooLargeName,
		"Maximum Append Size of "+max+" Exceeded.", "maximum-append-size", max)
}

func groupExists(stream, group string) error {
	return newException(codes.AlreadyExists, groupExistsName,
		"Subscription group "+group+" on stream "+stream+" exists.", "stream-name", stream, "group-name", group)
}

// notLeader names the leader, for the client to go there.
func (n *node) notLeader() error {
	address := n.members()[0]
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	return newException(codes.NotFound, notLeaderName, "Leader info available",
		"leader-endpoint-host", host, "leader-endpoint-port", port)
}

// wrongVersion is an expectation that did not hold. Append has its own answer for it; the other calls have a trailer.
type wrongVersion struct {
	stream   string
	expected expectation
	actual   eventstore.Revision // NoStream also for a stream that is deleted
}

func (w *wrongVersion) Error() string {
	return "Append failed due to WrongExpectedVersion. Stream: " + w.stream + ", Expected version: " + w.expected.String() +
		", Actual version: " + strconv.FormatInt(int64(w.actual), 10)
}

func (w *wrongVersion) exception() *exception {
	return newException(codes.FailedPrecondition, wrongVersionName, w.Error(), "stream-name", w.stream,
		"expected-version", w.expected.String(), "actual-version", strconv.FormatInt(int64(w.actual), 10))
}

func invalid(message string) error { return status.Error(codes.InvalidArgument, message) }

// wireError turns an error into a gRPC status and trailers. What is the server's fault is logged.
func (n *node) wireError(method string, err error) (metadata.MD, error) {
	var named *exception
	if wrong := (*wrongVersion)(nil); errors.As(err, &wrong) {
		named = wrong.exception()
	} else {
		errors.As(err, &named)
	}
	if named != nil {
		return named.trailer, status.Error(named.code, named.message)
	}
	if _, ok := status.FromError(err); ok {
		return nil, err
	}
	var damaged *eventstore.Corruption
	code := codes.Unknown
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, status.FromContextError(err).Err()
	case errors.Is(err, eventstore.ErrInvalid):
		return nil, status.Error(codes.InvalidArgument, err.Error())
	case errors.Is(err, eventstore.ErrClosed):
		return nil, status.Error(codes.Unavailable, err.Error())
	case errors.As(err, &damaged):
		code = codes.DataLoss
	case errors.Is(err, eventstore.ErrUnavailable):
		code = codes.Unavailable
	}
	n.options.Logger.Error("EventStoreDB protocol: call failed", "method", method, "error", err)
	return nil, status.Error(code, err.Error())
}
