package kurrent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/eventstore"
)

// lost is a failure that may pass: the connection broke, the server is busy or not the leader. What was asked for may
// have happened all the same.
type lost struct{ err error }

func (l *lost) Error() string   { return l.err.Error() }
func (l *lost) Unwrap() []error { return []error{eventstore.ErrUnavailable, l.err} }

// wrongRevision is the server's refusal of an append.
type wrongRevision struct{ err error }

func (w *wrongRevision) Error() string { return w.err.Error() }

// errPosition is the server's refusal of a position: this log has no event there, and has had none since it was made or
// put in the place of another. It does not go away by itself.
var errPosition = fmt.Errorf("%w: no event of this log begins at that position", eventstore.ErrInvalid)

// errBeyondEnd is the server's refusal to read backward from a position after its end.
var errBeyondEnd = errors.New("the position is after the end of the log")

// refusedPositions are what servers say about positions, in the only form in which they tell it.
var refusedPositions = map[string]error{
	"Unexpected ReadAllResult: InvalidPosition": errPosition,
	"Trying to read from an invalid position.":  errPosition,
	"Unexpected ReadAllResult: Error":           errBeyondEnd,
}

// errNotLeader is a node's word for what only the leader may do.
var errNotLeader = errors.New("the node does not lead")

// errHandshake is that of connections that cannot be encrypted.
var errHandshake = errors.New("the server's certificate does not fit, or it does not speak TLS")

// errNoStream is the server's word for a stream without events.
var errNoStream = errors.New("the stream does not exist")

func isLost(err error) bool {
	var l *lost
	return errors.As(err, &l)
}

// ended is the error of a call whose context is over.
func ended(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), eventstore.ErrClosed) {
		return eventstore.ErrClosed
	}
	return ctx.Err()
}

// judge sorts what the library returned: nil, io.EOF, errNoStream, *wrongRevision, *lost, or a refusal that would be
// repeated. A link that the library has given up is closed.
func (l *link) judge(err error) error {
	var known *esdb.Error // its own FromError does not see through wrapping
	switch {
	case err == nil, errors.Is(err, io.EOF) && !errors.As(err, &known):
		return err
	case isLost(err):
		return err
	case !errors.As(err, &known):
		return l.judgeStatus(err)
	}
	switch known.Code() {
	case esdb.ErrorCodeWrongExpectedVersion:
		return &wrongRevision{err}
	case esdb.ErrorCodeConnectionClosed:
		l.kill(err)
		return &lost{err}
	case esdb.ErrorCodeNotLeader:
		return &lost{fmt.Errorf("%w: %w", errNotLeader, err)}
	case esdb.ErrorCodeStreamDeleted:
		return &eventstore.Corruption{Place: "a stream that is no more", Err: known.Err()} // which says its name
	case esdb.ErrorCodeResourceNotFound:
		if _, fromServer := status.FromError(known.Err()); !fromServer {
			return errNoStream // read from a proper answer; a status of that name may also be a follower's "not leader"
		}
	}
	return l.judgeStatus(err)
}

// judgeStatus is the function of that name, for a link that has been good.
func (l *link) judgeStatus(err error) error {
	judged := judgeStatus(err)
	if l.ready.Load() && errors.Is(judged, errHandshake) {
		return &lost{err} // it was right before: what the address names may have been renewed
	}
	return judged
}

// judgeStatus sorts by the gRPC status somewhere in err.
func judgeStatus(err error) error {
	inner := err
	var known *esdb.Error
	if errors.As(err, &known) && known.Err() != nil {
		inner = known.Err()
	}
	if refused, known := refusedPositions[status.Convert(inner).Message()]; known {
		return refused
	}
	if notTheServer(inner) {
		return &lost{err}
	}
	switch status.Code(inner) {
	case codes.Unauthenticated:
		return fmt.Errorf("%w: the server does not accept the user name or password", eventstore.ErrUnavailable)
	case codes.PermissionDenied:
		return fmt.Errorf("%w: the server does not allow this to the user", eventstore.ErrUnavailable)
	case codes.InvalidArgument, codes.OutOfRange:
		return fmt.Errorf("%w: the server refused: %w", eventstore.ErrInvalid, err)
	case codes.FailedPrecondition, codes.Unimplemented, codes.AlreadyExists:
		return fmt.Errorf("the server refused: %w", err)
	}
	if strings.Contains(inner.Error(), "authentication handshake failed") { // gRPC gives it as text only
		return fmt.Errorf("%w: %w: %v", eventstore.ErrUnavailable, errHandshake, inner)
	}
	return &lost{err}
}
