package esdbserver

import (
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"daybook/eventstore"
)

// expectation is what a writer says about a stream's end: a revision from 0 on, or one of those below. The numbers are
// EventStoreDB's.
type expectation int64

const (
	noStream     expectation = -1
	anyRevision  expectation = -2
	streamExists expectation = -4
)

// String is the number, as EventStoreDB writes it.
func (x expectation) String() string { return strconv.FormatInt(int64(x), 10) }

// expecting is what the options of Append, Delete and Tombstone have in common.
type expecting interface {
	proto.Message
	GetStreamIdentifier() *shared.StreamIdentifier
	GetRevision() uint64
	GetNoStream() *shared.Empty
	GetAny() *shared.Empty
	GetStreamExists() *shared.Empty
}

func parseExpectation(o expecting) (expectation, error) {
	switch {
	case !given(o, "expected_stream_revision"):
		return 0, errNoExpectation
	case o.GetNoStream() != nil:
		return noStream, nil
	case o.GetAny() != nil:
		return anyRevision, nil
	case o.GetStreamExists() != nil:
		return streamExists, nil
	}
	n, err := revision(o.GetRevision())
	return expectation(n), err
}

var errNoExpectation = invalid("no expected revision")

// given says whether a message has any of the alternatives of a field. To take a missing one for revision 0 would be wrong.
func given(m proto.Message, field protoreflect.Name) bool {
	r := m.ProtoReflect()
	return r.WhichOneof(r.Descriptor().Oneofs().ByName(field)) != nil
}

// resolve returns the revision to append after. It is false if the expectation cannot hold. One that names a revision
// is left to the store, which also knows repetitions; but a deleted stream may be begun anew.
func (x expectation) resolve(state streamState) (eventstore.Revision, bool) {
	switch {
	case x >= 0:
		return eventstore.Revision(x), true
	case x == noStream && state.deleted():
		return state.last, true
	case x == noStream:
		return eventstore.NoStream, true
	case x == streamExists:
		return state.last, state.exists()
	}
	return state.last, true
}

// exact says whether the expectation names a place. The others are tried again when somebody else was faster.
func (x expectation) exact() bool { return x >= noStream }
