package esdbserver_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No call leaves anything behind in the server. The client does: after Unavailable it forgets a connection without
// closing it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run"),
		goleak.IgnoreAnyFunction("google.golang.org/grpc.(*addrConn).resetTransportAndUnlock"))
}
